"""One Valkey process of this machine: started, found again, stopped.

A server outlives the process that started it. It is known by its folder, which its command line names, and by its
`run_id`; so whoever comes after a crash finds it, and knows whether it is still the same one.
"""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from framedb.clusters.server_spec import ServerSpec, write_private
from framedb.config import MiB
from framedb.errors import EngineError, StoreError
from framedb.resp import Endpoint, close_redis, open_redis, translated

logger = logging.getLogger(__name__)

START_DEADLINE = 15.0
"""Seconds a server may take to answer; loading an append-only file of a full control server takes a few."""
STOP_DEADLINE = 10.0
"""Seconds between asking a server to stop and killing it."""
MEMBER_MODULE = "framedb.clusters.member"
"""The program that becomes a server."""
_POLL = 0.02
_LONGEST_LOG = 10 * MiB  # a server writes a few lines a day; a longer log begins anew with the next start

_children: list[subprocess.Popen[bytes]] = []  # started here and still running: a parent must collect its dead


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
    folder = Path(spec.folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / "server.json", json.dumps({name: getattr(spec, name) for name in ServerSpec.__slots__}))
    if spec.uds:
        Path(spec.uds).unlink(missing_ok=True)
    with spec.log_path.open("ab" if _is_short(spec.log_path) else "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", MEMBER_MODULE, spec.folder],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in a terminal is for the node, which stops its servers in order
        )
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EngineError(f"{spec.name} stopped at once: {_last_words(spec.log_path)}")
        running = answering(spec)
        if running is not None:
            _children.append(process)
            return running
        time.sleep(_POLL)
    process.kill()
    process.wait()
    raise EngineError(f"{spec.name} did not answer within {START_DEADLINE:g} s: {_last_words(spec.log_path)}")


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


def processes(spec: ServerSpec) -> Iterator[psutil.Process]:
    """Processes of this server's folder, answering or not."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        starting = MEMBER_MODULE in command and spec.folder in command  # not yet the server itself
        if str(spec.config_path) in command or starting:
            yield process


def stop(spec: ServerSpec) -> None:
    """Stop every process of the server's folder: politely, and after a while not so."""
    found = list(processes(spec))
    for process in found:
        _signal(process, "terminate")
    _, alive = psutil.wait_procs(found, timeout=STOP_DEADLINE)
    for process in alive:
        logger.warning("server did not stop in time, killing it", extra={"server": spec.name, "pid": process.pid})
        _signal(process, "kill")
    psutil.wait_procs(alive, timeout=STOP_DEADLINE)
    _children[:] = [child for child in _children if child.poll() is None]


def free_port(preferred: int | None = None) -> int:
    """`preferred` if nobody listens there, else the next free one after it; any free one if there is no preference."""
    if preferred is None:
        with _listening(0) as bound:
            return bound
    for port in range(preferred, min(preferred + 1000, 65536)):
        try:
            with _listening(port):
                return port
        except OSError:
            continue
    raise EngineError(f"no free port from {preferred} on: stop what listens there, or choose another")


@contextmanager
def _listening(port: int) -> Iterator[int]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        yield probe.getsockname()[1]


def _signal(process: psutil.Process, name: str) -> None:
    with suppress(psutil.NoSuchProcess):
        getattr(process, name)()


def _is_short(log: Path) -> bool:
    return not log.exists() or log.stat().st_size < _LONGEST_LOG


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1].strip() if lines else f"it wrote nothing to {log}"
