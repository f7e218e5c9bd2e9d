"""`LargeObjects`: objects over 64 MiB in Redis or Valkey, in parts.

| Redis key | holds |
|---|---|
| `fdb:large:<K>` | hash, the manifest of K: version, parts, size, part_bytes, and details (what is known, digests) |
| `fdb:part:<version>:<n>` | 8 MiB of it, the last one less |
| `fdb:reading:<version>` | sorted set: who reads it. Its parts stay for them, for half a minute at most, once it is replaced |

Parts come first, each with a time to live that is renewed while the writer goes on; so what was written in vain is gone by
itself. The manifest is swapped last, in one function, which also takes away a plain value of the same key.
"""

import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from math import isinf
from typing import Any, NamedTuple

import msgpack
from typing_extensions import Buffer

from framedb.config import MiB
from framedb.errors import BufferTooSmallError, StoreError
from framedb.frame import Frame, check_key, from_microseconds, source_of, to_microseconds, utc_now
from framedb.resp import MasterClient, Redis, execute_many, get_into
from framedb.stores.base import check_ttl
from framedb.stores.chunks import Chunk, check, regroup
from framedb.stores.description import describe, described
from framedb.stores.functions import call_function, raised
from framedb.stores.stored import Stored

logger = logging.getLogger(__name__)

PART_BYTES = 8 * MiB
"""Of each part but the last: far below what Redis allows (512 MB), and held whole by writer and reader."""

PIECE_BYTES = MiB
"""The most a stream gives at a time."""

_UNFINISHED = 900.0  # seconds that parts outlive their writer; a client on a slow line may take minutes for one
_RENEW = 60.0  # seconds between two renewals: as seldom as is safe, since each touches every part


class Manifest(NamedTuple):
    """What leads to the parts of an object."""

    stored: Stored
    part_bytes: int
    digests: list[int]
    """CRC-32 of each part."""


class LargeObjects:
    """Large objects of one cluster."""

    def __init__(self, master: MasterClient) -> None:
        self._master = master

    def write(self, frame: Frame, pieces: Iterable[Buffer], *, ttl: float | None = None) -> Stored:
        """Store an object that comes in pieces of any size, under `frame`'s key and with what it says; its data are unused.

        Two parts at a time are in memory. The object appears when the last piece is in; if `pieces` raises, nothing of it is
        left, and an earlier one stands. `ttl` is in seconds; None: its source's default. Raises InvalidKeyError,
        InvalidInputError, StoreFullError, and StoreError if the pieces paused for so long that the first parts expired.
        """
        check_key(frame.key)
        ttl_ms = -1 if ttl is None else 0 if isinf(check_ttl(ttl)) else max(1, round(ttl * 1000))
        version = f"{time.time_ns():016x}{secrets.token_hex(4)}"
        digests: list[int] = []
        size = 0
        renewed = time.monotonic()
        try:
            for part in regroup(pieces, PART_BYTES):
                self._put_part(version, len(digests), part)
                digests.append(part.digest)
                size += len(part.data)
                del part  # rather than keep it while the next one is gathered
                if time.monotonic() - renewed > _RENEW:
                    self._call("renew", [], [version, len(digests), round(_UNFINISHED * 1000)])
                    renewed = time.monotonic()
            stored_at = utc_now()
            details = msgpack.packb([describe(frame), digests, to_microseconds(stored_at)])
            status = self._call("publish", [frame.key], [frame.source, version, size, PART_BYTES, ttl_ms, details])
            if status != "stored":
                raise StoreError(f"{frame.key}: parts of it were gone before the last was in: write the object again")
        except BaseException:
            self._discard(version, len(digests) + 1)
            raise
        manifest = self.look(frame.key)
        if manifest is not None and manifest.stored.version == version:
            return manifest.stored
        return Stored(frame, size, version, stored_at, None)  # replaced meanwhile

    def look(self, key: str, *, reader: str = "") -> Manifest | None:
        """What leads to the object's parts; None when there is none. They stay for `reader`, half a minute at a time."""
        return manifest_of(key, self._call("look", [key], [reader]))

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> "LargeStream | None":
        """The object's bytes from `offset` on, `length` of them or all; None when it is not there. Close it."""
        reader = new_reader()
        manifest = self.look(key, reader=reader)
        return None if manifest is None else self.stream(manifest, reader, offset=offset, length=length)

    def stream(self, manifest: Manifest, reader: str, *, offset: int = 0, length: int | None = None) -> "LargeStream":
        """The bytes of an object that was looked at for that reader."""
        return LargeStream(self, manifest, reader, offset=offset, length=length)

    def remove(self, *keys: str) -> int:
        """Remove the objects; how many there were."""
        return int(self._call("remove", list(keys), []))

    def expire(self, key: str, ttl: float) -> bool:
        """Keep the object, a plain value too, that many seconds from now (`KEEP`: for ever); whether there was one."""
        ttl_ms = 0 if isinf(check_ttl(ttl)) else max(1, round(ttl * 1000))
        return bool(self._call("expire", [key], [source_of(key), ttl_ms]))

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys under which there is an object, also one that is a plain value."""
        commands = [("EXISTS", key, f"fdb:large:{key}") for key in keys]
        found = self._master.run(lambda redis: raised(execute_many(redis, commands)))
        return {key for key, there in zip(keys, found, strict=True) if there}

    def part(self, manifest: Manifest, number: int, reader: str) -> bytearray:
        """One part of an object, checked; it stays for the reader. Raises CorruptDataError, and StoreError if it is gone."""
        version, key = manifest.stored.version, manifest.stored.frame.key
        expected = min(manifest.part_bytes, manifest.stored.size - number * manifest.part_bytes)
        part = bytearray(expected)  # read in its place: the parser's buffer would be as large once more

        def look(redis: Redis) -> int | None:
            raised(execute_many(redis, [("FCALL", "fdb_object_v1_reading", 0, version, reader)]))
            return get_into(redis, _part(version, number), part)

        try:
            size = self._master.run(look)
        except BufferTooSmallError:
            size = 0  # damaged, as the check says
        if size is None:
            raise StoreError(f"{key} was replaced or deleted while it was read: read it again")
        del part[size:]
        check(key, number, part, manifest.digests[number], expected_bytes=expected)
        return part

    def done(self, manifest: Manifest, reader: str) -> None:
        """The reader needs the parts no more."""
        try:
            self._call("done", [], [manifest.stored.version, reader, len(manifest.digests)])
        except StoreError as exc:
            logger.debug("a reader could not take its leave: %s", exc)

    def _put_part(self, version: str, number: int, part: Chunk) -> None:
        command = ("SET", _part(version, number), memoryview(part.data), "PX", round(_UNFINISHED * 1000))
        self._master.run(lambda redis: raised(execute_many(redis, [command])))

    def _discard(self, version: str, parts: int) -> None:
        try:
            self._call("discard", [], [version, parts])
        except StoreError as exc:
            logger.warning("parts of an unfinished write stay until they expire", extra={"error": str(exc)})

    def _call(self, function: str, keys: list[str], arguments: list[Any]) -> Any:
        return self._master.run(lambda redis: call_function(redis, f"object_v1_{function}", keys, arguments))


class LargeStream(Iterator[memoryview]):
    """The bytes of one large object, or of a part of it; each item at most a mebibyte of a part that was checked.

    What is replaced or deleted meanwhile can still be read for half a minute; then StoreError, and the reader starts again.
    """

    def __init__(
        self, large: LargeObjects, manifest: Manifest, reader: str, *, offset: int, length: int | None
    ) -> None:
        self.stored = manifest.stored
        """What is known about the object."""
        self._large = large
        self._manifest = manifest
        self._reader: str | None = reader
        self._position = min(offset, self.stored.size)
        self._stop = self.stored.size if length is None else min(self.stored.size, offset + length)
        self._part = memoryview(b"")  # what is left of the part that was read last

    def __next__(self) -> memoryview:
        if self._position >= self._stop:
            self.close()
            raise StopIteration
        if not self._part:
            self._part = self._read_part()
        piece = self._part[:PIECE_BYTES]
        self._part = self._part[PIECE_BYTES:]
        self._position += piece.nbytes
        return piece

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return max(0, self._stop - self._position)

    def close(self) -> None:
        """Let go of the object. Closing twice does no harm."""
        self._stop = self._position
        self._part = memoryview(b"")
        if self._reader is not None:
            reader, self._reader = self._reader, None
            self._large.done(self._manifest, reader)

    def _read_part(self) -> memoryview:
        number, start = divmod(self._position, self._manifest.part_bytes)
        data = self._large.part(self._manifest, number, self._reader or "")
        return memoryview(data)[start : start + self._stop - self._position]


def new_reader() -> str:
    """The name of one reading of an object."""
    return secrets.token_hex(8)


def manifest_of(key: str, answer: Any) -> Manifest | None:
    """What the function `look` answered."""
    if answer is None:
        return None
    version, size, part_bytes, details, ttl_ms = answer
    description, digests, stored_at = msgpack.unpackb(details)
    expires_at = None if ttl_ms < 0 else utc_now() + timedelta(milliseconds=ttl_ms)
    frame = described({**description, "key": key}, b"")
    stored = Stored(frame, int(size), version.decode(), from_microseconds(stored_at), expires_at)
    return Manifest(stored, int(part_bytes), digests)


def _part(version: str, number: int) -> str:
    return f"fdb:part:{version}:{number}"
