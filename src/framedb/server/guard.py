"""Who is let in: the holder of the token; without a token, programs of this machine, and no web page of elsewhere."""

import hmac
import logging
import time
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framedb.server.authorization import presented
from framedb.server.replies import failure, unexpected

access = logging.getLogger("framedb.access")

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# An orchestrator's probes carry no token, and these tell no secret.
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/health/ping"})
# Programs send the token as it is; a browser that opens /docs asks for it as the password of Basic.
_CHALLENGE = 'Bearer, Basic realm="FrameDB", charset="UTF-8"'


class Guard:
    """ASGI middleware: gives each request an id, lets it in or not, answers faults, and writes the access log.

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
        answered = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        refusal = None if scope["path"] in _OPEN_PATHS else self._refusal(Headers(scope=scope))
        try:
            if refusal is None:
                await self._app(scope, receive, send_with_id)
            else:
                code, why = refusal
                headers = {"WWW-Authenticate": _CHALLENGE} if code == 401 else None
                await failure(scope, code, why, headers=headers)(scope, receive, send_with_id)
        except Exception as exc:
            if answered:
                raise  # half an answer is sent: only the connection's end can say that it is no whole one
            await unexpected(scope, exc)(scope, receive, send_with_id)
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
            if hmac.compare_digest(presented(headers.get("authorization", "")), self._token):
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


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
