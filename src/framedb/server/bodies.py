"""How large a body may be."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framedb.server.replies import failure

MAX_BODY_BYTES = 2 * 1024 * 1024
"""Of a JSON body, which is held in memory whole. An object's metadata may have 1 MiB."""
_STREAMED = (
    ("PUT", "/v1/objects/"),
    ("POST", "/video-job"),
)  # what goes to disk as it comes; they have limits of their own
_TOO_LARGE = f"the body is too large: send at most {MAX_BODY_BYTES} bytes"


class BodyLimit:
    """ASGI middleware: refuses a body that is larger than JSON needs, before it is held in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or _is_streamed(scope):
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > MAX_BODY_BYTES:
            await failure(scope, 413, _TOO_LARGE)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:  # it did not say its length
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, counted, send)


def _is_streamed(scope: Scope) -> bool:
    return any(scope["method"] == method and scope["path"].startswith(path) for method, path in _STREAMED)
