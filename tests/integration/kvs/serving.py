"""A store served on a free port, and plain HTTP and WebSockets to it."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from framedb.attributes.store import AttributeStore
from framedb.server.kvs.app import KvsApp
from framedb.server.kvs.running import KvsServer

LOCAL = {"Host": "localhost"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


class Served:
    """Talks to a served store. Each request has a connection of its own."""

    def __init__(self, port: int, store: AttributeStore | None = None) -> None:
        self.port = port
        self._store = store

    @property
    def store(self) -> AttributeStore:
        """The store, if it is in this process."""
        assert self._store is not None
        return self._store

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """The answer to a request, whose path is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> bytes:
        """What is got there, which must succeed."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.body

    def post(self, path: str, body: bytes = b"") -> bytes:
        """What is answered to a post, which must succeed."""
        answer = self.ask("POST", path, body)
        assert answer.status == 200, answer
        return answer.body

    def watch(self, path: str = "/kvs/events/meta", **headers: str) -> ClientConnection:
        """A WebSocket to it."""
        return connect(
            f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, max_size=None, open_timeout=30, proxy=None
        )

    def metric(self, name: str) -> float:
        """What `/metrics` says about a name."""
        text = self.get("/metrics").decode()
        return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(f"{name} ")))

    def raw(self, request: bytes = b"") -> socket.socket:
        """A connection on which this was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(request)
        return connection


def end_of(watcher: ClientConnection) -> tuple[int | None, str]:
    """Code and reason of the close that follows what was sent before."""
    with suppress(ConnectionClosed):
        for _ in watcher:
            pass
    return watcher.close_code, watcher.close_reason or ""


@contextmanager
def served(store: AttributeStore | None = None, *, token: str | None = None, **options: Any) -> Iterator[Served]:
    """A store while the block runs: an empty one, unless one is given."""
    with (
        store or AttributeStore() as kept,
        socket.create_server(("127.0.0.1", 0)) as listening,
        KvsServer(KvsApp(kept, token=token, **options), listening) as server,
    ):
        yield Served(server.address[1], kept)
