"""The processes of a demo: a node, and workers whose steps are counted."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from framedb.clusters.server import free_port
from framedb.errors import EngineError

_START = 60.0  # seconds a node may take to start on a slow machine


@dataclass(slots=True)
class Tally:
    """What the workers have told, together."""

    done: set[str] = field(default_factory=set)
    """Keys worked on."""
    redelivered: set[str] = field(default_factory=set)
    """Keys that came after another worker had them."""
    failed: int = 0
    bytes: int = 0
    waits: list[float] = field(default_factory=list)
    """Seconds from capture to a worker's hands, of first deliveries."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, event: dict[str, Any]) -> None:
        """Count one step."""
        with self.lock:
            if event["step"] == "taken" and event["attempt"] == 1:
                self.waits.append(event["age"])
            elif event["step"] == "taken":
                self.redelivered.add(event["key"])
            elif event["step"] == "done":
                self.done.add(event["key"])
                self.bytes += event["nbytes"]
            elif event["step"] == "failed":
                self.failed += 1


class DemoWorker:
    """`framedb work` as a process."""

    def __init__(self, url: str, tally: Tally, *, hold: float) -> None:
        self._process = subprocess.Popen(
            [*_framedb(), "work", "framedb.cli.demo.motion:motion", "--json", "--hold", str(hold)],
            stdout=subprocess.PIPE,
            env={**os.environ, "FRAMEDB_URL": url},
            text=True,
        )
        self._tally = tally
        self._taken = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def kill_with_a_frame_in_hand(self, *, timeout: float) -> bool:
        """SIGKILL, the moment it has told that it took one; False if it took none within `timeout` seconds."""
        self._taken.clear()
        taken = self._taken.wait(timeout)
        self._process.kill()
        self._process.wait()
        self._thread.join()
        return taken

    def stop(self) -> None:
        """In order."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if not line.endswith("\n"):
                    return  # cut off in the middle: it was killed
                event = json.loads(line)
                self._tally.add(event)
                if event["step"] == "taken":
                    self._taken.set()


@contextmanager
def running_node(data_dir: Path, *, videos: Sequence[str]) -> Iterator[str]:
    """A node in its own process, which may read these videos; its URL. Raises EngineError with what it said otherwise."""
    folders = {str(Path(video).resolve().parent) for video in videos if "://" not in video}
    hosts = {urlsplit(video).hostname or "" for video in videos if "://" in video}
    allowed = {
        "VIDEO_ROOTS": ":".join(sorted(folders)),
        "VIDEO_HOSTS": ",".join(sorted(hosts)),
        "ALLOW_PRIVATE_HOSTS": "1",
    }
    log = data_dir / "node.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *_framedb(),
                "up",
                "--data-dir",
                str(data_dir),
                "--port",
                "0",
                "--grpc-port",
                "0",
                "--kvs-port",
                "0",
                "--redis-port",
                str(free_port()),
            ],
            stdout=output,
            stderr=output,
            env={**os.environ, **allowed},
        )
    try:
        yield _url_of(process, data_dir / "node.json", log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)


def _url_of(process: "subprocess.Popen[bytes]", node_file: Path, log: Path) -> str:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if node_file.exists():
            return str(json.loads(node_file.read_text())["url"])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    lines = log.read_text(errors="replace").splitlines()
    raise EngineError(f"the node did not start: {lines[-1] if lines else 'it said nothing'}")


def _framedb() -> list[str]:
    """This very installation's command line."""
    return [sys.executable, "-m", "framedb"]
