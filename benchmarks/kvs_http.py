"""The key-value store over HTTP: GET of one attribute, beside a granian handler that does nothing.

16 connections ask, each as soon as it has its answer; the servers have a process of their own.
"""

import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.engines import free_port

from benchmarks.comparison import Comparison, Side
from benchmarks.target import Target
from framedb.attributes.attribute import Attribute
from framedb.attributes.encoding import encode
from framedb.attributes.values import AttributeValue

TIMES = 5
"""Batches of a side."""
_REQUESTS = 10_000
"""Of a batch: a third of a second."""
_CONNECTIONS = 16
_PATIENCE = 30.0  # seconds for a server to come up
_GET = b"GET /kvs/get/counter/frames HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def ours(target: Target, times: int) -> list[float]:
    """`framedb serve kvs`, which holds the attribute."""
    with _running("framedb", "serve", "kvs") as address:
        _set_one(address)
        return _asked(address, times)


def bare(target: Target, times: int) -> list[float]:
    """Granian with a handler that answers a constant."""
    with _running(
        "granian", "--interface", "rsgi", "--log-level", "error", "benchmarks.bare_granian:handler"
    ) as address:
        return _asked(address, times)


SIDES: dict[str, Side] = {"ours": ours, "bare": bare}
COMPARISONS = [
    Comparison(
        "KVS over HTTP: GET of one attribute, 16 connections", "a bare granian RSGI handler", "ours", "bare", 0.65
    )
]


@contextmanager
def _running(*command: str) -> Iterator[tuple[str, int]]:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            yield _answering(port, server)
        finally:
            server.terminate()


def _answering(port: int, server: "subprocess.Popen[bytes]") -> tuple[str, int]:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return "127.0.0.1", port
    raise RuntimeError(f"the server did not come up: {server.args!r}")


def _set_one(address: tuple[str, int]) -> None:
    attribute = Attribute.persistent("counter", "frames", [AttributeValue.integer(42)])
    body = encode([attribute._record])
    head = f"POST /kvs/set HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(address) as connection:
        connection.sendall(head.encode() + body)
        assert b" 200 " in connection.recv(4096)


def _asked(address: tuple[str, int], times: int) -> list[float]:
    """Seconds of one request, of each batch; the first batch warms up."""
    connections = {each.fileno(): each for each in (socket.create_connection(address) for _ in range(_CONNECTIONS))}
    try:
        with select.epoll() as waiting:
            for number in connections:
                waiting.register(number, select.EPOLLIN)
            return [_batch(connections, waiting) / _REQUESTS for _ in range(times + 1)][1:]
    finally:
        for connection in connections.values():
            connection.close()


def _batch(connections: dict[int, socket.socket], waiting: select.epoll) -> float:
    began = time.perf_counter()
    for connection in connections.values():
        connection.sendall(_GET)
    to_send = _REQUESTS - len(connections)
    to_come = _REQUESTS
    while to_come:
        for number, _ in waiting.poll():
            answer = connections[number].recv(4096)
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"the server answered {answer[:100]!r}")
            to_come -= 1
            if to_send:
                to_send -= 1
                connections[number].sendall(_GET)
    return time.perf_counter() - began
