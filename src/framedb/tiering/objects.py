"""`Objects`: anything by key, in whichever instance it was put, and streams of items beside them.

Bytes come first, then the row that leads to them; a reader sees the earlier object or the new one. Whoever writes a row for
K takes away what else there is of K: at the cluster of its source, and in the instance the row named before.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from typing_extensions import Buffer
from uuid_utils import uuid7

from framedb.errors import FrameDBError, InvalidInputError, InvalidKeyError, NotFoundError, NotRegisteredError
from framedb.frame import NO_SOURCE, Frame, check_key, source_of
from framedb.routing import Copy, ObjectRoute, SQLLocator
from framedb.routing.checks import MAX_OBJECT_DOCUMENT_BYTES, check_document, check_limit
from framedb.stores.base import check_ttl
from framedb.stores.memory import MemoryStore
from framedb.stores.sql import SQLStore
from framedb.tiering.instances import Instances
from framedb.tiering.item_streams import ItemStreams
from framedb.tiering.object_lookup import ObjectLookup, is_legal
from framedb.tiering.object_pieces import checked, joined, with_description
from framedb.tiering.object_places import ObjectPlace, naming
from framedb.tiering.stored_object import (
    TYPES,
    Condition,
    ObjectStream,
    ObjectType,
    StoredObject,
    instance_type,
    listed_object,
    object_in,
)

__all__ = ["TYPES", "Condition", "NotRegisteredError", "ObjectStream", "ObjectType", "Objects", "StoredObject"]

logger = logging.getLogger(__name__)


class Objects(ItemStreams):
    """Objects and streams over every instance there is.

    Every method may raise StoreUnavailableError when an instance, or the registry, does not answer.
    """

    def __init__(
        self,
        *,
        routing: SQLLocator,
        memory: Callable[[str], MemoryStore],
        persistent: Callable[[str], SQLStore],
        resolve_memory: Callable[[str], str],
        mark_durable: Callable[[str], object] = lambda source: None,
        is_near: Callable[[Copy], bool] = lambda copy: True,
        default: str = "local",
    ) -> None:
        """`memory` and `persistent` open instances by name, `resolve_memory` makes a cluster's or member's name a cluster's.

        Both raise NotFoundError for names they do not know. `mark_durable` is told of a source before the first object of
        it is put elsewhere than on its cluster, so that readers look further; `is_near` says which of several copies to
        read first. `default` is the instance an empty name means, of either kind.
        """
        instances = Instances(memory=memory, persistent=persistent, resolve_memory=resolve_memory, default=default)
        super().__init__(routing, instances)
        self._lookup = ObjectLookup(routing, instances, is_near)
        self._mark_durable = mark_durable
        self._marked: set[str] = {NO_SOURCE}

    # Writing

    def set(
        self,
        key: str | None,
        framedb_id: str | None,
        data: Buffer,
        type: str,  # noqa: A002  - its name on the wire
        *,
        metadata: Mapping[str, Any] | None = None,
        ttl: float | None = None,
        frame: Frame | None = None,
    ) -> StoredObject:
        """Store an object, or add an item to the stream of that name.

        A blank key gets a generated one, a blank framedb_id means `local`. `ttl` is in seconds; None: what the instance, or the
        object's source, has for a default. `frame` says what is known about the bytes; its data are unused.

        Raises InvalidInputError (`Unsupported type: X`, metadata that are no JSON object, ...), InvalidKeyError, NotFoundError
        (`FrameDB instance not found: X`), StoreFullError, NotRegisteredError; then nothing has changed, except that an object
        which only its registration failed is replaced where the earlier one was in the same instance.
        """
        if type == "stream":
            if ttl is not None:
                raise InvalidInputError(
                    "items of a stream have no time to live: leave it out, or give the stream a max_length"
                )
            return self.push(key, data, framedb_id, metadata=metadata)
        return self.write(
            key, framedb_id, type, [data], metadata=metadata, ttl=ttl, size=memoryview(data).nbytes, frame=frame
        )

    def write(
        self,
        key: str | None,
        framedb_id: str | None,
        type: str,  # noqa: A002
        pieces: Iterable[Buffer],
        *,
        metadata: Mapping[str, Any] | None = None,
        ttl: float | None = None,
        sha256: bytes | None = None,
        size: int | None = None,
        frame: Frame | None = None,
        condition: Condition | None = None,
    ) -> StoredObject:
        """As `set`, of an object that comes in pieces; it is never in memory as a whole, and seen when it is whole.

        If `pieces` raises, nothing has changed. Nor if they do not have the `size` in bytes or the digest that was said: then
        InvalidInputError. `condition` is called when the last piece is in: from there to the end nobody else writes the key
        (see `SQLLocator.exclusively`; ConflictError if others do so for long). Streams take items one by one: see `push`.
        """
        kind = instance_type(type)
        key = check_key(key or str(uuid7()))
        document = check_document("metadata", metadata, max_bytes=MAX_OBJECT_DOCUMENT_BYTES)
        if ttl is not None:
            check_ttl(ttl)
        here, place = self._instances.opened(framedb_id, kind)
        described, pieces = with_description(key, frame, pieces)
        if here not in self._lookup.of_source(described.source):
            self._mark(described.source)
        with naming(key), ExitStack() as alone:
            old: ObjectRoute | None = None

            def check() -> None:
                nonlocal old
                alone.enter_context(self._routing.exclusively([key]))
                if condition is not None:
                    condition(self.stat(key))
                old = self._routing.object(key)

            whole = checked(key, pieces, size=size, sha256=sha256, then=check)
            stored = place.write(described, whole, size=size, ttl=ttl)
            route = ObjectRoute(key, here.framedb_id, kind, (here,), stored.size, document)
            try:
                replaced = self._routing.exchange_object(route)
            except BaseException as exc:
                if old is None or here not in old.copies:  # else the row there is leads to what was written
                    self._take_back(key, place)
                if isinstance(exc, FrameDBError):
                    raise NotRegisteredError(f"{key} could not be registered: {exc}") from exc
                raise
            self._supersede(key, described.source, here, replaced)
        return object_in(here, stored, document)

    # Reading

    def get(
        self,
        key: str,
        *,
        framedb_id: str | None = None,
        type: str | None = None,  # noqa: A002
    ) -> tuple[StoredObject, Buffer] | None:
        """The object and its bytes, or, where there is no object, the next item of the stream of that name, which it takes.

        A named instance is read itself, whatever the routes say, `type` telling which of two with the same name. Raises
        NotFoundError (`FrameDB instance not found: X`).
        """
        if type != "stream":
            stream = self.read(key, framedb_id=framedb_id, type=type)
            if stream is not None:
                with stream:
                    return stream.stored, joined(stream)
        return self.take_item(key, framedb_id) if type in (None, "stream") else None

    def read(
        self,
        key: str,
        *,
        offset: int = 0,
        length: int | None = None,
        framedb_id: str | None = None,
        type: str | None = None,  # noqa: A002
    ) -> ObjectStream | None:
        """The object's bytes from `offset` on, `length` of them or all, a piece at a time; None when there is no such object.

        Close it. Raises InvalidInputError for negative numbers, NotFoundError as `get`. Streams are left alone.
        """
        if offset < 0 or (length is not None and length < 0):
            raise InvalidInputError(f"bytes {offset} and {length} on: offset and length cannot be negative")
        found = self._lookup.first(key, framedb_id, type, lambda place: place.read(key, offset=offset, length=length))
        if found is None:
            return None
        copy, pieces, metadata = found
        return ObjectStream(object_in(copy, pieces.stored, metadata), pieces)

    def stat(self, key: str, *, framedb_id: str | None = None, type: str | None = None) -> StoredObject | None:  # noqa: A002
        """What is known about the object; None when there is none. Errors as `read`."""
        found = self._lookup.first(key, framedb_id, type, lambda place: place.stat(key))
        return None if found is None else object_in(*found)

    def list(self, prefix: str = "", *, after: str = "", limit: int = 1000) -> Sequence[StoredObject]:
        """Up to `limit` objects whose keys begin with `prefix`, in the order of their bytes, from behind the key `after`.

        Those that have a row: frames in memory have none. Without versions, and times to live.
        """
        check_limit(limit)
        for text in (prefix, after):
            _check_text(text)
        found: list[StoredObject] = []
        while len(found) < limit:
            routes = self._routing.list_objects(prefix, after=after, limit=limit)
            found += [listed_object(route) for route in self._lookup.living(routes)]
            if len(routes) < limit:
                break
            after = routes[-1].key
        return found[:limit]

    def is_registered(self, key: str) -> bool:
        """Whether there is a route of an object, or of a stream, of that name; it may have expired, or be empty."""
        if not is_legal(key):
            return False
        return self._routing.object(key) is not None or self._routing.stream(key) is not None

    # Changing

    def delete(self, key: str, *, condition: Condition | None = None) -> bool:
        """Remove the object wherever it is, and the stream of that name with its items; whether there was one.

        `condition` is called first; nobody else writes the key between that and the end.
        """
        if not is_legal(key):
            return False
        with naming(key), self._routing.exclusively([key]):
            if condition is not None:
                condition(self.stat(key))
            route = self._routing.object(key)
            removed = False
            for copy in self._lookup.places_of(key, route):
                with suppress(NotFoundError):  # the instance is gone, with all it held
                    removed |= self._instances.place(copy).delete(key)
            if route is not None:
                self._routing.remove_object(key)
        return self.delete_stream(key) or removed

    def remove_copies(self, key: str, copies: Iterable[Copy]) -> int:
        """Remove bytes that no row leads to any more; how many copies there were. One that cannot be reached is logged."""
        removed = 0
        for copy in copies:
            try:
                with suppress(NotFoundError):
                    removed += self._instances.place(copy).delete(key)
            except FrameDBError as exc:
                logger.warning(
                    "a replaced object stays where it was: %s", exc, extra={"key": key, "id": copy.framedb_id}
                )
        return removed

    def expire(self, key: str, ttl: float) -> bool:
        """Keep the object that many seconds from now (`KEEP`: for ever), wherever it is; whether there was one."""
        check_ttl(ttl)
        if not is_legal(key):
            return False
        changed = False
        with naming(key):
            for copy in self._lookup.places_of(key, self._routing.object(key)):
                with suppress(NotFoundError):
                    changed |= self._instances.place(copy).expire(key, ttl)
        return changed

    def sweep(self) -> int:
        """Forget the routes of objects that are nowhere any more: expired, or lost with their server. How many those were.

        The chunks of interrupted writes go with `SQLStore.sweep`, parts in memory by themselves.
        """
        after, forgotten = "", 0
        while routes := self._routing.list_objects(after=after, limit=1000):
            living = {route.key for route in self._lookup.living(routes)}
            forgotten += sum(self._routing.forget_lapsed(route) for route in routes if route.key not in living)
            after = routes[-1].key
        return forgotten

    # Taking away

    def _supersede(self, key: str, source: str, here: Copy, replaced: ObjectRoute | None) -> None:
        """Remove what else there is of a key that was just registered."""
        in_front = {*self._lookup.of_source(source), *self._lookup.of_source(source_of(key))} - {here}
        for copy in in_front:  # they would be read before the row: the write is not done while they are there
            with suppress(NotFoundError):
                self._instances.place(copy).delete(key)
        behind = {*(replaced.copies if replaced is not None else ())} - {here} - in_front
        self.remove_copies(key, sorted(behind, key=str))

    def _take_back(self, key: str, place: ObjectPlace) -> None:
        try:
            place.delete(key)
        except FrameDBError as exc:
            logger.warning("an object that could not be registered stays: %s", exc, extra={"key": key})

    def _mark(self, source: str) -> None:
        if source not in self._marked:
            self._mark_durable(source)
            self._marked.add(source)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidKeyError(f"{text!r} is not valid UTF-8") from exc
