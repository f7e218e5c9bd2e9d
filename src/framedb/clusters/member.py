"""`python -m framedb.clusters.member FOLDER`: becomes the server of that folder.

Servers start through here only, so that each start writes the configuration anew from what is wanted now, and none begins
as an empty master while another member has data. `--first` and `--private` are for the driver, which knows more.
"""

import fcntl
import os
import shutil
import sys
import time
from pathlib import Path

from framedb.clusters.aftercare import leave_behind
from framedb.clusters.joining import Place, find_place
from framedb.clusters.sentinel_file import sentinel_directives
from framedb.clusters.server_spec import ServerSpec, read_spec, valkey_binary, write_private
from framedb.errors import AlreadyRunningError, EngineError, FrameDBError

ALREADY_RUNS = 75
"""Exit status when another process is the folder's server, or is becoming it."""
KEPT_SNAPSHOTS = 3
"""Snapshots of a cluster that are kept; older ones go."""
_LOCK_WAIT = 1.0  # seconds: a process that was just killed still has to give back its memory


def become(folder: Path, *, first: bool = False, private: bool = False) -> None:
    """Replace this process by the folder's server.

    `first`: no other member of its cluster runs. `private`: as a master it listens on its private socket alone, until
    somebody opens it. Raises EngineError when there is nothing to become, AlreadyRunningError when it runs already.
    """
    folder = folder.absolute()
    spec = read_spec(folder)
    if spec is None:
        raise EngineError(f"{folder} is no server's folder: it has no server.json, or one of another version")
    binary = valkey_binary(spec.binary)
    os.umask(0o077)  # logs, snapshots and rewritten configurations hold passwords or frames
    _lock(folder)
    _say(f"{spec.name} starts")
    if spec.sentinel:
        directives = _sentinel(spec)
    else:
        place = find_place(spec, first=first)
        spec = read_spec(folder) or spec  # the others may have been given other ports meanwhile
        directives = _server(spec, place, private=private)
    write_private(spec.config_path, "".join(f"{name} {value}\n" for name, value in directives))
    if spec.membership is not None:
        leave_behind(spec)
    command = [binary, str(spec.config_path), *(["--sentinel"] if spec.sentinel else [])]
    sys.stdout.flush()
    os.execv(binary, command)  # noqa: S606  - no shell wanted


def _basics(spec: ServerSpec) -> list[tuple[str, str]]:
    return [
        ("bind", "127.0.0.1"),
        ("protected-mode", "yes"),
        ("port", str(spec.port)),
        ("dir", _quoted(spec.folder)),
        ("pidfile", _quoted(str(spec.config_path.with_suffix(".pid")))),
        ("daemonize", "no"),
        ("set-proc-title", "no"),  # its command line keeps naming the folder: that is how it is found again
        ("requirepass", _quoted(spec.password)),
    ]


def _sentinel(spec: ServerSpec) -> list[tuple[str, str]]:
    """The configuration of a sentinel. It holds passwords."""
    if spec.membership is None:
        raise EngineError(f"{spec.name} watches over no cluster: its server.json is incomplete")
    return [*_basics(spec), *sentinel_directives(spec, spec.membership), *spec.config]


def _server(spec: ServerSpec, place: Place, *, private: bool) -> list[tuple[str, str]]:
    """The configuration of a server in its place. It holds passwords."""
    directives = _basics(spec)
    uds = spec.uds
    if uds:
        directives += [("unixsocketperm", "700")]
    directives += spec.config
    if place.master is not None:
        host, port = place.master
        # With nothing in it, it must not be chosen as a master: that is taken back once it has a copy.
        directives += [("replicaof", f"{host} {port}"), ("replica-priority", "0")]
        _say(f"{spec.name} is a replica of {host}:{port}")
    elif private and uds:
        uds = spec.private_uds
        directives += [("port", "0"), ("min-replicas-to-write", "0")]
        _say(f"{spec.name} is the master, and waits to be opened")
    elif spec.membership is not None:
        _say(f"{spec.name} is the master")
    if uds:
        directives.append(("unixsocket", _quoted(uds)))
        for stale in (spec.uds, spec.private_uds):
            Path(str(stale)).unlink(missing_ok=True)
    if spec.membership is not None:
        _put_aside(Path(spec.folder), spec, is_replica=place.master is not None)
    return directives


def _put_aside(folder: Path, spec: ServerSpec, *, is_replica: bool) -> None:
    """Old data that come back unasked are as bad as none: a snapshot is kept, but not where it would be loaded."""
    dump = folder / "dump.rdb"
    if dump.exists():
        if dict(spec.config).get("save", '""') != '""':
            kept = folder.parent / "snapshots"
            kept.mkdir(mode=0o700, exist_ok=True)
            seconds, nanoseconds = divmod(dump.stat().st_mtime_ns, 10**9)
            written = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
            dump.rename(kept / f"{written}.{nanoseconds // 1000:06d}Z.rdb")
            for old in sorted(kept.glob("*.rdb"))[:-KEPT_SNAPSHOTS]:
                old.unlink(missing_ok=True)
        else:
            dump.unlink()
    for partial in folder.glob("temp-*.rdb"):  # of a copy that was not finished
        partial.unlink()
    if is_replica:
        shutil.rmtree(folder / "appendonlydir", ignore_errors=True)


def _lock(folder: Path) -> None:
    """Hold the folder for as long as this process lives, also as a server.

    A lock of this kind outlives `exec`, is not inherited by the children that write snapshots, and falls with the process.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise AlreadyRunningError(f"the server of {folder} runs already: stop it first") from None
            time.sleep(0.02)
        else:
            return


def _say(what: str) -> None:
    """Into the server's log, which begins with how it came to be."""
    print(f"{os.getpid()}:framedb {time.strftime('%d %b %Y %H:%M:%S', time.gmtime())} {what}", flush=True)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def main(arguments: list[str]) -> int:
    """The program: only returns if it did not become a server."""
    options = {argument for argument in arguments if argument.startswith("--")}
    folders = [argument for argument in arguments if not argument.startswith("--")]
    if len(folders) != 1 or options - {"--first", "--private"}:
        print("usage: python -m framedb.clusters.member FOLDER", file=sys.stderr)
        return 2
    try:
        become(Path(folders[0]), first="--first" in options, private="--private" in options)
    except AlreadyRunningError as exc:
        print(exc, file=sys.stderr)
        return ALREADY_RUNS
    except (FrameDBError, OSError) as exc:
        print(exc, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
