"""`Objects`: anything by key, in whichever instance it was put, and streams of items beside them.

Bytes come first, then the row that leads to them; a reader sees the earlier object or the new one. Whoever writes a row for
K takes away what else there is of K: at the cluster of its source, and in the instance the row named before.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import Any, Literal, TypeVar, cast, get_args

from typing_extensions import Buffer
from uuid_utils import uuid7

from framedb.errors import (
    ConflictError,
    FrameDBError,
    InvalidInputError,
    InvalidKeyError,
    NotFoundError,
    NotRegisteredError,
    StoreUnavailableError,
)
from framedb.frame import NO_SOURCE, Frame, check_key, guess_encoding, parse_key, source_of, utc_now
from framedb.routing import Copy, ObjectRoute, SQLLocator, StreamRoute
from framedb.routing.checks import MAX_OBJECT_DOCUMENT_BYTES, check_document, check_limit
from framedb.routing.locator import InstanceType
from framedb.stores.base import check_ttl
from framedb.stores.memory import MemoryStore
from framedb.stores.sql import SQLStore
from framedb.stores.stored import Stored
from framedb.stores.streams import StreamPolicy, Streams, check_policy
from framedb.tiering.object_locks import KeyLocks
from framedb.tiering.object_memory import MemoryObjects
from framedb.tiering.object_places import ObjectPlace, Pieces, StoredObjects

__all__ = ["TYPES", "Condition", "NotRegisteredError", "ObjectStream", "ObjectType", "Objects", "StoredObject"]

logger = logging.getLogger(__name__)
T = TypeVar("T")

ObjectType = Literal["in-memory", "storage", "stream"]
"""In a cluster of memory, in a persistent instance, or an item of a stream."""

TYPES: tuple[ObjectType, ...] = get_args(ObjectType)

Condition = Callable[["StoredObject | None"], object]
"""Raises if what there is under the key (None: nothing) must not be replaced or removed."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is known about an object, or about an item that was taken from a stream."""

    key: str
    """Of an item: the name of its stream."""
    framedb_id: str
    """The instance that holds it."""
    type: ObjectType
    size: int
    """Bytes."""
    metadata: Mapping[str, Any]
    """The writer's own JSON object."""
    version: str
    """Another one with every write of the key: fit for an ETag. Empty in lists, and for items of streams."""
    stored_at: datetime
    """UTC; of an item: when it was taken."""
    expires_at: datetime | None
    """UTC; None: it is kept, or this is one of a list."""
    frame: Frame = field(repr=False)
    """What its writer said about the bytes: source, encoding, width, ...; its data are left out."""

    @property
    def encoding(self) -> str:
        """What the bytes are: `jpeg`, `png`, ..., or `bytes` (anything)."""
        return self.frame.encoding


class ObjectStream(Iterator[Buffer]):
    """The bytes of one object, or of a part of it, at most a mebibyte at a time.

    It may hold a connection until it is exhausted or closed: it is its own `with` block. What is replaced or deleted
    meanwhile is still read to its end, unless that takes over half a minute: then StoreError, and the reader starts again.
    """

    def __init__(self, stored: StoredObject, pieces: Pieces) -> None:
        self.stored = stored
        """What is known about the object."""
        self._pieces = pieces

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return self._pieces.remaining

    def __next__(self) -> Buffer:
        return next(self._pieces)

    def close(self) -> None:
        """Let go of what it holds. Closing twice does no harm."""
        self._pieces.close()

    def __enter__(self) -> "ObjectStream":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Objects:
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
        self._routing = routing
        self._memory = memory
        self._persistent = persistent
        self._resolve_memory = resolve_memory
        self._mark_durable = mark_durable
        self._is_near = is_near
        self._default = default
        self._locks = KeyLocks()
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
        InvalidInputError. `condition` is called when the last piece is in: from there to the end nobody else in this process
        writes the key. Streams take items one by one: see `push`.
        """
        kind = _instance_type(type)
        key = check_key(key or str(uuid7()))
        document = check_document("metadata", metadata, max_bytes=MAX_OBJECT_DOCUMENT_BYTES)
        if ttl is not None:
            check_ttl(ttl)
        here, place = self._opened(framedb_id, kind)
        old = self._routing.object(key)
        described, pieces = _described(key, frame, pieces)
        if here not in self._of_source(described.source):
            self._mark(described.source)
        with ExitStack() as alone:

            def check() -> None:
                alone.enter_context(self._locks.of(key))
                if condition is not None:
                    condition(self.stat(key))

            whole = _checked(key, pieces, size=size, sha256=sha256, then=check)
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
        return _object(here, stored, document)

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
                    return stream.stored, _joined(stream)
        return self._take(key, framedb_id) if type in (None, "stream") else None

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
        found = self._first(key, framedb_id, type, lambda place: place.read(key, offset=offset, length=length))
        if found is None:
            return None
        copy, pieces, metadata = found
        return ObjectStream(_object(copy, pieces.stored, metadata), pieces)

    def stat(self, key: str, *, framedb_id: str | None = None, type: str | None = None) -> StoredObject | None:  # noqa: A002
        """What is known about the object; None when there is none. Errors as `read`."""
        found = self._first(key, framedb_id, type, lambda place: place.stat(key))
        return None if found is None else _object(*found)

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
            found += [_listed(route) for route in self._living(routes)]
            if len(routes) < limit:
                break
            after = routes[-1].key
        return found[:limit]

    def is_registered(self, key: str) -> bool:
        """Whether there is a route of an object, or of a stream, of that name; it may have expired, or be empty."""
        if not _is_legal(key):
            return False
        return self._routing.object(key) is not None or self._routing.stream(key) is not None

    # Changing

    def delete(self, key: str, *, condition: Condition | None = None) -> bool:
        """Remove the object wherever it is, and the stream of that name with its items; whether there was one.

        `condition` is called first; nobody else in this process writes the key between that and the end.
        """
        if not _is_legal(key):
            return False
        with self._locks.of(key):
            if condition is not None:
                condition(self.stat(key))
            route = self._routing.object(key)
            removed = False
            for copy in self._places_of(key, route):
                with suppress(NotFoundError):  # the instance is gone, with all it held
                    removed |= self._place(copy).delete(key)
            if route is not None:
                self._routing.remove_object(key)
        return self.delete_stream(key) or removed

    def expire(self, key: str, ttl: float) -> bool:
        """Keep the object that many seconds from now (`KEEP`: for ever), wherever it is; whether there was one."""
        check_ttl(ttl)
        if not _is_legal(key):
            return False
        changed = False
        for copy in self._places_of(key, self._routing.object(key)):
            with suppress(NotFoundError):
                changed |= self._place(copy).expire(key, ttl)
        return changed

    def sweep(self) -> int:
        """Forget the routes of objects that are nowhere any more: expired, or lost with their server. How many those were.

        The chunks of interrupted writes go with `SQLStore.sweep`, parts in memory by themselves.
        """
        after, forgotten = "", 0
        while routes := self._routing.list_objects(after=after, limit=1000):
            living = {route.key for route in self._living(routes)}
            forgotten += sum(self._routing.forget_lapsed(route) for route in routes if route.key not in living)
            after = routes[-1].key
        return forgotten

    # Streams

    def push(
        self,
        queue_name: str | None,
        data: Buffer,
        framedb_id: str | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        max_length: int | None = None,
        policy: StreamPolicy | None = None,
    ) -> StoredObject:
        """Add an item to a stream; a blank name gets a generated one. A stream is where its first item was put.

        It holds at most `max_length` items: then the oldest goes (policy `drop-oldest`), or the new one is turned away with
        StoreFullError (`drop-newest`; `wait`), counted except under `wait`. Not given, both are what the stream's metadata say
        under these names; else there is no cap but the server's memory. `metadata` are the stream's, not the item's.

        Raises ConflictError for a stream that is in another instance; else as `set`. An item that a dying server did not
        acknowledge may come twice.
        """
        name = check_key(queue_name or str(uuid7()))
        route = self._routing.stream(name)
        given = None if metadata is None else check_document("metadata", metadata, max_bytes=MAX_OBJECT_DOCUMENT_BYTES)
        wanted = self._cluster(framedb_id) if framedb_id or route is None else route.framedb_id
        if route is not None and route.framedb_id != wanted:
            raise ConflictError(
                f"stream {name} is in instance {route.framedb_id}: put items there, or delete the stream first"
            )
        known = dict(route.metadata) if route is not None else {}
        in_force = known if given is None else given
        cap, full = check_policy(
            in_force.get("max_length") if max_length is None else max_length,
            in_force.get("policy") if policy is None else policy,
        )
        self._streams(wanted).push(name, data, max_length=cap, policy=full)
        if route is None or in_force != known:
            try:
                self._routing.register_stream(name, wanted, in_force)
            except FrameDBError as exc:
                if route is None:
                    self._take_back_item(name, wanted, data)
                    raise NotRegisteredError(f"stream {name} could not be registered: {exc}") from exc
                raise
        return _item(name, wanted, data, in_force)

    def pop(self, queue_name: str, *, framedb_id: str | None = None, wait: float = 0.0) -> bytes | None:
        """Take the oldest item of a stream, waiting up to that many seconds for one; None if none came.

        Raises NotFoundError for a stream nobody registered, unless its instance is named.
        """
        if framedb_id:
            cluster = self._cluster(framedb_id)
        else:
            route = self._stream(queue_name)
            if route is None:
                raise NotFoundError(
                    f"there is no stream {queue_name!r}: push an item, or name the instance that holds it"
                )
            cluster = route.framedb_id
        with _named(cluster):
            return self._streams(cluster).pop(queue_name, wait=wait)

    def stream_length(self, queue_name: str, *, framedb_id: str | None = None) -> int | None:
        """Items that wait in the stream; None for one nobody registered, unless its instance is named."""
        cluster = self._stream_cluster(queue_name, framedb_id)
        if cluster is None:
            return None
        with _named(cluster):
            return self._streams(cluster).length(queue_name)

    def stream_drops(self, queue_name: str, *, framedb_id: str | None = None) -> dict[str, int]:
        """Items of the stream that nobody took, by reason."""
        cluster = self._stream_cluster(queue_name, framedb_id)
        if cluster is None:
            return {}
        with _named(cluster):
            return self._streams(cluster).drops(queue_name)

    def delete_stream(self, queue_name: str) -> bool:
        """Remove the stream with the items it holds; whether there was one."""
        route = self._stream(queue_name)
        if route is None:
            return False
        with suppress(NotFoundError):
            self._streams(route.framedb_id).delete(queue_name)
        return self._routing.remove_stream(queue_name)

    # Where objects are

    def _opened(self, framedb_id: str | None, kind: InstanceType) -> tuple[Copy, ObjectPlace]:
        """The instance of that name and kind. Raises NotFoundError."""
        name = self._cluster(framedb_id) if kind == "in-memory" else framedb_id or self._default
        copy = Copy(name, kind)
        with _named(name):
            return copy, self._place(copy)

    def _cluster(self, framedb_id: str | None) -> str:
        with _named(framedb_id or self._default):
            return self._resolve_memory(framedb_id or self._default)

    def _place(self, copy: Copy) -> ObjectPlace:
        if copy.framedb_type == "in-memory":
            return MemoryObjects(self._memory(copy.framedb_id))
        return StoredObjects(self._persistent(copy.framedb_id))

    def _streams(self, cluster: str) -> Streams:
        return Streams(self._memory(cluster).master)

    def _stream(self, queue_name: str) -> StreamRoute | None:
        return self._routing.stream(queue_name) if _is_legal(queue_name) else None

    def _stream_cluster(self, queue_name: str, framedb_id: str | None) -> str | None:
        if framedb_id:
            return self._cluster(framedb_id)
        route = self._stream(queue_name)
        return None if route is None else route.framedb_id

    def _of_source(self, source: str) -> Sequence[Copy]:
        """The clusters that have, or may still have, frames of the source; the one it goes to from here comes first."""
        if source == NO_SOURCE:
            return [Copy(self._default, "in-memory")]
        now = utc_now()
        routes = sorted(self._routing.mapping(source), key=lambda route: route.node_tag != self._routing.node_tag)
        clusters = [route.cluster for route in routes]
        clusters += [
            place.cluster for route in routes for place in route.previous if not place.until or place.until > now
        ]
        return [Copy(cluster, "in-memory") for cluster in dict.fromkeys(clusters) if cluster is not None]

    def _places_of(self, key: str, route: ObjectRoute | None) -> Sequence[Copy]:
        """Where a key may be, in the order of who wins: memory at its source hides the row, which hides the durable tier."""
        copies: Sequence[Copy] = () if route is None else route.copies
        if len(copies) > 1:
            copies = sorted(copies, key=lambda copy: not self._is_near(copy))
        return list(dict.fromkeys([*self._of_source(source_of(key)), *copies, Copy(self._default, "storage")]))

    def _first(
        self,
        key: str,
        framedb_id: str | None,
        type: str | None,  # noqa: A002
        look: Callable[[ObjectPlace], T | None],
    ) -> tuple[Copy, T, Mapping[str, Any]] | None:
        """What `look` finds at the first place where it finds anything, and the metadata of the key."""
        if not _is_legal(key):
            return None
        # The row before the bytes: those it tells of may be newer then, never older.
        route = self._routing.object(key)
        while True:
            places = self._named_places(framedb_id, type) if framedb_id else self._places_of(key, route)
            found = self._first_of(places, route, look)
            if found is not None or framedb_id:
                return found
            before, route = route, self._routing.object(key)
            if route is None or _same(route, before):
                return None
            # It was written elsewhere, and taken away where we looked.

    def _first_of(
        self, places: Sequence[Copy], route: ObjectRoute | None, look: Callable[[ObjectPlace], T | None]
    ) -> tuple[Copy, T, Mapping[str, Any]] | None:
        copies = route.copies if route is not None else ()
        away: StoreUnavailableError | None = None
        for copy in places:
            try:
                found = look(self._place(copy))
            except NotFoundError:
                continue  # removed, with all it held
            except StoreUnavailableError as exc:
                if copy not in copies:
                    raise
                away = exc  # another copy may answer
                continue
            if found is not None:
                return copy, found, route.metadata if route is not None and copy in copies else {}
        if away is not None:
            raise away
        return None

    def _named_places(self, framedb_id: str, type: str | None) -> Sequence[Copy]:  # noqa: A002
        """The instances of that name. Raises NotFoundError if there is none."""
        kinds: Sequence[InstanceType] = ("in-memory", "storage") if type is None else (_instance_type(type),)
        found = []
        for kind in kinds:
            with suppress(NotFoundError):
                found.append(self._opened(framedb_id, kind)[0])
        if not found:
            raise NotFoundError(f"FrameDB instance not found: {framedb_id}")
        return found

    def _living(self, routes: Sequence[ObjectRoute]) -> Sequence[ObjectRoute]:
        """Those of the routes that lead to something; where an instance does not answer, those that name it."""
        keys: dict[Copy, list[str]] = {}
        for route in routes:
            for copy in route.copies:
                keys.setdefault(copy, []).append(route.key)
        living: set[str] = set()
        for copy, named in keys.items():
            try:
                living |= self._place(copy).present(named)
            except NotFoundError:
                continue
            except FrameDBError as exc:
                logger.warning("cannot look for objects: %s", exc, extra={"id": copy.framedb_id})
                living.update(named)
        return [route for route in routes if route.key in living]

    # Taking away

    def _supersede(self, key: str, source: str, here: Copy, replaced: ObjectRoute | None) -> None:
        """Remove what else there is of a key that was just registered."""
        in_front = {*self._of_source(source), *self._of_source(source_of(key))} - {here}
        for copy in in_front:  # they would be read before the row: the write is not done while they are there
            with suppress(NotFoundError):
                self._place(copy).delete(key)
        behind = {*(replaced.copies if replaced is not None else ())} - {here} - in_front
        for copy in behind:
            try:
                with suppress(NotFoundError):
                    self._place(copy).delete(key)
            except FrameDBError as exc:
                logger.warning(
                    "a replaced object stays where it was: %s", exc, extra={"key": key, "id": copy.framedb_id}
                )

    def _take_back(self, key: str, place: ObjectPlace) -> None:
        try:
            place.delete(key)
        except FrameDBError as exc:
            logger.warning("an object that could not be registered stays: %s", exc, extra={"key": key})

    def _take_back_item(self, name: str, cluster: str, data: Buffer) -> None:
        try:
            self._streams(cluster).take_back(name, data)
        except FrameDBError as exc:
            logger.warning("an item of a stream that could not be registered stays: %s", exc, extra={"stream": name})

    def _mark(self, source: str) -> None:
        if source not in self._marked:
            self._mark_durable(source)
            self._marked.add(source)

    def _take(self, name: str, framedb_id: str | None) -> tuple[StoredObject, Buffer] | None:
        """The next item of a stream."""
        if not _is_legal(name):
            return None
        route = self._stream(name)
        if framedb_id:
            try:
                cluster = self._cluster(framedb_id)
            except NotFoundError:
                return None  # a persistent instance: it was looked at, and holds no streams
        elif route is not None:
            cluster = route.framedb_id
        else:
            return None
        with _named(cluster):
            data = self._streams(cluster).pop(name)
        if data is None:
            return None
        metadata = route.metadata if route is not None and route.framedb_id == cluster else {}
        return _item(name, cluster, data, metadata), data


def _instance_type(type: str) -> InstanceType:  # noqa: A002
    if type not in ("in-memory", "storage"):
        known = (
            "give in-memory, storage or stream" if type not in TYPES else "a stream takes items one by one, push them"
        )
        raise InvalidInputError(f"Unsupported type: {type}: {known}")
    return cast(InstanceType, type)


@contextmanager
def _named(framedb_id: str) -> Iterator[None]:
    """Whoever does not know the instance says so in the published words."""
    try:
        yield
    except NotFoundError as exc:
        raise NotFoundError(f"FrameDB instance not found: {framedb_id}") from exc


def _is_legal(key: str) -> bool:
    """Whether there can be an object of the key. What cannot be written is absent; FrameDB's own keys are nobody's objects."""
    try:
        check_key(key)
    except InvalidKeyError:
        return False
    return True


def _same(route: ObjectRoute, before: ObjectRoute | None) -> bool:
    return before is not None and (route, route.updated_at) == (before, before.updated_at)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidKeyError(f"{text!r} is not valid UTF-8") from exc


def _described(key: str, frame: Frame | None, pieces: Iterable[Buffer]) -> tuple[Frame, Iterator[Buffer]]:
    """What is known about an object that comes in pieces, and these; without a description its first bytes tell what it is."""
    iterator = iter(pieces)
    if frame is not None:
        return replace(frame, key=key, data=b""), iterator
    first = next((piece for piece in iterator if memoryview(piece).nbytes), b"")
    parsed = parse_key(key)
    captured_at = parsed.captured_at if parsed is not None else utc_now()
    return Frame(key, b"", captured_at=captured_at, encoding=guess_encoding(first)), chain([first], iterator)


def _checked(
    key: str, pieces: Iterable[Buffer], *, size: int | None, sha256: bytes | None, then: Callable[[], object]
) -> Iterator[Buffer]:
    """The pieces, and `then` after the last of them. Raises InvalidInputError if they are not what was said."""
    digest = hashlib.sha256() if sha256 is not None else None
    received = 0
    for piece in pieces:
        received += memoryview(piece).nbytes
        if size is not None and received > size:
            raise InvalidInputError(f"{key}: more than the {size} bytes came that were announced: put it again")
        if digest is not None:
            digest.update(piece)
        yield piece
    if size is not None and received != size:
        raise InvalidInputError(f"{key}: {received} of {size} bytes came: put it again")
    if digest is not None and digest.digest() != sha256:
        raise InvalidInputError(f"{key}: the bytes that came do not have the digest that was said: put it again")
    then()


def _joined(stream: ObjectStream) -> Buffer:
    """All of it, uncopied where it comes in one piece."""
    first = next(stream, b"")
    if not stream.remaining:
        return first
    whole = bytearray(memoryview(first).nbytes + stream.remaining)
    at = 0
    for piece in chain([first], stream):
        view = memoryview(piece)
        whole[at : at + view.nbytes] = view
        at += view.nbytes
    return whole


def _object(copy: Copy, stored: Stored, metadata: Mapping[str, Any]) -> StoredObject:
    return StoredObject(
        stored.frame.key,
        copy.framedb_id,
        copy.framedb_type,
        stored.size,
        metadata,
        stored.version,
        stored.stored_at,
        stored.expires_at,
        stored.frame,
    )


def _listed(route: ObjectRoute) -> StoredObject:
    written_at = route.updated_at or utc_now()
    frame = Frame(route.key, b"", captured_at=written_at)
    return StoredObject(
        route.key, route.framedb_id, route.framedb_type, route.size or 0, route.metadata, "", written_at, None, frame
    )


def _item(name: str, cluster: str, data: Buffer, metadata: Mapping[str, Any]) -> StoredObject:
    frame = Frame(name, b"", encoding=guess_encoding(data))
    size = memoryview(data).nbytes
    return StoredObject(name, cluster, "stream", size, metadata, "", frame.captured_at, None, frame)
