"""Answers, and the table that makes them of errors."""

import json
import logging
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from framedb.errors import FrameDBError, InvalidInputError, StoreFullError, StoreUnavailableError
from framedb.server.admission import CHALLENGES, Refusal

if TYPE_CHECKING:
    from starlette.types import Send

logger = logging.getLogger(__name__)

_STATUS: list[tuple[type[FrameDBError], int]] = [
    (InvalidInputError, 400),
    (StoreUnavailableError, 503),
    (StoreFullError, 507),
]
"""The first class that fits decides; anything else is a 500 of ours."""


class Answer(NamedTuple):
    """What is answered to a request."""

    body: bytes = b""
    content_type: bytes = b"application/x-protobuf"
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Beside the type."""

    async def send(self, send: "Send") -> None:
        """Send it."""
        headers = [(b"content-type", self.content_type), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    async def refuse_websocket(self, send: "Send") -> None:
        """Send it in place of the handshake of a WebSocket."""
        headers = [(b"content-type", self.content_type), *self.headers]
        await send({"type": "websocket.http.response.start", "status": self.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": self.body})


def json_answer(value: object) -> Answer:
    """The value as JSON."""
    return Answer(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), b"application/json")


def failed(status: int, why: str, *headers: tuple[bytes, bytes]) -> Answer:
    """A failure, and what to do about it."""
    return Answer(json.dumps({"error": why}).encode(), b"application/json", status, headers)


def refused(refusal: Refusal) -> Answer:
    """The answer to a request that is not let in."""
    # In one header: granian aborts the process when a WebSocket is refused with two of the same name.
    headers = ((b"www-authenticate", ", ".join(CHALLENGES).encode()),) if refusal.status == 401 else ()
    return failed(refusal.status, refusal.why, *headers)


def failure_of(exc: Exception) -> Answer:
    """The answer to a request that raised this; a fault of ours is logged with the id that is answered."""
    for kind, status in _STATUS:
        if isinstance(exc, kind):
            return failed(status, str(exc), (b"x-framedb-error", type(exc).__name__.encode()))
    request_id = uuid4().hex
    logger.error("unexpected failure", exc_info=exc, extra={"request_id": request_id})
    why = "an unexpected failure: look for the request id in the log"
    body = json.dumps({"error": why, "request_id": request_id}).encode()
    return Answer(body, b"application/json", 500, ((b"x-request-id", request_id.encode()),))
