"""Request bodies: whole, bounded, and not waited for without end."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive

_PATIENCE = 60.0  # seconds, to send a body: the largest at 2 Mbit/s
_DISCARDED = 8  # times the bound: a client that is not read to its end sees a broken connection instead of the answer


class BodyError(Exception):
    """The body did not come as it must: the status to answer, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Bodies:
    """Reads bodies of at most so many bytes, until it is closed."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._deadlines: set[asyncio.Timeout] = set()
        self._closing = False

    async def read(self, headers: Iterable[tuple[bytes, bytes]], receive: "Receive") -> bytes:
        """The body of a request. Raises BodyError if it is too large, breaks off, or takes too long."""
        named = dict(headers)
        length = named.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._max_bytes and b"expect" in named:
            raise self._too_large()  # it has not begun to send
        try:
            async with asyncio.timeout(_PATIENCE) as deadline:
                self._deadlines.add(deadline)
                try:
                    return await self._received(receive)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError as exc:
            if self._closing:
                raise BodyError(503, "the server stops: nothing was done, send it again") from exc
            raise BodyError(408, f"the body did not come within {_PATIENCE:.0f} s: nothing was done") from exc

    def close(self) -> None:
        """Wait for no body any longer."""
        self._closing = True
        for deadline in list(self._deadlines):
            deadline.reschedule(asyncio.get_running_loop().time())

    async def _received(self, receive: "Receive") -> bytes:
        chunks: list[bytes] = []
        size = 0
        more = True
        while more and size <= _DISCARDED * self._max_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BodyError(400, "the body broke off: nothing was done")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_bytes:
                chunks.clear()
            else:
                chunks.append(chunk)
            more = message.get("more_body", False)
        if size > self._max_bytes:
            raise self._too_large()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> BodyError:
        return BodyError(413, f"the body is too large: send at most {self._max_bytes} bytes at once")
