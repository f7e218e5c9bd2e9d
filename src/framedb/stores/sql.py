"""`SQLStore`: frames that stay, in SQLite or on a server of the MySQL protocol.

Bytes are chunks under a version (see `sql_tables`). What is written appears with the row of its key, which comes with the
last chunk; what it replaces goes in the same transaction, or, if it is large, in the next ones. Readers see one moment of
the database, so that a frame replaced under their hands stays whole.
"""

import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from math import isinf
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, delete, func, insert, select, update
from typing_extensions import Buffer

from framedb.errors import BufferTooSmallError, InvalidInputError, StoreError
from framedb.frame import NO_SOURCE, Frame, check_key, check_source, from_microseconds, to_microseconds
from framedb.registry.engine import open_engine, reading, translated, write
from framedb.registry.types import DatabaseNow
from framedb.stores.base import KEEP, FrameStore, Put, SourceStats
from framedb.stores.chunks import CHUNK_BYTES, CHUNKS_PER_COMMIT, Chunk, batched, check, cut, regroup
from framedb.stores.sql_tables import DOOMED, NEVER, chunks, drops, frames, loose_versions, prepare

logger = logging.getLogger(__name__)

_PAGE_SIZE = 65536  # bytes of a SQLite page: a mebibyte is then 16 pages to write instead of 256
_BATCH_BYTES = CHUNK_BYTES * CHUNKS_PER_COMMIT  # in one transaction, or in memory at once
_BATCH_FRAMES = 256
_PAGE_KEYS = 1000  # of a scan
_SNAPSHOT = (
    30.0  # seconds a slow reader of a stream holds on to one moment of the database, which cannot tidy up behind it
)

_VISIBLE: ColumnElement[bool] = frames.c.expires_at > DatabaseNow()
_DEFAULTS = Frame("-", b"")

FrameRow = Row[Any]
"""A row of `frames`."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known about a stored frame without reading its bytes."""

    frame: Frame
    """The frame, its data left out."""
    size: int
    """Bytes of the data."""
    version: str
    """Another one with every write of the key: fit for an ETag."""
    stored_at: datetime
    """UTC, on the database's clock."""
    expires_at: datetime | None
    """UTC, on the database's clock; None: it is kept."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed."""

    expired: int
    """Frames whose time was over."""
    unfinished: int
    """Writes that were begun and never ended, and large frames that were replaced or deleted."""


class SQLStore(FrameStore):
    """Frames of one persistent instance.

    Beyond `FrameStore`: `write_stream` and `read_stream`, which never hold a whole object; `stat`; `expire`; and `sweep`,
    which somebody must call now and then. Times to live are measured by the database's clock.
    """

    def __init__(self, engine: Engine, *, default_ttl: float = KEEP) -> None:
        """A store on an open database; its tables are made if they are missing. `default_ttl` is in seconds."""
        self._engine = engine
        self._default_ttl = default_ttl
        prepare(engine)

    @classmethod
    def open(cls, url: str, *, default_ttl: float = KEEP) -> Self:
        """A store on the database of a URL, as `registry.open_engine` takes it; `close` lets go of it."""
        return cls(open_engine(url, page_size=_PAGE_SIZE), default_ttl=default_ttl)

    # Writing

    def put_many(self, frames: Sequence[Frame], *, ttl: float | None = None) -> list[Put]:
        """As `FrameStore.put_many`. After an error, put all of them again."""
        lifetime = self._lifetime(ttl)
        new = [_NewFrame.of(frame, frame.nbytes, lifetime) for frame in frames]
        views = {frame.key: frame.view() for frame in frames}
        last_of_key = {item.key: item for item in new}
        # In order of keys: writers that lock the same ones in the same order never wait for each other in a circle.
        for batch in _batches(sorted(last_of_key.values(), key=lambda item: item.key)):
            if batch[0].size > _BATCH_BYTES:
                self._write_large(batch[0], cut(views[batch[0].key]))
            else:
                self._write_small(batch, {item.version: list(cut(views[item.key])) for item in batch})
        return [Put(frame.key) for frame in frames]

    def write_stream(self, frame: Frame, pieces: Iterable[Buffer], *, ttl: float | None = None) -> Stored:
        """Store an object that comes in pieces of any size, under `frame`'s key and with what it says; its data are unused.

        Eight chunks at a time are in memory. The object appears when the last piece is in; if `pieces` raises, nothing of
        it is left, and an earlier object of the key stands. Errors as `put`; StoreError if a sweep took it for abandoned.
        """
        new = _NewFrame.of(frame, 0, self._lifetime(ttl))
        self._write_large(new, regroup(pieces))
        stored_at, expires_at = new.times(new.now)
        return Stored(frame, new.size, new.version.hex(), stored_at, _moment(expires_at))

    def _write_small(self, batch: list["_NewFrame"], data: dict[bytes, list[Chunk]]) -> None:
        """Frames that fit into one transaction."""

        def store(connection: Connection) -> list[bytes]:
            for version, pieces in data.items():
                _insert_chunks(connection, version, 0, pieces)
            return _publish(connection, batch)

        self._remove_versions(write(self._engine, store))

    def _write_large(self, new: "_NewFrame", pieces: Iterator[Chunk]) -> None:
        """One frame, in as many transactions as it takes."""
        groups = batched(pieces, CHUNKS_PER_COMMIT)
        first, second = next(groups, []), next(groups, None)
        new.size = sum(len(chunk.data) for chunk in first)
        if second is None:
            self._write_small([new], {new.version: first})
            return
        written = len(first)
        try:
            write(self._engine, lambda connection: _begin(connection, new.version, first))
            group: list[Chunk] | None = second
            while group is not None:
                self._add(new.version, written, group)
                written += len(group)
                new.size += sum(len(chunk.data) for chunk in group)
                group = next(groups, None)
            replaced = write(self._engine, lambda connection: _finish(connection, new))
        except BaseException:
            self._abandon(new.version)
            raise
        self._remove_versions(replaced)

    def _add(self, version: bytes, at: int, pieces: list[Chunk]) -> None:
        write(self._engine, lambda connection: _continue(connection, version, at, pieces))

    def _abandon(self, version: bytes) -> None:
        """Take back what was written so far. If that fails too, `sweep` will."""
        try:
            write(self._engine, lambda connection: _doom(connection, version))
            self._remove_versions([version])
        except StoreError as exc:
            logger.warning("an unfinished write stays until it is swept", extra={"error": str(exc)})

    # Reading

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`; frames read in one call may be of several moments, each is whole."""
        found: dict[str, Frame] = {}
        for page in batched(dict.fromkeys(map(_storable, keys)), _BATCH_FRAMES):
            with reading(self._engine) as connection:
                rows = connection.execute(select(frames).where(frames.c.key.in_(page), _VISIBLE)).all()
                found.update((frame.key, frame) for frame in _load(connection, rows))
        return [found.get(key) for key in keys]

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`; a chunk at a time is in memory. After CorruptDataError the buffer holds a part."""
        view = memoryview(buffer).cast("B")
        with reading(self._engine) as connection:
            row = connection.execute(_row_of(key)).one_or_none()
            if row is None:
                return None
            if row.size > view.nbytes:
                raise BufferTooSmallError(
                    f"{key} has {row.size} bytes and the buffer {view.nbytes}: give one of at least {row.size}"
                )
            _read_into(connection, row, view)
            return int(row.size)

    def read_stream(self, key: str, *, offset: int = 0, length: int | None = None) -> "FrameStream | None":
        """The object's bytes from `offset` on, `length` of them or all, a chunk at a time; None when it is not there.

        Close it (it is its own `with` block): it holds a connection. Raises InvalidInputError for negative numbers.
        """
        if offset < 0 or (length is not None and length < 0):
            raise InvalidInputError(f"bytes {offset} and {length} on: offset and length cannot be negative")
        with translated(self._engine):
            connection = self._engine.connect()
            try:
                row = connection.execute(_row_of(key)).one_or_none()
            except BaseException:
                connection.close()
                raise
        if row is None:
            connection.close()
            return None
        return FrameStream(self._engine, connection, row, offset=offset, length=length)

    def stat(self, key: str) -> Stored | None:
        """What is known about the frame, without reading it; None when it is not there."""
        with reading(self._engine) as connection:
            row = connection.execute(_row_of(key)).one_or_none()
        return None if row is None else _stored(row)

    def scan(self, prefix: str = "", *, source: str | None = None, after: str = "") -> Iterator[str]:
        """As `FrameStore.scan`, in the order of the keys' bytes, from behind the key `after`; a page at a time is in memory."""
        query = select(frames.c.key).where(_VISIBLE).order_by(frames.c.key).limit(_PAGE_KEYS)
        if source is not None:
            query = query.where(frames.c.source == source)
        if prefix:
            start = _storable(prefix).encode()
            # No byte of UTF-8 is 0xff, so the last one can always be raised by one.
            query = query.where(frames.c.key >= start, frames.c.key < start[:-1] + bytes([start[-1] + 1]))
        while True:
            with reading(self._engine) as connection:
                page = connection.scalars(query.where(frames.c.key > after.encode())).all()
            yield from page
            if len(page) < _PAGE_KEYS:
                return
            after = page[-1]

    # Time

    def latest(self, source: str) -> Frame | None:
        """As `FrameStore.latest`."""
        with reading(self._engine) as connection:
            row = _first(connection, source, descending=True)
            return None if row is None else _load(connection, [row])[0]

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`."""
        wanted = to_microseconds(at)
        with reading(self._engine) as connection:
            before = _first(connection, source, frames.c.captured_at <= at, descending=True)
            after = _first(connection, source, frames.c.captured_at > at)
            rows = [row for row in (before, after) if row is not None]
            if not rows:
                return None
            row = min(rows, key=lambda row: abs(to_microseconds(row.captured_at) - wanted))  # the earlier comes first
            if tolerance is not None and abs(row.captured_at - at) > tolerance:
                return None
            return _load(connection, [row])[0]

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`; 8 MiB of frames at a time are in memory, or one that is larger."""
        query = _of_source(source).where(frames.c.captured_at < stop)
        query = query.order_by(frames.c.captured_at, frames.c.key).limit(_BATCH_FRAMES)
        beyond: ColumnElement[bool] = frames.c.captured_at >= start
        while True:
            with reading(self._engine) as connection:
                rows = connection.execute(query.where(beyond)).all()
                if not rows:
                    return
                page = next(_by_size(rows))
                loaded = _load(connection, page)
            yield from loaded
            last = page[-1]
            beyond = (frames.c.captured_at > last.captured_at) | (
                (frames.c.captured_at == last.captured_at) & (frames.c.key > last.key)
            )

    def captured(self, source: str, start: datetime, stop: datetime, *, limit: int) -> list[tuple[str, datetime]]:
        """Keys and capture times of the first `limit` frames captured in `start <= t < stop`, in order."""
        query = select(frames.c.key, frames.c.captured_at).where(frames.c.source == source, _VISIBLE)
        query = query.where(frames.c.captured_at >= start, frames.c.captured_at < stop)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(frames.c.captured_at, frames.c.key).limit(limit)).all()
        return [(row.key, row.captured_at) for row in rows]

    # Removing

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`."""
        count = 0
        for page in batched(sorted(set(map(_storable, keys))), _BATCH_FRAMES):

            def remove(connection: Connection, page: list[str] = page) -> tuple[int, list[bytes]]:
                now = _now(connection)
                rows = connection.execute(select(frames).where(frames.c.key.in_(page)).with_for_update()).all()
                return sum(row.expires_at > now for row in rows), _remove_rows(connection, rows, now)

            visible, replaced = write(self._engine, remove)
            count += visible
            self._remove_versions(replaced)
        return count

    def expire(self, key: str, ttl: float) -> bool:
        """Keep the frame that many seconds from now (`KEEP`: for ever); whether there was one."""
        lifetime = self._lifetime(ttl)

        def renew(connection: Connection) -> int:
            expires_at = NEVER if lifetime is None else DatabaseNow() + lifetime
            change = update(frames).where(frames.c.key == _storable(key), _VISIBLE).values(expires_at=expires_at)
            return int(connection.execute(change).rowcount)

        return write(self._engine, renew) == 1

    def sweep(self, older_than: float = 3600.0) -> Swept:
        """Remove what is there but cannot be seen: expired frames, and writes without a new chunk for so many seconds.

        Safe beside readers, writers and other sweeps, in transactions of bounded size.
        """
        expired = 0
        while True:
            count, replaced = write(self._engine, _sweep_expired)
            self._remove_versions(replaced)
            expired += count
            if count < _BATCH_FRAMES:
                break
        cutoff = round(older_than * 1_000_000)
        unfinished = 0
        while True:
            doomed = write(self._engine, lambda connection: _doom_abandoned(connection, cutoff))
            self._remove_versions(doomed)
            unfinished += len(doomed)
            if not doomed:
                return Swept(expired, unfinished)

    def _remove_versions(self, versions: list[bytes]) -> None:
        """Remove the chunks of doomed versions, a bounded number at a time."""
        try:
            for version in versions:
                while write(self._engine, partial(_remove_chunks, version=version)):
                    pass
        except StoreError as exc:
            # What was asked for is done; the rest can wait for `sweep`.
            logger.warning("a replaced frame stays until it is swept", extra={"error": str(exc)})

    # Statistics

    def sources(self) -> list[str]:
        """As `FrameStore.sources`: one step in the index for each."""
        found: list[str] = []
        query = select(frames.c.source).where(_VISIBLE).order_by(frames.c.source).limit(1)
        with reading(self._engine) as connection:
            while True:
                source = connection.scalar(query.where(frames.c.source > found[-1]) if found else query)
                if source is None:
                    return found
                found.append(source)

    def stats(self, source: str) -> SourceStats:
        """As `FrameStore.stats`; expired frames count as dropped, swept or not."""
        of_source = frames.c.source == source
        totals = select(func.count(), func.coalesce(func.sum(frames.c.size), 0)).where(of_source, _VISIBLE)
        with reading(self._engine) as connection:
            count, size = connection.execute(totals).one()
            counted = select(drops.c.reason, drops.c.count).where(drops.c.source == source)
            dropped = {reason: int(number) for reason, number in connection.execute(counted)}
            unswept = connection.scalar(select(func.count()).where(of_source, frames.c.expires_at <= DatabaseNow()))
        if unswept:  # not yet in `drops`
            dropped["expired"] = dropped.get("expired", 0) + unswept
        return SourceStats(count=count, bytes=int(size), drops=dropped)

    def close(self) -> None:
        """As `FrameStore.close`."""
        self._engine.dispose()

    def _lifetime(self, ttl: float | None) -> int | None:
        """Microseconds, or None for ever."""
        seconds = self._default_ttl if ttl is None else ttl
        if not seconds > 0:
            raise InvalidInputError(f"a time to live of {seconds} seconds: give a positive number, or KEEP")
        return None if isinf(seconds) else round(seconds * 1_000_000)


class FrameStream(Iterator[bytes]):
    """The bytes of one stored object, or of a part of it; each item at most a mebibyte, checked against its digest.

    It holds a connection until it is exhausted or closed. What is replaced or deleted meanwhile is still read to its end,
    unless that takes over half a minute: then StoreError, and the reader starts again.
    """

    def __init__(
        self, engine: Engine, connection: Connection, row: FrameRow, *, offset: int, length: int | None
    ) -> None:
        self.stored = _stored(row)
        """What is known about the object."""
        self._engine = engine
        self._connection = connection
        self._row = row
        self._position: int = min(offset, row.size)
        self._stop: int = row.size if length is None else min(row.size, offset + length)
        self._began = time.monotonic()

    def __next__(self) -> bytes:
        if self._position >= self._stop:
            self.close()
            raise StopIteration
        try:
            with translated(self._engine):
                self._renew_snapshot()
                number, start = divmod(self._position, self._row.chunk_bytes)
                (data,) = _read_chunks(self._connection, self._row, number, number + 1)
        except BaseException:
            self.close()
            raise
        piece = data[start : start + self._stop - self._position]
        self._position += len(piece)
        return piece

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return max(0, int(self._stop) - self._position)

    def _renew_snapshot(self) -> None:
        if time.monotonic() - self._began < _SNAPSHOT:
            return
        self._connection.rollback()
        self._began = time.monotonic()
        row = self._connection.execute(_row_of(self._row.key)).one_or_none()
        if row is None or row.version != self._row.version:
            raise StoreError(f"{self._row.key} was replaced or deleted while it was read: read it again")

    def close(self) -> None:
        """Give the connection back. Closing twice does no harm."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(slots=True)
class _NewFrame:
    """A frame on its way in."""

    key: str
    version: bytes
    size: int
    lifetime: int | None
    """Microseconds, or None for ever."""
    columns: dict[str, Any]
    now: int = 0
    """When it was stored, once it is."""

    @classmethod
    def of(cls, frame: Frame, size: int, lifetime: int | None) -> Self:
        """Raises InvalidKeyError or InvalidFrameError if it cannot be stored."""
        columns = {
            "source": check_source(frame.source),
            "captured_at": from_microseconds(to_microseconds(frame.captured_at)),
            "chunk_bytes": CHUNK_BYTES,
            "details": _details(frame),
        }
        return cls(check_key(frame.key), _new_version(), size, lifetime, columns)

    def times(self, now: int) -> tuple[datetime, int]:
        """`stored_at` and `expires_at`, if it is stored now."""
        return from_microseconds(now), NEVER if self.lifetime is None else now + self.lifetime

    def row(self, now: int) -> dict[str, Any]:
        """Its row in `frames`."""
        self.now = now
        stored_at, expires_at = self.times(now)
        times = {"stored_at": stored_at, "expires_at": expires_at}
        return {"key": self.key, "version": self.version, "size": self.size, **times, **self.columns}


# Steps of a transaction.


def _publish(connection: Connection, batch: list[_NewFrame]) -> list[bytes]:
    """Make written versions the ones their keys show. What they replace and is large comes back, to be removed later."""
    now = _now(connection)
    keys = [new.key for new in batch]
    rows = connection.execute(select(frames).where(frames.c.key.in_(keys)).with_for_update()).all()
    replaced = _remove_rows(connection, rows, now)
    connection.execute(insert(frames), [new.row(now) for new in batch])
    return replaced


def _begin(connection: Connection, version: bytes, pieces: list[Chunk]) -> None:
    connection.execute(insert(loose_versions).values(version=version, since=_now(connection)))
    _insert_chunks(connection, version, 0, pieces)


def _continue(connection: Connection, version: bytes, at: int, pieces: list[Chunk]) -> None:
    touched = connection.execute(
        update(loose_versions)
        .where(loose_versions.c.version == version, loose_versions.c.since > DOOMED)
        .values(since=_now(connection))
    )
    _must_be_ours(touched.rowcount)
    _insert_chunks(connection, version, at, pieces)


def _finish(connection: Connection, new: _NewFrame) -> list[bytes]:
    settled = connection.execute(
        delete(loose_versions).where(loose_versions.c.version == new.version, loose_versions.c.since > DOOMED)
    )
    _must_be_ours(settled.rowcount)
    return _publish(connection, [new])


def _must_be_ours(rows: int) -> None:
    if rows != 1:
        raise StoreError("the write paused for so long that it was swept as abandoned: write the object again")


def _insert_chunks(connection: Connection, version: bytes, at: int, pieces: list[Chunk]) -> None:
    if pieces:
        connection.execute(
            insert(chunks),
            [
                {"version": version, "number": number, "digest": piece.digest, "data": piece.data}
                for number, piece in enumerate(pieces, at)
            ],
        )


def _remove_rows(connection: Connection, rows: Sequence[FrameRow], now: int) -> list[bytes]:
    """Remove rows of `frames`, counting those that had expired, and their chunks.

    The versions of large ones come back: they are loose, and their chunks go in transactions of their own.
    """
    if not rows:
        return []
    expired: dict[str, int] = {}
    for row in rows:
        if row.expires_at <= now:
            expired[row.source] = expired.get(row.source, 0) + 1
    for source, count in sorted(expired.items()):
        _count_drops(connection, source, "expired", count)
    small = next(_by_size(sorted(rows, key=lambda row: row.size)))
    if small[0].size > _BATCH_BYTES:
        small = []
    small_versions = {row.version for row in small}
    large = [row.version for row in rows if row.version not in small_versions]
    connection.execute(delete(frames).where(frames.c.key.in_([row.key for row in rows])))
    if small:
        connection.execute(delete(chunks).where(chunks.c.version.in_(small_versions)))
    if large:
        connection.execute(insert(loose_versions), [{"version": version, "since": DOOMED} for version in large])
    return large


def _count_drops(connection: Connection, source: str, reason: str, count: int) -> None:
    row = (drops.c.source == source) & (drops.c.reason == reason)
    if not connection.execute(update(drops).where(row).values(count=drops.c.count + count)).rowcount:
        connection.execute(insert(drops).values(source=source, reason=reason, count=count))


def _sweep_expired(connection: Connection) -> tuple[int, list[bytes]]:
    now = _now(connection)
    query = select(frames).where(frames.c.expires_at <= now).order_by(frames.c.expires_at).limit(_BATCH_FRAMES)
    rows = connection.execute(query.with_for_update()).all()
    return len(rows), _remove_rows(connection, rows, now)


def _doom(connection: Connection, version: bytes) -> None:
    connection.execute(update(loose_versions).where(loose_versions.c.version == version).values(since=DOOMED))


def _doom_abandoned(connection: Connection, older_than: int) -> list[bytes]:
    """Loose versions nobody has added to for so many microseconds; from now on nobody can."""
    query = select(loose_versions.c.version).where(loose_versions.c.since <= _now(connection) - older_than)
    versions = list(connection.scalars(query.limit(_BATCH_FRAMES).with_for_update()))
    connection.execute(update(loose_versions).where(loose_versions.c.version.in_(versions)).values(since=DOOMED))
    return versions


def _remove_chunks(connection: Connection, version: bytes) -> bool:
    """Remove some chunks of a doomed version, and its own row after the last; whether any are left."""
    of_version = chunks.c.version == version
    numbers = select(chunks.c.number).where(of_version).order_by(chunks.c.number).limit(8 * CHUNKS_PER_COMMIT)
    found = connection.scalars(numbers).all()
    if found:
        connection.execute(delete(chunks).where(of_version, chunks.c.number <= found[-1]))
        return True
    connection.execute(delete(loose_versions).where(loose_versions.c.version == version))
    return False


# Steps of a reading.


def _row_of(key: str) -> Select[Any]:
    return select(frames).where(frames.c.key == _storable(key), _VISIBLE)


def _of_source(source: str) -> Select[Any]:
    """Frames of a source that has a time index."""
    return select(frames).where(frames.c.source == source, frames.c.source != NO_SOURCE, _VISIBLE)


def _first(
    connection: Connection, source: str, *conditions: ColumnElement[bool], descending: bool = False
) -> FrameRow | None:
    order = (frames.c.captured_at, frames.c.key)
    query = _of_source(source).where(*conditions).limit(1)
    return connection.execute(query.order_by(*(c.desc() for c in order) if descending else order)).one_or_none()


def _load(connection: Connection, rows: Sequence[FrameRow]) -> list[Frame]:
    """The frames of rows read on the same connection, in their order."""
    data: dict[bytes, Buffer] = {}
    for group in _by_size(rows):
        if group[0].size > _BATCH_BYTES:
            whole = bytearray(group[0].size)
            _read_into(connection, group[0], memoryview(whole))
            data[group[0].version] = whole
        else:
            data.update(_read_small(connection, group))
    return [_frame(row, data[row.version]) for row in rows]


def _read_small(connection: Connection, rows: Sequence[FrameRow]) -> dict[bytes, bytes]:
    """The bytes of frames that together are small, by version."""
    pieces: dict[bytes, dict[int, bytes]] = {row.version: {} for row in rows}
    digests: dict[tuple[bytes, int], int] = {}
    for chunk in connection.execute(select(chunks).where(chunks.c.version.in_(list(pieces)))):
        pieces[chunk.version][chunk.number] = chunk.data
        digests[chunk.version, chunk.number] = chunk.digest
    whole = {}
    for row in rows:
        numbers = range(-(-row.size // row.chunk_bytes))
        parts = []
        for number in numbers:
            part = pieces[row.version].get(number, b"")
            check(row.key, number, part, digests.get((row.version, number), -1), expected_bytes=_expected(row, number))
            parts.append(part)
        whole[row.version] = parts[0] if len(parts) == 1 else b"".join(parts)
    return whole


def _read_into(connection: Connection, row: FrameRow, view: memoryview) -> None:
    number = position = 0
    while position < row.size:
        for data in _read_chunks(connection, row, number, number + CHUNKS_PER_COMMIT):
            view[position : position + len(data)] = data
            position += len(data)
            number += 1


def _read_chunks(connection: Connection, row: FrameRow, start: int, stop: int) -> list[bytes]:
    """Some chunks of a frame, checked."""
    stop = min(stop, -(-row.size // row.chunk_bytes))
    query = select(chunks).where(chunks.c.version == row.version, chunks.c.number >= start, chunks.c.number < stop)
    found = {chunk.number: chunk for chunk in connection.execute(query)}
    for number in range(start, stop):
        data, digest = (found[number].data, found[number].digest) if number in found else (b"", -1)
        check(row.key, number, data, digest, expected_bytes=_expected(row, number))
    return [found[number].data for number in range(start, stop)]


def _expected(row: FrameRow, number: int) -> int:
    return min(int(row.chunk_bytes), int(row.size) - number * int(row.chunk_bytes))


def _now(connection: Connection) -> int:
    return int(connection.scalar(select(DatabaseNow())) or 0)


# Rows and frames.


def _details(frame: Frame) -> dict[str, Any]:
    names = ("encoding", "width", "height", "pts", "keyframe", "corrupt", "shape", "dtype")
    details = {name: getattr(frame, name) for name in names if getattr(frame, name) != getattr(_DEFAULTS, name)}
    if frame.time_base is not None:
        details["time_base"] = [frame.time_base.numerator, frame.time_base.denominator]
    return details


def _frame(row: FrameRow, data: Buffer) -> Frame:
    details = dict(row.details)
    if "time_base" in details:
        details["time_base"] = Fraction(*details["time_base"])
    if "shape" in details:
        details["shape"] = tuple(details["shape"])
    return Frame(row.key, data, source=row.source, captured_at=row.captured_at, **details)


def _stored(row: FrameRow) -> Stored:
    return Stored(_frame(row, b""), row.size, row.version.hex(), row.stored_at, _moment(row.expires_at))


def _moment(expires_at: int) -> datetime | None:
    return None if expires_at == NEVER else from_microseconds(expires_at)


def _new_version() -> bytes:
    """Sixteen bytes that sort by time, so that new chunks lie at the end of the tree."""
    return time.time_ns().to_bytes(8, "big") + secrets.token_bytes(8)


def _storable(key: str) -> str:
    """The key, or one that is never stored where it could not be: a lookup of it finds nothing."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return ""
    return key


def _batches(items: Iterable[_NewFrame]) -> Iterator[list[_NewFrame]]:
    """Frames for one transaction each; a larger one alone."""
    return _by_size(list(items))


def _by_size(items: Sequence[Any]) -> Iterator[list[Any]]:
    """Runs of items whose sizes together fit a transaction; one that does not fit stands alone."""
    batch: list[Any] = []
    size = 0
    for item in items:
        if batch and (size + item.size > _BATCH_BYTES or len(batch) == _BATCH_FRAMES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size
    if batch:
        yield batch
