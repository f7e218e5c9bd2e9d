"""The key-value store of a pipeline or node, over HTTP and WebSocket."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from framedb.attributes.attribute import Attribute, attribute_of, record_of
from framedb.attributes.encoding import decode, encode
from framedb.client.http import NodeClient
from framedb.client.tls import trusting
from framedb.errors import NodeUnavailableError, NotAuthorizedError, SubscriptionClosedError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection


@dataclass(frozen=True, slots=True)
class AttributeEvent:
    """An attribute that was set or deleted, or whose time ran out."""

    operation: str
    """`set`, `delete` or `expire`."""
    namespace: str
    name: str
    at: datetime
    """UTC, on the store's clock."""
    ttl: int | None
    """Milliseconds it was set for; None: for good, or it was not set."""
    attribute: Attribute
    """As it is now; what was deleted, as it was."""


class AttributeClient:
    """Attributes of one store, from anywhere. Thread-safe; close it.

    Every call may raise NodeUnavailableError, NotAuthorizedError.
    """

    def __init__(
        self, url: str, *, token: str | None = None, tls_ca: Path | None = None, timeout: float = 30.0
    ) -> None:
        """`url` is where the store's HTTP is, such as `http://127.0.0.1:8080`; `timeout` is in seconds."""
        self._http = NodeClient(url, token=token, tls_ca=tls_ca, timeout=timeout, remedy=_REMEDY)
        self._url = self._http.url
        self._token = token
        self._tls_ca = tls_ca

    def set(self, attributes: Sequence[Attribute], *, ttl: int | None = None) -> None:
        """Set all of them together, for `ttl` milliseconds or for good. Raises StoreFullError with nothing set."""
        path = "/kvs/set" if ttl is None else f"/kvs/set-with-ttl/{ttl}"
        self._call("POST", path, encode(map(record_of, attributes)))

    def get(self, namespace: str, name: str) -> Attribute | None:
        """The attribute, or None."""
        return next(iter(_attributes(self._call("GET", _path("get", namespace, name)))), None)

    def search(self, namespace: str = "*", name: str = "*") -> list[Attribute]:
        """Attributes whose namespace and name match these patterns. Raises InvalidInputError for what is no pattern."""
        return _attributes(self._call("GET", _path("search", namespace, name)))

    def search_keys(self, namespace: str = "*", name: str = "*") -> list[tuple[str, str]]:
        """As `search`: namespaces and names."""
        return [(one, other) for one, other in json.loads(self._call("GET", _path("search-keys", namespace, name)))]

    def delete(self, namespace: str, name: str) -> Attribute | None:
        """Delete the attribute and return it, or None."""
        return next(iter(_attributes(self._call("POST", _path("delete-single", namespace, name)))), None)

    def delete_matching(self, namespace: str = "*", name: str = "*") -> None:
        """Delete what `search` would find."""
        self._call("POST", _path("delete", namespace, name))

    def watch(self, *, expiries: bool = False) -> Iterator[AttributeEvent]:
        """Every change from now on, for ever; with `expiries` also what expires.

        Raises SubscriptionClosedError for a watcher that was too slow, and NodeUnavailableError when the store stops.
        """
        from websockets.exceptions import ConnectionClosed

        with self._connected(expiries=expiries) as socket:
            try:
                while True:
                    told = json.loads(socket.recv(decode=True))
                    yield from map(_event, told, _attributes(socket.recv(decode=False)))
            except ConnectionClosed as exc:
                if exc.rcvd is not None and exc.rcvd.code == _BEHIND:
                    raise SubscriptionClosedError(f"{self._url}: {exc.rcvd.reason}") from exc
                raise NodeUnavailableError(f"{self._url} stopped: watch again when it is back") from exc

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        with self._http.request(method, path, body=body) as response:
            return b"".join(self._http.stream(response))

    def _connected(self, *, expiries: bool) -> "ClientConnection":
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.sync.client import connect

        options: dict[str, Any] = {"max_size": None, "proxy": None}
        if self._token:
            options["additional_headers"] = {"Authorization": f"Bearer {self._token}"}
        if self._url.startswith("https://"):
            options["ssl"] = trusting(self._tls_ca)
        try:
            return connect(  # type: ignore[no-any-return]
                f"ws{self._url[4:]}/kvs/events/full{'?expire=1' if expiries else ''}", **options
            )
        except InvalidStatus as exc:
            why = (exc.response.body or b"").decode(errors="replace").strip()
            kind = NotAuthorizedError if exc.response.status_code in (401, 403) else NodeUnavailableError
            raise kind(why or f"{self._url} answered {exc.response.status_code}") from exc
        except (OSError, WebSocketException) as exc:
            raise NodeUnavailableError(f"no key-value store answers at {self._url}: {_REMEDY}") from exc


_REMEDY = "start one with `framedb up` or `framedb serve kvs`, or set FRAMEDB_KVS_URL"
_BEHIND = 1013


def _path(call: str, namespace: str, name: str) -> str:
    return f"/kvs/{call}/{quote(namespace, safe='')}/{quote(name, safe='')}"


def _attributes(encoded: bytes) -> list[Attribute]:
    return [attribute_of(record) for record in decode(encoded)]


def _event(told: dict[str, Any], attribute: Attribute) -> AttributeEvent:
    stamp = told["timestamp"]
    at = datetime.fromtimestamp(stamp["secs_since_epoch"], UTC) + timedelta(
        microseconds=stamp["nanos_since_epoch"] // 1000
    )
    return AttributeEvent(told["operation"], told["namespace"], told["name"], at, told.get("ttl"), attribute)
