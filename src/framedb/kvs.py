"""The key-value store of this process, for small state that the parts of a pipeline share.

The functions carry the names and argument order of Savant's, so that `from framedb import kvs` takes the place of
`from savant_rs.webserver import kvs`. They need no server: `framedb.webserver` shows the same store to others.
Objects read from the store are the caller's own: to change one changes nothing that is stored.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from framedb.attributes.attribute import Attribute, attribute_of, record_of
from framedb.attributes.encoding import decode, encode
from framedb.attributes.store import AttributeStore
from framedb.attributes.subscriptions import Change
from framedb.attributes.watching import Watcher
from framedb.errors import SubscriptionClosedError

_store = AttributeStore()
_store.survive_forks()

set_attributes = _store.set
"""`set_attributes(attributes, ttl=None)`: keep these attributes, for `ttl` ms or for good. See `AttributeStore.set`."""

get_attribute = _store.get
"""`get_attribute(ns, name)`: the attribute with this namespace and name, or None. See `AttributeStore.get`."""

del_attribute = _store.delete
"""`del_attribute(ns, name)`: delete this attribute, and return it, or None. See `AttributeStore.delete`."""


def store() -> AttributeStore:
    """The store itself: for a server that shows it, for its figures and for its bounds."""
    return _store


def search_attributes(ns: str | None = None, name: str | None = None, no_gil: bool = False) -> list[Attribute]:
    """The attributes whose namespace and name match these patterns; None is `*`. `no_gil` is Savant's, and changes nothing.

    Raises InvalidInputError, a ValueError, for what is no pattern.
    """
    return _store.search(ns, name)


def search_keys(ns: str | None = None, name: str | None = None, no_gil: bool = False) -> list[tuple[str, str]]:
    """As `search_attributes`: their namespaces and names."""
    return _store.search_keys(ns, name)


def del_attributes(ns: str | None = None, name: str | None = None, no_gil: bool = False) -> None:
    """Delete the attributes whose namespace and name match these patterns. As `search_attributes`."""
    _store.delete_matching(ns, name)


def serialize_attributes(attributes: Iterable[Attribute]) -> bytes:
    """The attributes as one AttributeSet, as the server takes and gives it."""
    return encode(map(record_of, attributes))


def deserialize_attributes(serialized: bytes) -> list[Attribute]:
    """The attributes of an AttributeSet. Raises InvalidInputError, a ValueError, unless all of it can be read."""
    return [attribute_of(record) for record in decode(serialized)]


@dataclass(frozen=True, slots=True)
class KvsSetOperation:
    """One call that set attributes."""

    timestamp: int
    """When: milliseconds since 1970, UTC."""
    ttl: int | None
    """Milliseconds they are kept; None: for good."""
    attributes: list[Attribute]
    """What was set."""


@dataclass(frozen=True, slots=True)
class KvsDeleteOperation:
    """One call that deleted attributes."""

    timestamp: int
    """When: milliseconds since 1970, UTC."""
    attributes: list[Attribute]
    """What was deleted; nothing, if nothing matched a pattern."""


@dataclass(frozen=True, slots=True)
class KvsExpireOperation:
    """Attributes whose ttl ran out; only for those who ask for it."""

    timestamp: int
    """When their memory came back: milliseconds since 1970, UTC."""
    attributes: list[Attribute]
    """What expired."""


Operation = KvsSetOperation | KvsDeleteOperation | KvsExpireOperation


class KvsSubscription:
    """What is done to the store from now on, one operation per call. It ends with the web server, as Savant's.

    It never makes a writer wait: when `max_inflight_ops` operations wait to be taken, the next one closes it; the log and
    `overflowed` say so.
    """

    def __init__(self, name: str, max_inflight_ops: int) -> None:
        """The name is for the log. Raises InvalidInputError, a ValueError, unless one operation may wait at least."""
        self.name = name
        """What the log calls it."""
        self._subscription = _store.subscribe(name, max_inflight_ops)

    @property
    def overflowed(self) -> bool:
        """Whether it was closed because its operations were not taken fast enough."""
        return self._subscription.overflowed

    def recv(self) -> Operation | None:
        """The next operation, waited for; None once it is closed and all are taken."""
        change = self._subscription.recv()
        return None if change is None else _operation(change)

    def try_recv(self) -> Operation | None:
        """The next operation, or None if none is waiting. Raises SubscriptionClosedError once closed and all are taken."""
        change = self._subscription.try_recv()
        if change is not None:
            return _operation(change)
        if self._subscription.is_drained:
            raise _closed(self.name, overflowed=self.overflowed)
        return None

    def close(self) -> None:
        """Take part no longer. Whoever waits in `recv` gets None."""
        self._subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_subscription"):
            self.close()


def watch(name: str = "watch", max_inflight_ops: int = 1000, *, expiries: bool = False) -> AsyncIterator[Operation]:
    """What is done to the store from this call on, for `async for`; with `expiries` what expires, too.

    It ends with the web server. Raises SubscriptionClosedError when `max_inflight_ops` operations have waited to be taken.
    """
    return _operations(Watcher(_store, name, max_inflight_ops, expiries=expiries), name)


async def _operations(watcher: Watcher, name: str) -> AsyncIterator[Operation]:
    async with watcher:
        async for change in watcher:
            yield _operation(change)
        if watcher.overflowed:
            raise _closed(name, overflowed=True)


def _operation(change: Change) -> Operation:
    timestamp = change.timestamp_ns // 1_000_000
    attributes = [attribute_of(record) for record in change.records]
    match change.operation:
        case "set":
            return KvsSetOperation(timestamp, change.ttl, attributes)
        case "delete":
            return KvsDeleteOperation(timestamp, attributes)
        case "expire":
            return KvsExpireOperation(timestamp, attributes)


def _closed(name: str, *, overflowed: bool) -> SubscriptionClosedError:
    if overflowed:
        return SubscriptionClosedError(
            f"subscription {name!r} fell behind: take operations faster, or let more of them wait"
        )
    return SubscriptionClosedError(f"subscription {name!r} is closed: make another one")
