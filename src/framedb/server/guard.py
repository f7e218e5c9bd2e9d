"""Who is let in: the holder of the token; without a token, programs of this machine, and no web page of elsewhere."""

import logging
import time
from urllib.parse import unquote_to_bytes

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framedb.logs import request_id_of_context
from framedb.server.admission import CHALLENGES, Admission, Refusal
from framedb.server.replies import failure, unexpected
from framedb.server.request_ids import HEADER, id_of_request

access = logging.getLogger("framedb.access")

# An orchestrator's probes carry no token, and these tell no secret.
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/health", "/health/ping"})

_UNFRAMED = (b"x-frame-options", b"DENY")  # no page may lay ours under its own, and have it clicked


class Guard:
    """ASGI middleware: gives each request an id, lets it in or not, answers faults, and writes the access log."""

    def __init__(self, app: ASGIApp, *, token: str | None, insecure: bool = False) -> None:
        self._app = app
        self._admission = Admission(token=token, insecure=insecure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "websocket" and (refusal := self._admission.refusal(scope["headers"])):
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.why})  # a 403 of the server
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["framedb.request_id"] = request_id = id_of_request(scope["headers"])
        started = time.perf_counter()
        status = 500
        answered = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                message["headers"] = [*message["headers"], (HEADER, request_id.encode()), _UNFRAMED]
            await send(message)

        refusal = None if scope["path"] in _OPEN_PATHS else self._refusal(scope)
        within = request_id_of_context.set(request_id)
        try:
            if refusal is None:
                await self._app(scope, receive, send_with_id)
            else:
                await _refused(scope, refusal)(scope, receive, send_with_id)
        except Exception as exc:
            if answered:
                raise  # half an answer is sent: only the connection's end can say that it is no whole one
            await unexpected(scope, exc)(scope, receive, send_with_id)
        finally:
            request_id_of_context.reset(within)
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

    def _refusal(self, scope: Scope) -> Refusal | None:
        return self._admission.refusal(scope["headers"]) or _no_text(scope)


def _refused(scope: Scope, refusal: Refusal) -> JSONResponse:
    answer = failure(scope, refusal.status, refusal.why)
    for challenge in CHALLENGES if refusal.status == 401 else ():
        answer.headers.append("WWW-Authenticate", challenge)
    return answer


def _no_text(scope: Scope) -> Refusal | None:
    """The server in front puts U+FFFD for what is no UTF-8: different keys would become one."""
    try:
        unquote_to_bytes(scope.get("raw_path") or b"").decode()
    except UnicodeDecodeError:
        return Refusal(
            400,
            f"{scope['path']!r} is not valid UTF-8: keys are text; encode bytes that are none, as hexadecimal say",
        )
    return None
