"""`StoredObject` and `ObjectStream`: an object as whoever put or reads it sees it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast, get_args

from typing_extensions import Buffer

from framedb.errors import InvalidInputError
from framedb.frame import Frame, guess_encoding, utc_now
from framedb.routing import Copy, ObjectRoute
from framedb.routing.locator import InstanceType
from framedb.stores.stored import Stored
from framedb.tiering.object_places import Pieces, naming

ObjectType = Literal["in-memory", "storage", "stream"]
"""In a cluster of memory, in a persistent instance, or an item of a stream."""

TYPES: tuple[ObjectType, ...] = get_args(ObjectType)


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


Condition = Callable[[StoredObject | None], object]
"""Raises if what there is under the key (None: nothing) must not be replaced or removed."""


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
        with naming(self.stored.key):
            return next(self._pieces)

    def close(self) -> None:
        """Let go of what it holds. Closing twice does no harm."""
        self._pieces.close()

    def __enter__(self) -> "ObjectStream":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def instance_type(type: str) -> InstanceType:  # noqa: A002  - its name on the wire
    """`type` itself, if an object can be of it. Raises InvalidInputError (`Unsupported type: X`)."""
    if type not in ("in-memory", "storage"):
        known = (
            "give in-memory, storage or stream" if type not in TYPES else "a stream takes items one by one, push them"
        )
        raise InvalidInputError(f"Unsupported type: {type}: {known}")
    return cast(InstanceType, type)


def object_in(copy: Copy, stored: Stored, metadata: Mapping[str, Any]) -> StoredObject:
    """The object that an instance holds."""
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


def listed_object(route: ObjectRoute) -> StoredObject:
    """The object that a row tells of."""
    written_at = route.updated_at or utc_now()
    frame = Frame(route.key, b"", captured_at=written_at)
    return StoredObject(
        route.key, route.framedb_id, route.framedb_type, route.size or 0, route.metadata, "", written_at, None, frame
    )


def item_of(name: str, cluster: str, data: Buffer, metadata: Mapping[str, Any]) -> StoredObject:
    """The item of a stream that was put, or taken, this moment."""
    frame = Frame(name, b"", encoding=guess_encoding(data))
    size = memoryview(data).nbytes
    return StoredObject(name, cluster, "stream", size, metadata, "", frame.captured_at, None, frame)
