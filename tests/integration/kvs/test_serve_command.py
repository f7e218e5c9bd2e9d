"""`framedb serve kvs`, as an operator runs it."""

import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.client import connect

from tests.certificates import Authority
from tests.contracts.frame_store import until
from tests.engines import free_port
from tests.integration.kvs.serving import Served
from tests.integration.kvs.wire import attribute, integer

ONE = attribute("counter", "frames", integer(1))
TOKEN = "the token"


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "framedb", "serve", "kvs", *options]


def environment(**settings: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("FRAMEDB_")} | settings


@contextmanager
def running(port: int, *options: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, answering."""
    with subprocess.Popen(
        command("--port", str(port), *options), env=environment(**settings), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            until(lambda: answers(port) or process.poll() is not None, "it answers")
            yield process
        finally:
            process.kill()


def answers(port: int) -> bool:
    try:
        Served(port).raw().close()
    except ConnectionRefusedError:
        return False
    return True


def test_it_serves_within_its_bounds_until_a_signal() -> None:
    port = free_port()
    with running(port, "--max-entries", "1", "--max-body-bytes", "100") as process:
        kvs = Served(port)
        kvs.post("/kvs/set", ONE)
        assert kvs.get("/kvs/get/counter/frames") == ONE
        assert kvs.ask("POST", "/kvs/set", attribute("counter", "objects")).status == 507
        assert kvs.ask("POST", "/kvs/set", bytes(101)).status == 413

        second = subprocess.run(
            command("--port", str(port)), env=environment(), capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert second.stderr.startswith(f"error: cannot listen on 127.0.0.1:{port}")
        assert second.stderr.count("\n") == 1
        assert kvs.ask("GET", "/status").json == "running"

        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.read()


def test_beyond_loopback_it_wants_a_token() -> None:
    refused = subprocess.run(
        command("--host", "0.0.0.0", "--port", "0"), env=environment(), capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "FRAMEDB_TOKEN" in refused.stderr


def test_it_serves_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    port = free_port()
    shown = authority.issue("localhost", "127.0.0.1")
    with running(port, *shown.options, FRAMEDB_TOKEN=TOKEN) as process:
        trusting = ssl.create_default_context(cafile=str(authority.file))
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        with connect(f"wss://localhost:{port}/kvs/events/full", ssl=trusting, additional_headers=bearer) as watcher:
            request = urllib.request.Request(f"https://localhost:{port}/kvs/set", data=ONE, headers=bearer)
            with urllib.request.urlopen(request, context=trusting) as answer:
                assert answer.status == 200
            assert isinstance(watcher.recv(timeout=30), str)
            assert watcher.recv(timeout=30) == ONE
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
