"""A node as a user starts it: `framedb up` in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import framedb
from framedb.client import FrameDB
from tests.engines import free_port

FRAMEDB = [sys.executable, "-m", "framedb"]


class UpNode:
    """`framedb up` on a folder. It can be killed and started again."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.data_dir = folder / "runtime"
        self.environment = {**clean_environment(), "FRAMEDB_FRAMES_MAXMEMORY_BYTES": str(128 * 2**20), **environment}
        self.redis_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "up.log"

    @property
    def url(self) -> str:
        """Where it serves."""
        return str(self.told()["url"])

    def told(self) -> dict[str, Any]:
        """What `node.json` says."""
        told: dict[str, Any] = json.loads((self.data_dir / "node.json").read_text())
        return told

    def start(self, *options: str) -> "UpNode":
        """Start it and wait until it is ready."""
        (self.data_dir / "node.json").unlink(missing_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*FRAMEDB, "up", "--data-dir", str(self.data_dir), "--port", "0", "--grpc-port", "0", "--kvs-port", "0",
                 "--redis-port", str(self.redis_port), *options],
                stdout=output, stderr=output, env=self.environment, cwd=self.folder,
            )  # fmt: skip
        until(lambda: self._is_ready(), "the node to be ready", seconds=60)
        return self

    def kill(self) -> None:
        """SIGKILL, to the node alone: what it started goes on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs on its folder."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.data_dir) in part for part in process.info["cmdline"] or []):
                found.append(process)
        return found

    def connect(self) -> FrameDB:
        """Its database."""
        return framedb.connect(self.url)

    def cli(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """The command line, as a user of this node runs it."""
        return subprocess.run(
            [*FRAMEDB, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            env={**self.environment, "FRAMEDB_URL": self.url, **environment},
        )

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the node stopped: {self.log.read_text()}")
        if not (self.data_dir / "node.json").exists():
            return False
        with self.connect() as db, suppress(framedb.errors.FrameDBError):
            return bool(db.node.json("GET", "/readyz")["status"] == "ready")
        return False


def until(condition: Callable[[], Any], what: str, *, seconds: float = 30.0) -> Any:
    """The condition's first true answer; fails when it has none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)
    return answer


@contextmanager
def node_on(folder: Path, *options: str, **environment: str) -> Iterator[UpNode]:
    """A ready node; at the end nothing of it runs any more."""
    node = UpNode(folder, **environment)
    try:
        yield node.start(*options)
    finally:
        if node.process is not None and node.process.poll() is None:
            node.stop()
        for process in node.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()


@contextmanager
def object_service(node: UpNode) -> Iterator[str]:
    """`framedb serve objects` in another process on the node's data; where it answers."""
    port = free_port()
    log = node.folder / "objects.log"
    with log.open("wb") as output:
        service = subprocess.Popen(
            [*FRAMEDB, "serve", "objects", "--data-dir", str(node.data_dir), "--grpc-port", str(port)],
            stdout=output, stderr=output, env=node.environment, cwd=node.folder,
        )  # fmt: skip
    try:
        until(lambda: "is up" in log.read_text(), "the object service to answer", seconds=60)
        yield f"127.0.0.1:{port}"
    finally:
        service.terminate()
        service.wait(30)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory, measuring: dict[str, str]) -> Iterator[UpNode]:
    """One node for tests that do it no harm."""
    with node_on(tmp_path_factory.mktemp("node"), **measuring) as up:
        yield up


@pytest.fixture
def db(node: UpNode) -> Iterator[FrameDB]:
    """The database of the shared node."""
    with node.connect() as database:
        yield database


def clean_environment() -> dict[str, str]:
    ours = ("FRAMEDB_", "BROKER_URL", "REDIS_URL", "FRAMES_REDIS_URL", "TIDB_URL", "CLUSTER_ID")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
