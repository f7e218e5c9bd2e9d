"""`MemoryObjects`: objects in a cluster of memory, as plain values up to 64 MiB, in parts above."""

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any, NamedTuple

from typing_extensions import Buffer

from framedb.config import MiB
from framedb.errors import InvalidInputError, StoreFullError
from framedb.frame import NO_SOURCE, Frame, source_of, to_microseconds, utc_now
from framedb.resp import Redis, transaction
from framedb.resp.connection import is_missing_function
from framedb.stores.functions import load_functions, raised
from framedb.stores.large import PIECE_BYTES, LargeObjects, Manifest, manifest_of, new_reader
from framedb.stores.memory import LARGEST_FRAME_BYTES, MemoryStore
from framedb.stores.row import size_of_row, unpack_row
from framedb.stores.stored import Stored
from framedb.tiering.object_places import Pieces

_HELD_BYTES = 16 * MiB  # of an object whose size nobody told, before it is written in parts
_GONE = -2  # what PTTL says of a key that is not there


class MemoryObjects:
    """Objects of one cluster. Each belongs to the source that its key tells of, whatever its description says."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._large = LargeObjects(store.master)

    def write(
        self, frame: Frame, pieces: Iterable[Buffer], *, size: int | None = None, ttl: float | None = None
    ) -> Stored:
        """As `ObjectPlace.write`. What is not over 64 MiB is held whole meanwhile, or 16 MiB of it if its size is not told."""
        frame = replace(frame, source=source_of(frame.key), data=b"")
        if size is None:
            held, rest = _held(pieces, _HELD_BYTES)
            if rest is None:
                return self._put(frame, b"".join(held), ttl)
            stored = self._large.write(frame, chain(_drained(held), rest), ttl=ttl)
            return self._plain(stored, ttl) if stored.size <= LARGEST_FRAME_BYTES else stored
        if size <= LARGEST_FRAME_BYTES:
            return self._put(frame, _whole(frame.key, pieces, size), ttl)
        return self._large.write(frame, pieces, ttl=ttl)

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Pieces | None:
        """As `ObjectPlace.read`. A plain value, or the part of it that is asked for, is held whole."""
        reader = new_reader()
        found = self._look(key, _Part(offset, length), reader)
        if isinstance(found, Manifest):
            return self._large.stream(found, reader, offset=offset, length=length)
        return None if found is None else ValueStream(*found)

    def stat(self, key: str) -> Stored | None:
        """As `ObjectPlace.stat`."""
        found = self._look(key, None, "")
        return found.stored if isinstance(found, Manifest) else found and found[0]

    def present(self, keys: Sequence[str]) -> set[str]:
        """As `ObjectPlace.present`."""
        return self._large.present(keys)

    def delete(self, key: str) -> bool:
        """As `ObjectPlace.delete`."""
        removed = self._store.delete(key)
        return bool(self._large.remove(key)) or removed

    def expire(self, key: str, ttl: float) -> bool:
        """As `ObjectPlace.expire`."""
        return self._large.expire(key, ttl)

    def _put(self, frame: Frame, data: Buffer, ttl: float | None) -> Stored:
        """Store a plain value; one in parts goes, after it is hidden."""
        put = self._store.put(replace(frame, data=data), ttl=ttl)
        if put.dropped is not None:
            raise StoreFullError(f"{frame.key} was turned away by the policy of source {frame.source} ({put.dropped})")
        self._large.remove(frame.key)
        ttl_ms = self._store.master.run(lambda redis: redis.pttl(frame.key))
        return _stored(frame, memoryview(data).nbytes, ttl_ms, _digest(data) if frame.source != NO_SOURCE else None)

    def _plain(self, stored: Stored, ttl: float | None) -> Stored:
        """What was written in parts because nobody told its size, as the plain value it should be."""
        stream = self._large.read(stored.frame.key)
        if stream is None or stream.stored.version != stored.version:
            return stored  # replaced meanwhile
        return self._put(stored.frame, _whole(stored.frame.key, stream, stored.size), ttl)

    def _look(self, key: str, part: "_Part | None", reader: str) -> "tuple[Stored, Buffer] | Manifest | None":
        """The plain value under the key, as far as it is asked for, and what is known about it; else a manifest.

        Both are looked for at the same moment: whichever is replaced by the other, one of them is found.
        """
        source = source_of(key)
        # A value without a row, or whose capture time is not when it was written, is known by its bytes alone.
        everything = source != NO_SOURCE
        while True:
            get: tuple[Any, ...] = ("STRLEN", key)
            if everything or part == _ALL:
                get = ("GET", key)
            elif part is not None:
                get = ("GETRANGE", key, *part.bounds())
            commands = [
                ("PTTL", key),
                ("HGET", f"fdb:{source}:m", key),
                ("STRLEN", key),
                get,
                ("FCALL", "fdb_object_v1_look", 1, key, reader),
            ]
            replies = self._store.master.run(lambda redis, commands=commands: _run(redis, commands))  # type: ignore[misc]
            ttl_ms, row, size, value, manifest = replies
            if ttl_ms == _GONE:
                return manifest_of(key, manifest)
            row = row if row is not None and size_of_row(row) == size else None
            if row is not None or get[0] == "GET":
                break
            everything = True
        frame = replace(unpack_row(key, source, value if get[0] == "GET" else b"", row), data=b"")
        stored = _stored(frame, size, ttl_ms, _digest(value) if everything else None)
        if part is None:
            return stored, b""
        return stored, memoryview(value)[part.offset :][: part.length] if get[0] == "GET" else value


class ValueStream(Iterator[memoryview]):
    """The bytes of a plain value, at most a mebibyte at a time."""

    def __init__(self, stored: Stored, data: Buffer) -> None:
        self.stored = stored
        """What is known about the object."""
        self._left = memoryview(data)

    def __next__(self) -> memoryview:
        if not self._left:
            raise StopIteration
        piece = self._left[:PIECE_BYTES]
        self._left = self._left[PIECE_BYTES:]
        return piece

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return self._left.nbytes

    def close(self) -> None:
        """Let go of the value."""
        self._left = memoryview(b"")


class _Part(NamedTuple):
    """Some bytes of a value."""

    offset: int = 0
    length: int | None = None

    def bounds(self) -> tuple[int, int]:
        """First and last byte, as Redis counts them."""
        if self.length is None:
            return self.offset, -1
        if self.length == 0:
            return LARGEST_FRAME_BYTES + 1, LARGEST_FRAME_BYTES + 1  # behind every value: 0, -1 would be all of it
        return self.offset, self.offset + self.length - 1


_ALL = _Part()


def _run(redis: Redis, commands: list[tuple[Any, ...]]) -> list[Any]:
    """The replies of one moment, from a server that is given our functions if it has none."""
    replies = transaction(redis, commands)
    if is_missing_function(replies[-1]):
        load_functions(redis)
        replies = transaction(redis, commands)
    return raised(replies)


def _stored(frame: Frame, size: int, ttl_ms: int, digest: int | None) -> Stored:
    version = f"{to_microseconds(frame.captured_at):x}-{size:x}"
    if digest is not None:
        version += f"-{digest:08x}"
    expires_at = None if ttl_ms < 0 else utc_now() + timedelta(milliseconds=ttl_ms)
    return Stored(frame, size, version, frame.captured_at, expires_at)


def _digest(data: Buffer) -> int:
    return zlib.crc32(data)


def _held(pieces: Iterable[Buffer], limit: int) -> tuple[deque[Buffer], Iterator[Buffer] | None]:
    """The first pieces, until they are over the limit, and the others; None: these are all."""
    held: deque[Buffer] = deque()
    size = 0
    iterator = iter(pieces)
    for piece in iterator:
        held.append(piece)
        size += memoryview(piece).nbytes
        if size > limit:
            return held, iterator
    return held, None


def _drained(held: deque[Buffer]) -> Iterator[Buffer]:
    while held:
        yield held.popleft()


def _whole(key: str, pieces: Iterable[Buffer], size: int) -> Buffer:
    """The pieces in one buffer, uncopied if it is one piece. Raises InvalidInputError if they do not have that size."""
    iterator = iter(pieces)
    first = next(iterator, b"")
    whole: Buffer = first
    at = memoryview(first).nbytes
    if at < size:
        room = bytearray(size)
        room[:at] = memoryview(first).cast("B") if at else b""
        for piece in iterator:
            view = memoryview(piece)
            view = view.cast("B") if view.nbytes else memoryview(b"")
            if at + view.nbytes <= size:
                room[at : at + view.nbytes] = view
            at += view.nbytes
        whole = room
    else:
        at += sum(memoryview(piece).nbytes for piece in iterator)
    if at != size:
        raise InvalidInputError(f"{key}: {at} bytes came, and {size} were announced: put it again")
    return whole
