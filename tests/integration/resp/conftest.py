"""A Valkey that a test may stop and kill, and lines to it that break."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from framedb.resp import Endpoint, close_redis, open_redis
from tests.engines.valkey import running_valkey


class MortalValkey:
    """A server of the test's own. It can be paused, killed, and started again at its old address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.endpoint = self._stack.enter_context(running_valkey(folder))
        self._pid = self._find_pid()

    def pause(self) -> None:
        """It holds its connections, and answers nothing."""
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers what came meanwhile."""
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, in the middle of whatever it did."""
        os.kill(self._pid, signal.SIGKILL)

    def restart(self) -> None:
        """Another process at the same address; it has forgotten everything."""
        self._stack.close()
        self._stack.enter_context(running_valkey(self._folder, port=self.endpoint.port))
        self._pid = self._find_pid()

    def close(self) -> None:
        """Stop it, whatever state it is in."""
        with suppress(ProcessLookupError):
            self.go_on()
        self._stack.close()

    def _find_pid(self) -> int:
        client = open_redis(self.endpoint)
        try:
            return int(client.info("server")["process_id"])
        finally:
            close_redis(client)


@pytest.fixture
def mortal_valkey(tmp_path: Path) -> Iterator[MortalValkey]:
    """A server the test may harm."""
    server = MortalValkey(tmp_path)
    yield server
    server.close()


@contextmanager
def line_to(
    endpoint: Endpoint, *, piece: int = 65536, breaks_after: int | None = None, then: Callable[[], None] = lambda: None
) -> Iterator[Endpoint]:
    """A TCP line to the server that delivers its answers in pieces of so many bytes.

    After `breaks_after` bytes of answers it does `then`, and hangs up.
    """
    stack = ExitStack()
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    threads: list[threading.Thread] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((endpoint.host, endpoint.port))
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stack.callback(near.close)
                stack.callback(far.close)
                start(_forward, near, far, 65536, None, lambda: None)
                start(_forward, far, near, piece, breaks_after, then)

    def start(target: Callable[..., None], *arguments: object) -> None:
        threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        threads[-1].start()

    start(serve)
    try:
        yield replace(endpoint, host="127.0.0.1", port=listener.getsockname()[1], uds=None)
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        threads[0].join()
        for thread in threads[1:]:
            thread.join(10)
        stack.close()


def _forward(
    source: socket.socket, sink: socket.socket, piece: int, breaks_after: int | None, then: Callable[[], None]
) -> None:
    forwarded = 0
    with suppress(OSError):
        while data := source.recv(65536):
            for start in range(0, len(data), piece):
                part = data[start : start + piece]
                if breaks_after is not None and forwarded + len(part) > breaks_after:
                    sink.sendall(part[: breaks_after - forwarded])
                    then()
                    return _hang_up(source, sink)
                sink.sendall(part)
                forwarded += len(part)
    return _hang_up(source, sink)


def _hang_up(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
