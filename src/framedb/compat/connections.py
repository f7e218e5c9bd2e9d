"""`SourceConnections`: a Redis connection per source, to the master of its cluster."""

import threading
from weakref import WeakKeyDictionary

from framedb.compat.work import CLOSED
from framedb.errors import InvalidInputError, StoreUnavailableError
from framedb.frame import check_source
from framedb.resp import Endpoint, Redis, close_redis, open_redis, translated
from framedb.resp.connection import retire_redis
from framedb.tiering.references import SharedFrames


class SourceConnections:
    """Hands out one connection per source, and another one once the source has another master. Thread-safe."""

    def __init__(self, frames: SharedFrames, *, timeout: float) -> None:
        """`timeout` is in seconds."""
        self._frames = frames
        self._timeout = timeout
        self._lock = threading.Lock()
        self._closed = False
        self._open: dict[str, tuple[Endpoint, Redis]] = {}
        self._retired: list[Redis] = []
        self._source_of: WeakKeyDictionary[Redis, str] = WeakKeyDictionary()

    def reach(self, source: str) -> None:
        """Make sure that the source can be reached. Raises why it cannot."""
        check_source(source)
        self._frames.store(source).master.run(lambda redis: redis.ping())

    def of(self, source: str, *, tries: int) -> Redis:
        """The source's own, which has answered within so many tries. Raises StoreUnavailableError."""
        self.reach(source)
        master = self._frames.store(source).master.connection.master
        with self._lock:
            if self._closed:
                raise InvalidInputError(CLOSED)
            known = self._open.get(source)
            if known is not None and known[0] == master:
                return known[1]
            client = open_redis(master, timeout=self._timeout)
            self._open[source] = (master, client)
            self._source_of[client] = source
            if known is not None:
                self._retired.append(known[1])
        if known is not None:
            retire_redis(known[1])  # whoever has it may go on: it connects anew
        _ping(client, master, tries)
        return client

    def source_of(self, connection: Redis) -> str | None:
        """The source a connection was made for; None for somebody else's."""
        return self._source_of.get(connection)

    def close(self) -> None:
        """Close them all; no more are handed out."""
        with self._lock:
            self._closed = True
            connections = [client for _, client in self._open.values()] + self._retired
            self._open.clear()
        for connection in connections:
            close_redis(connection)


def _ping(client: Redis, master: Endpoint, tries: int) -> None:
    for left in reversed(range(max(1, tries))):
        try:
            with translated(master):
                client.ping()
            return
        except StoreUnavailableError:
            if not left:
                raise
