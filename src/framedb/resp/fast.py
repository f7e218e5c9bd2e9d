"""The fast path: many commands in one send, values never copied on the way out, and read straight into their place."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import redis
from redis.connection import Connection
from typing_extensions import Buffer

from framedb.errors import BufferTooSmallError
from framedb.resp.connection import Redis

_LONGEST_HEADER = len(b"$536870912\r\n")
_COPY_CUTOFF_BYTES = 6_000  # larger values are sent from where they lie; below, a copy is cheaper than one more piece
_PIECES = 32  # handed to one `sendmsg`: more than a socket's buffer takes at once, far from the system's limit of 1024

Command = tuple[Any, ...]


@contextmanager
def checked_out(client: Redis) -> Iterator[Connection]:
    """A connection of the pool for this block alone. Any exception disconnects it: a reply may still be on its way."""
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        yield connection
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def execute_many(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """Send all commands at once, and return their replies in order; one the server refused is its exception.

    Values that are memoryviews (flat, bytes) are sent from where they lie.
    """
    with checked_out(client) as connection:
        return converse(connection, commands)


def transaction(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """The replies of commands run as one `MULTI`/`EXEC`, sent in one go.

    Raises the server's error if it refused to queue one of them, in which case none was run.
    """
    replies = execute_many(client, [("MULTI",), *commands, ("EXEC",)])
    return executed(replies)


def executed(replies: list[Any]) -> list[Any]:
    """The results inside the replies of one `MULTI ... EXEC`; raises why it was refused."""
    for reply in replies:
        if isinstance(reply, redis.ResponseError) and not isinstance(reply, redis.exceptions.ExecAbortError):
            raise reply
    results = replies[-1]
    if isinstance(results, Exception):
        raise results
    if not isinstance(results, list):
        raise redis.ConnectionError(f"EXEC answered {results!r}")
    return results


def converse(connection: Connection, commands: Sequence[Command]) -> list[Any]:
    """`execute_many` on a connection that is already checked out."""
    _send(_socket(connection), _packed(commands))
    replies = []
    for _ in commands:
        try:
            replies.append(connection.read_response())
        except redis.ResponseError as refused:  # this command's answer; the others' follow
            replies.append(refused)
    return replies


def get_into(client: Redis, key: str | bytes, buffer: Buffer) -> int | None:
    """Read the value straight into a writable, C-contiguous buffer: bytes read, or None when there is no such key.

    Raises BufferTooSmallError when the value does not fit, and the server's error for a key that holds no string.
    """
    view = memoryview(buffer).cast("B")
    with checked_out(client) as connection:
        connection.send_command("GET", key)
        sock = _socket(connection)
        header = sock.recv(_LONGEST_HEADER, socket.MSG_PEEK)
        end = header.find(b"\r\n")
        if not header.startswith(b"$") or header.startswith(b"$-") or end < 0:
            reply = connection.read_response()  # nil, an error, a slow header: the parser knows them all
            return None if reply is None else _copied(key, reply, view)
        size = int(header[1:end])
        _receive(sock, memoryview(bytearray(end + 2)))
        if size > view.nbytes:
            raise BufferTooSmallError(_too_small(key, size, view.nbytes))
        _receive(sock, view[:size])
        _receive(sock, memoryview(bytearray(2)))
        return size


def _socket(connection: Connection) -> socket.socket:
    """What is under a connection: the pool hands out open ones."""
    return connection._sock  # type: ignore[return-value]


def _packed(commands: Sequence[Command]) -> Iterator[memoryview]:
    """The commands as few buffers: everything small is joined, everything large stands alone, uncopied."""
    small: list[Buffer] = []
    for command in commands:
        small.append(b"*%d\r\n" % len(command))
        for part in map(_encoded, command):
            small.append(b"$%d\r\n" % len(part))
            if len(part) >= _COPY_CUTOFF_BYTES:
                yield memoryview(b"".join(small))
                yield memoryview(part)
                small = [b"\r\n"]
            else:
                small += part, b"\r\n"
    yield memoryview(b"".join(small))


def _encoded(part: str | bytes | memoryview | float) -> bytes | memoryview:
    if isinstance(part, str):
        return part.encode()
    if isinstance(part, int | float):
        return repr(part).encode()
    return part


def _send(sock: socket.socket, buffers: Iterator[memoryview]) -> None:
    """Send all of the buffers, several in one call of the system: the server reads these while the next are packed."""
    while left := list(islice(buffers, _PIECES)):
        while left:
            sent = sock.sendmsg(left)
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if sent:
                left[0] = left[0][sent:]


def _receive(sock: Any, view: memoryview) -> None:
    received = 0
    while received < view.nbytes:
        count = sock.recv_into(view[received:])
        if count == 0:
            raise redis.ConnectionError("the server closed the connection in the middle of a value")
        received += count


def _copied(key: str | bytes, value: bytes, view: memoryview) -> int:
    if len(value) > view.nbytes:
        raise BufferTooSmallError(_too_small(key, len(value), view.nbytes))
    view[: len(value)] = value
    return len(value)


def _too_small(key: str | bytes, size: int, room: int) -> str:
    return f"{key!r} has {size} bytes and the buffer {room}: give one of at least {size}"
