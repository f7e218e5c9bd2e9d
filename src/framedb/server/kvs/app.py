"""The ASGI application: who is let in, which call is meant, and the answer; the exact get by the shortest way."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from framedb.attributes.store import AttributeStore
from framedb.bounds import KVS_MAX_BODY_BYTES
from framedb.server.admission import Admission
from framedb.server.kvs.answers import Answer, failed, failure_of, json_answer, refused
from framedb.server.kvs.bodies import Bodies, BodyError
from framedb.server.kvs.calls import Calls
from framedb.server.kvs.metrics import KvsMetrics, Requests
from framedb.server.kvs.routes import UNMATCHED, Route, Routes
from framedb.server.kvs.watching import Watching

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_EVENTS = {b"/kvs/events/meta": False, b"/kvs/events/full": True}
"""Where watchers connect, and whether they get the attributes too."""
_GOT = ("/kvs/get/{ns}/{name}", "GET", 200)
_FOUND = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/x-protobuf")],
}


class KvsApp:
    """An ASGI application on a store."""

    def __init__(
        self,
        store: AttributeStore,
        *,
        token: str | None,
        insecure: bool = False,
        durable: bool = False,
        max_body_bytes: int = KVS_MAX_BODY_BYTES,
        status: Callable[[], str] = lambda: "running",
        more: Iterable[Route] = (),
    ) -> None:
        """`durable`: the store has a journal. `status` is asked for `GET /status`; `more` are further routes."""
        self._get = store.get_encoded
        self._refusal = Admission(token=token, insecure=insecure).refusal
        self._bodies = Bodies(max_body_bytes)
        self._watching = Watching(store)
        self._requests: Requests = Requests()
        self._metrics = KvsMetrics(store, self._requests, self._watching)
        self._status = status
        self._routes = Routes([*Calls(store, durable=durable).routes(), *self._about_itself(), *more])

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one request, or one watcher for as long as it watches."""
        if scope["type"] == "http":
            found = self._exact(scope)
            if found is None:
                await (await self._answer(scope, receive)).send(send)
                return
            await send(_FOUND)
            await send({"type": "http.response.body", "body": found})
            self._requests[_GOT] += 1
        elif scope["type"] == "websocket":
            await self._watch(scope, receive, send)

    async def close(self) -> None:
        """Say goodbye to watchers, and wait for no body any longer."""
        self._bodies.close()
        await self._watching.close()

    def _exact(self, scope: "Scope") -> bytes | None:
        """What an exact get answers that is let in and has nothing to decode; None for everything else, found or not."""
        path: bytes = scope["raw_path"]
        if not path.startswith(b"/kvs/get/") or b"%" in path or scope["method"] != "GET":
            return None
        parts = path.split(b"/")
        if len(parts) != 5 or not path.isascii() or self._refusal(scope["headers"]) is not None:
            return None
        return self._get(parts[3].decode(), parts[4].decode())

    async def _answer(self, scope: "Scope", receive: "Receive") -> Answer:
        route, names = self._routes.find(scope["raw_path"])
        answer = await self._called(route, names, scope, receive)
        method = scope["method"] if scope["method"] == route.method else "other"
        self._requests[route.path, method, answer.status] += 1
        return answer

    async def _called(self, route: Route, names: Sequence[bytes], scope: "Scope", receive: "Receive") -> Answer:
        if route.needs_token and (refusal := self._refusal(scope["headers"])):
            return refused(refusal)
        if scope["method"] != route.method and route is not UNMATCHED:
            why = f"{scope['method']} is not possible here: use {route.method}"
            return failed(405, why, (b"allow", route.method.encode()))
        try:
            body = await self._bodies.read(scope["headers"], receive) if route.method == "POST" else b""
            return await route.call(names, body)
        except BodyError as exc:
            return failed(exc.status, exc.why)
        except Exception as exc:  # noqa: BLE001  (a fault of ours is answered and logged)
            return failure_of(exc)

    async def _watch(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        full = _EVENTS.get(scope["raw_path"])
        refusal = self._refusal(scope["headers"])
        if refusal is not None:
            await refused(refusal).refuse_websocket(send)
        elif full is None:
            await (await UNMATCHED.call((), b"")).refuse_websocket(send)
        else:
            expiries = b"expire=1" in scope["query_string"].split(b"&")
            await self._watching.watch(receive, send, full=full, expiries=expiries)

    def _about_itself(self) -> list[Route]:
        async def status(path: Sequence[bytes], body: bytes) -> Answer:
            return json_answer(self._status())

        async def metrics(path: Sequence[bytes], body: bytes) -> Answer:
            return self._metrics.read()

        async def alive(path: Sequence[bytes], body: bytes) -> Answer:
            return json_answer({"status": "alive"})

        async def events(path: Sequence[bytes], body: bytes) -> Answer:
            why = "this is a WebSocket, of `meta` or `full` events: connect with ws:// rather than http://"
            return failed(426, why, (b"upgrade", b"websocket"), (b"connection", b"upgrade"))

        return [
            Route("GET", "/status", status),
            Route("GET", "/metrics", metrics),
            Route("GET", "/healthz", alive, needs_token=False),
            Route("GET", "/kvs/events/{kind}", events),
        ]
