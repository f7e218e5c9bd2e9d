"""A few questions to a server or sentinel, with nothing but a socket.

For programs that become servers: the Redis client takes half a second to import, which is half of what a failover takes.
Everybody else speaks through `resp`.
"""

import socket
from types import TracebackType
from typing import Any, Self

LONGEST_REPLY = 64 * 1024 * 1024
"""Bytes; anything longer comes from no server we ask."""


class Refused(Exception):  # noqa: N818  (an answer, not a fault)
    """The server answered with an error."""


class NotRedisError(ConnectionError):
    """What answers there speaks another protocol."""


class Conversation:
    """A connection, logged in. Use it in a `with`.

    Raises OSError when there is nobody (ConnectionRefusedError), no answer in time (TimeoutError) or no Redis (NotRedisError);
    Refused.
    """

    def __init__(
        self, address: tuple[str, int] | str, *, password: str, username: str | None = None, timeout: float = 1.0
    ) -> None:
        kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self._socket = socket.socket(kind, socket.SOCK_STREAM)
        self._unread = b""
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(address)
            self.ask("AUTH", *([username] if username else []), password)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, *command: str) -> Any:
        """The reply: text, a number, None, or a list of these. Raises Refused with the server's error."""
        parts = [part.encode() for part in command]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))
        return self._reply()

    def fields(self, *command: str) -> dict[str, str]:
        """A reply that is a list of names and values, or the lines of `INFO`, by name."""
        reply = self.ask(*command)
        if isinstance(reply, str):
            return dict(line.split(":", 1) for line in reply.split("\r\n") if ":" in line)
        return dict(zip(reply[::2], reply[1::2], strict=True))

    def _reply(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:].decode(errors="replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            raise Refused(rest)
        try:
            number = int(rest)
        except ValueError:
            number = -2
        if kind == b":" and number != -2:
            return number
        if kind == b"$" and -1 <= number <= LONGEST_REPLY:
            return None if number < 0 else self._exactly(number + 2)[:-2].decode(errors="replace")
        if kind == b"*" and -1 <= number <= LONGEST_REPLY:
            return None if number < 0 else [self._reply() for _ in range(number)]
        raise NotRedisError("what answers there is no Redis")

    def _line(self) -> bytes:
        while b"\r\n" not in self._unread:
            if len(self._unread) > LONGEST_REPLY:
                raise NotRedisError("what answers there is no Redis")
            self._receive()
        line, _, self._unread = self._unread.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._receive()
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._unread += data
