"""`Pool`: redis-py's pool of connections, with a shorter way to one that is in use all the time."""

import os
from typing import Any

import redis
from redis.connection import ConnectionPool


class Pool(ConnectionPool):
    """Connections that were given back lie on a shelf, for whoever asks next. Thread-safe, as redis-py's own.

    redis-py counts every loan for its telemetry, and tells its listeners: between two frames of a camera, when nothing of
    that is in the processor's caches, that took a third of a round trip.
    """

    _shelf: list[Any]

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """An open connection on which nothing waits to be read."""
        if self.pid == os.getpid():  # else this is a child, and the parent's sockets are not ours
            try:
                connection = self._shelf.pop()
            except IndexError:
                return super().get_connection()
            if _is_fresh(connection):
                return connection
            connection.disconnect()
            super().release(connection)
        return super().get_connection()

    def release(self, connection: Any) -> None:
        """Give it back."""
        if connection._sock is not None and connection.pid == self.pid == os.getpid():
            self._shelf.append(connection)
        else:
            super().release(connection)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close those nobody uses, and, unless told otherwise, the others too."""
        shelf, self._shelf = self._shelf, []
        for connection in shelf:
            super().release(connection)
        super().disconnect(inuse_connections)

    def reset(self) -> None:
        """Forget all connections, as a child process must."""
        self._shelf = []
        super().reset()


def _is_fresh(connection: Any) -> bool:
    """Whether the server has not closed it meanwhile, or sent something nobody waited for."""
    try:
        return connection._sock is not None and not connection.can_read()
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return False
