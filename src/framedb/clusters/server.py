"""One Valkey process of this machine: started, found again, stopped.

A server outlives the process that started it. It is known by its folder, which its command line names, and by its
`run_id`; so whoever comes after a crash finds it, and knows whether it is still the same one.
"""

import fcntl
import logging
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import psutil

from framedb.clusters.server_spec import ServerSpec, write_spec
from framedb.config import MiB
from framedb.errors import EngineError, InsufficientRoomError, StoreError
from framedb.resp import Endpoint, close_redis, open_redis, translated

logger = logging.getLogger(__name__)

START_DEADLINE = 15.0
"""Seconds a server may take to answer; loading an append-only file of a full control server takes a few."""
STOP_DEADLINE = 10.0
"""Seconds between asking a server to stop and killing it."""
MEMBER_MODULE = "framedb.clusters.member"
"""The program that becomes a server."""
PORTS = range(20000, 32000)
"""Where members and sentinels listen: below the ports the system gives to outgoing connections, which would be in the way
of a server that wants its own back."""
_POLL = 0.02
_REFUSED = re.compile(r">>> '([a-z-]+)")
_FLOCK = struct.Struct("hhqqi4x")  # as Linux has it
_LONGEST_LOG = 10 * MiB  # a server writes a few lines a day; a longer log begins anew with the next start

_children: list[subprocess.Popen[bytes]] = []  # started here and still running: a parent must collect its dead
_collecting = threading.Lock()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    spec: ServerSpec
    pid: int
    run_id: str

    @property
    def endpoint(self) -> Endpoint:
        """How to reach this very process."""
        return replace(endpoint_of(self.spec), run_id=self.run_id)


def endpoint_of(spec: ServerSpec) -> Endpoint:
    """How to reach the server; without a run_id, as it may be another process by then."""
    return Endpoint("127.0.0.1", spec.port, uds=spec.uds, password=spec.password)


def start(spec: ServerSpec) -> Running:
    """Start the server and wait until it answers. Raises EngineError with the end of its log if it does not."""
    write_spec(spec)
    if spec.uds:
        Path(spec.uds).unlink(missing_ok=True)
    process = launch(spec)
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EngineError(f"{spec.name} stopped at once: {last_words(spec)}")
        running = answering(spec)
        if running is not None:
            return running
        time.sleep(_POLL)
    process.kill()
    process.wait()
    raise EngineError(f"{spec.name} did not answer within {START_DEADLINE:g} s: {last_words(spec)}")


def launch(spec: ServerSpec, *options: str) -> subprocess.Popen[bytes]:
    """Begin to start the server that stands in its folder; `options` are those of the member program."""
    with spec.log_path.open("ab" if _is_short(spec.log_path) else "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", MEMBER_MODULE, spec.folder, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in a terminal is for the node, which stops its servers in order
        )
    with _collecting:
        _children[:] = [*(child for child in _children if child.poll() is None), process]
    return process


def answering(spec: ServerSpec) -> Running | None:
    """The server, if it answers now."""
    endpoint = endpoint_of(spec)
    if spec.uds and not Path(spec.uds).exists():
        return None
    client = open_redis(
        Endpoint(endpoint.host, 0 if spec.uds else spec.port, uds=spec.uds, password=spec.password), timeout=1.0
    )
    try:
        with translated(spec.name):
            info = client.info("server")
            client.ping()  # refused while it loads its data
    except StoreError:
        return None
    finally:
        close_redis(client)
    return Running(spec, int(info["process_id"]), str(info["run_id"]))


def processes(folder: Path) -> Iterator[psutil.Process]:
    """Processes of all servers in or below the folder, answering or not, starting ones too."""
    inside = f"{folder}/"
    return (process for process, where in _servers() if f"{where}/".startswith(inside))


def is_starting(process: psutil.Process) -> bool:
    """Whether it is the program that becomes a server, or what that left behind, and not a server yet."""
    return _arguments(process)[1:3] == ["-m", MEMBER_MODULE]


def is_sentinel(process: psutil.Process) -> bool:
    """Whether it is a sentinel, or about to be one."""
    return Path(_folder(process) or "").name == "sentinel"


def holder(spec: ServerSpec) -> psutil.Process | None:
    """The process that is the folder's server, or is becoming it: it holds the folder's lock for as long as it lives."""
    try:
        descriptor = os.open(Path(spec.folder) / "lock", os.O_RDWR)
    except OSError:
        return None
    try:
        question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
    finally:
        os.close(descriptor)
    if kind == fcntl.F_UNLCK:
        return None
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid)
    return None


def stop(*specs: ServerSpec, patience: float = STOP_DEADLINE) -> None:
    """Stop every process of these servers' folders: politely, and after `patience` seconds not so."""
    folders = {spec.folder for spec in specs}
    stop_processes([process for process, where in _servers() if where in folders], patience=patience)


def stop_processes(found: Collection[psutil.Process], *, patience: float = STOP_DEADLINE) -> None:
    """Stop these processes: politely, and after `patience` seconds not so."""
    for process in found:
        _signal(process, "terminate")
    alive = _await_ends(found, patience)
    for process in alive:
        logger.info("server did not stop in time, killing it", extra={"pid": process.pid})
        _signal(process, "kill")
    _await_ends(alive, STOP_DEADLINE)


def _await_ends(found: Collection[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still live after so many seconds.

    One that nobody has collected yet is dead too: whoever started it may never do so, nor the first process of a container.
    """
    deadline = time.monotonic() + seconds
    while True:
        alive = [process for process in found if _lives(process)]
        with _collecting:  # after that look: what has just been found dead is collected too
            _children[:] = [child for child in _children if child.poll() is None]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(_POLL)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port(preferred: int | None = None) -> int:
    """`preferred` if nobody listens there, else the next free one after it; any free one if there is no preference."""
    if preferred is None:
        with _listening(0) as bound:
            return bound
    for port in range(preferred, min(preferred + 1000, 65536)):
        if is_free(port):
            return port
    raise EngineError(f"no free port from {preferred} on: stop what listens there, or choose another")


def any_free_port(among: range, *, but: Collection[int] = ()) -> int:
    """A free port of the range, at random: others look for one at the same moment. Raises InsufficientRoomError."""
    first = random.randrange(len(among)) if among else 0  # noqa: S311  (no secret)
    for port in chain(among[first:], among[:first]):
        if port not in but and is_free(port):
            return port
    raise InsufficientRoomError(f"no free port from {among.start} to {among.stop - 1}: stop what listens there")


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    try:
        with _listening(port):
            return True
    except OSError:
        return False


def last_words(spec: ServerSpec) -> str:
    """The last line of the server's log, and the directive that it is about, if it is about one."""
    log = spec.log_path
    lines = log.read_text(errors="replace").splitlines()[-2:] if log.exists() else []
    if not lines:
        return f"it wrote nothing to {log}"
    refused = _REFUSED.match(lines[0])  # its name alone: the rest of the line may be a password
    return f"{refused[1]}: {lines[-1].strip()}" if refused else lines[-1].strip()


@contextmanager
def _listening(port: int) -> Iterator[int]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        yield int(probe.getsockname()[1])


def _servers() -> Iterator[tuple[psutil.Process, str]]:
    """All servers of this machine that were started by the member program, with their folders."""
    for process in psutil.process_iter(["cmdline"]):
        folder = _folder(process)
        if folder is not None:
            yield process, folder


def _folder(process: psutil.Process) -> str | None:
    """A server has its configuration file as its first argument: whoever else names a path in there is not ours."""
    arguments = _arguments(process)
    if is_starting(process):
        return arguments[3] if len(arguments) > 3 else None
    if len(arguments) > 1 and arguments[1].endswith(("/valkey.conf", "/sentinel.conf")):
        return str(Path(arguments[1]).parent)
    return None


def _arguments(process: psutil.Process) -> list[str]:
    if hasattr(process, "info"):
        looked_up: list[str] | None = process.info["cmdline"]
        return looked_up or []
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _signal(process: psutil.Process, name: str) -> None:
    with suppress(psutil.NoSuchProcess):
        getattr(process, name)()


def _is_short(log: Path) -> bool:
    return not log.exists() or log.stat().st_size < _LONGEST_LOG
