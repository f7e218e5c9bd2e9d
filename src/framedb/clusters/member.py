"""`python -m framedb.clusters.member FOLDER`: becomes the server of that folder.

Servers start through here only, so that each start writes the configuration anew from what is wanted now.
"""

import os
import sys
from pathlib import Path

from framedb.clusters.server_spec import ServerSpec, read_spec, valkey_binary, write_private
from framedb.errors import EngineError


def configuration(spec: ServerSpec) -> str:
    """The text of the server's configuration file. It holds passwords: 0600."""
    directives = [
        ("bind", "127.0.0.1"),
        ("protected-mode", "yes"),
        ("port", str(spec.port)),
        ("dir", _quoted(spec.folder)),
        ("pidfile", _quoted(str(spec.config_path.with_suffix(".pid")))),
        ("daemonize", "no"),
        ("set-proc-title", "no"),  # its command line keeps naming the folder: that is how it is found again
        ("requirepass", _quoted(spec.password)),
    ]
    if spec.uds:
        directives += [("unixsocket", _quoted(spec.uds)), ("unixsocketperm", "700")]
    directives += spec.config
    return "".join(f"{name} {value}\n" for name, value in directives)


def become(folder: Path) -> None:
    """Replace this process by the folder's server. Raises EngineError when there is nothing to become."""
    spec = read_spec(folder)
    if spec is None:
        raise EngineError(f"{folder} is no server's folder: it has no server.json")
    write_private(spec.config_path, configuration(spec))
    binary = valkey_binary()
    command = [binary, str(spec.config_path), *(["--sentinel"] if spec.sentinel else [])]
    os.umask(0o077)  # logs and rewritten configurations hold passwords too
    os.execv(binary, command)  # noqa: S606  - no shell wanted


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


if __name__ == "__main__":
    try:
        become(Path(sys.argv[1]))
    except (EngineError, IndexError) as exc:
        sys.exit(str(exc) or "usage: python -m framedb.clusters.member FOLDER")
