"""Who is let in: the holder of the token; without a token, programs of this machine, and no web page of elsewhere."""

import base64
import binascii
import hmac
import logging
import time
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

access = logging.getLogger("framedb.access")

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_OPEN_PATHS = frozenset({"/healthz", "/readyz"})  # an orchestrator's probes carry no token, and these tell no secret


class Guard:
    """ASGI middleware: gives each request an id, lets it in or not, and writes the access log.

    Without a token a request must name a loopback host, and come from no foreign origin: a browser that was tricked into
    resolving another name to 127.0.0.1 sends that name as Host (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, token: str | None, insecure: bool = False) -> None:
        self._app = app
        self._token = token.encode() if token else None
        self._insecure = insecure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["framedb.request_id"] = request_id = uuid4().hex
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        refusal = None if scope["path"] in _OPEN_PATHS else self._refusal(Headers(scope=scope))
        try:
            if refusal is None:
                await self._app(scope, receive, send_with_id)
            else:
                code, error = refusal
                headers = {"WWW-Authenticate": "Bearer"} if code == 401 else None
                reply = JSONResponse({"error": error, "request_id": request_id}, status_code=code, headers=headers)
                await reply(scope, receive, send_with_id)
        finally:
            access.info(
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "ms": round((time.perf_counter() - started) * 1000, 2),
                },
            )

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        if self._token is not None:
            if hmac.compare_digest(_presented(headers.get("authorization", "")), self._token):
                return None
            return 401, "a valid token is needed: send `Authorization: Bearer $FRAMEDB_TOKEN`"
        if self._insecure:
            return None
        host = _hostname(f"//{headers.get('host', '')}")
        if host not in LOOPBACK_NAMES:
            return 403, f"host {host!r} is not this machine: set FRAMEDB_TOKEN to serve other names"
        origin = headers.get("origin")
        if origin is not None and _hostname(origin) not in LOOPBACK_NAMES:
            return 403, "requests of web pages from elsewhere are refused: set FRAMEDB_TOKEN to allow them"
        return None


def _presented(authorization: str) -> bytes:
    """The token in a Bearer header, or as the password of a Basic one, for older HTTP clients."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip().encode()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
