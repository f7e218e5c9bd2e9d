"""A service as an operator runs it: a command in a folder of its own, in the background."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import urllib3

from tests.contracts.frame_store import until
from tests.engines import free_port

EXTRACTOR = ("serve", "extractor")
"""The service alone."""
UP = ("up", "--grpc-port", "0", "--kvs-port", "0")
"""The node, which has it too."""

_OURS = ("FRAMEDB_", "REDIS_", "VIDEO_", "DATABASE_", "FRAMES_", "CACHE_", "MAX_", "BROKER_", "TIDB_", "CLUSTER_")


class Command:
    """The command, running in a folder of its own, whose videos are in `videos`."""

    def __init__(self, folder: Path, port: int, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.folder = folder
        self.port = port
        self.process = process
        self._output = output

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def curl(self, command: str) -> Any:
        """What a curl command of the specification answers, run by a shell as it is written there, but for the port."""
        done = subprocess.run(
            ["bash", "-c", command.replace("localhost:8000", f"localhost:{self.port}")],
            capture_output=True, text=True, timeout=60, cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def printed(self) -> list[dict[str, Any]]:
        """The JSON lines on standard output."""
        return [json.loads(line) for line in self._output.read_text().splitlines() if line.startswith("{")]

    def logged(self) -> list[dict[str, Any]]:
        """The lines of `runtime/logs/app.log`."""
        return [json.loads(line) for line in (self.folder / "runtime/logs/app.log").read_text().splitlines()]


@contextmanager
def running(folder: Path, *options: str, command: tuple[str, ...] = EXTRACTOR, **settings: str) -> Iterator[Command]:
    """The command, answering; at the end nothing that it started is left."""
    port = free_port()
    output = folder / f"output-{port}.txt"
    elsewhere = {"REDIS_PORT": str(free_port())}  # whatever else runs on this machine
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    with output.open("wb") as written, (folder / "errors.txt").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "framedb", *command, "--port", str(port), *options],
            stdout=written, stderr=errors, cwd=folder, env=clean | elsewhere | settings,
        )  # fmt: skip
        try:
            until(lambda: answers(port) or process.poll() is not None, "it answers", seconds=60)
            assert process.poll() is None, (folder / "errors.txt").read_text()
            yield Command(folder, port, process, output)
        finally:
            _end(process, folder)


def answers(port: int) -> bool:
    """Whether somebody does on that port."""
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/healthz", retries=False, timeout=2).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _end(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    process.kill()
    process.wait()
    for each in psutil.process_iter(["cmdline"]):
        if any(str(folder / "runtime") in part for part in each.info["cmdline"] or []):
            with suppress(psutil.NoSuchProcess):
                each.kill()
