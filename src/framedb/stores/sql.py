"""`SQLStore`: frames that stay, in SQLite or on a server of the MySQL protocol.

Bytes are chunks under a version (see `sql_tables`). What is written appears with the row of its key, which comes with the
last chunk; what it replaces goes in the same transaction, or, if it is large, in the next ones. Readers see one moment of
the database, so that a frame replaced under their hands stays whole.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from math import isinf
from typing import Self

from sqlalchemy import ColumnElement, Connection, Engine, func, select, update
from typing_extensions import Buffer

from framedb.errors import BufferTooSmallError, InvalidInputError, StoreError
from framedb.frame import Frame, to_microseconds
from framedb.registry.engine import open_engine, reading, translated, write
from framedb.registry.types import DatabaseNow
from framedb.stores.base import KEEP, FrameStore, Put, SourceStats, check_ttl
from framedb.stores.chunks import CHUNKS_PER_COMMIT, Chunk, batched, cut, regroup
from framedb.stores.sql_reading import VISIBLE, FrameStream, first_of, load, of_source, read_into, row_of
from framedb.stores.sql_rows import (
    BATCH_BYTES,
    BATCH_FRAMES,
    NewFrame,
    by_size,
    moment_or_none,
    storable,
    stored_of,
)
from framedb.stores.sql_tables import NEVER, drops, frames, prepare
from framedb.stores.sql_writing import (
    begin_large,
    continue_large,
    database_now,
    doom,
    doom_abandoned,
    finish_large,
    insert_chunks,
    publish,
    remove_chunks,
    remove_expired,
    remove_rows,
)
from framedb.stores.stored import Stored

logger = logging.getLogger(__name__)

_PAGE_SIZE = 65536  # bytes of a SQLite page: a mebibyte is then 16 pages to write instead of 256
_PAGE_KEYS = 1000  # of a scan


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
        self.default_ttl = default_ttl
        """Seconds that a frame is kept which is put without a time to live."""
        prepare(engine)

    @classmethod
    def open(cls, url: str, *, default_ttl: float = KEEP) -> Self:
        """A store on the database of a URL, as `registry.open_engine` takes it; `close` lets go of it."""
        return cls(open_engine(url, page_size=_PAGE_SIZE), default_ttl=default_ttl)

    # Writing

    def put_many(self, frames: Sequence[Frame], *, ttl: float | None = None) -> list[Put]:
        """As `FrameStore.put_many`. After an error, put all of them again."""
        lifetime = self._lifetime(ttl)
        new = [NewFrame.of(frame, frame.nbytes, lifetime) for frame in frames]
        views = {frame.key: frame.view() for frame in frames}
        last_of_key = {item.key: item for item in new}
        # In order of keys: writers that lock the same ones in the same order never wait for each other in a circle.
        for batch in by_size(sorted(last_of_key.values(), key=lambda item: item.key)):
            if batch[0].size > BATCH_BYTES:
                self._write_large(batch[0], cut(views[batch[0].key]))
            else:
                self._write_small(batch, {item.version: list(cut(views[item.key])) for item in batch})
        return [Put(frame.key) for frame in frames]

    def write_stream(self, frame: Frame, pieces: Iterable[Buffer], *, ttl: float | None = None) -> Stored:
        """Store an object that comes in pieces of any size, under `frame`'s key and with what it says; its data are unused.

        Eight chunks at a time are in memory. The object appears when the last piece is in; if `pieces` raises, nothing of
        it is left, and an earlier object of the key stands. Errors as `put`; StoreError if a sweep took it for abandoned.
        """
        new = NewFrame.of(frame, 0, self._lifetime(ttl))
        self._write_large(new, regroup(pieces))
        stored_at, expires_at = new.times(new.now)
        return Stored(frame, new.size, new.version.hex(), stored_at, moment_or_none(expires_at))

    def _write_small(self, batch: list["NewFrame"], data: dict[bytes, list[Chunk]]) -> None:
        """Frames that fit into one transaction."""

        def store(connection: Connection) -> list[bytes]:
            for version, pieces in data.items():
                insert_chunks(connection, version, 0, pieces)
            return publish(connection, batch)

        self._remove_versions(write(self._engine, store))

    def _write_large(self, new: "NewFrame", pieces: Iterator[Chunk]) -> None:
        """One frame, in as many transactions as it takes."""
        groups = batched(pieces, CHUNKS_PER_COMMIT)
        first, second = next(groups, []), next(groups, None)
        new.size = sum(len(chunk.data) for chunk in first)
        if second is None:
            self._write_small([new], {new.version: first})
            return
        written = len(first)
        try:
            write(self._engine, lambda connection: begin_large(connection, new.version, first))
            group: list[Chunk] | None = second
            while group is not None:
                self._add(new.version, written, group)
                written += len(group)
                new.size += sum(len(chunk.data) for chunk in group)
                group = next(groups, None)
            replaced = write(self._engine, lambda connection: finish_large(connection, new))
        except BaseException:
            self._abandon(new.version)
            raise
        self._remove_versions(replaced)

    def _add(self, version: bytes, at: int, pieces: list[Chunk]) -> None:
        write(self._engine, lambda connection: continue_large(connection, version, at, pieces))

    def _abandon(self, version: bytes) -> None:
        """Take back what was written so far. If that fails too, `sweep` will."""
        try:
            write(self._engine, lambda connection: doom(connection, version))
            self._remove_versions([version])
        except StoreError as exc:
            logger.warning("an unfinished write stays until it is swept", extra={"error": str(exc)})

    # Reading

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`; frames read in one call may be of several moments, each is whole."""
        found: dict[str, Frame] = {}
        for page in batched(dict.fromkeys(map(storable, keys)), BATCH_FRAMES):
            with reading(self._engine) as connection:
                rows = connection.execute(select(frames).where(frames.c.key.in_(page), VISIBLE)).all()
                found.update((frame.key, frame) for frame in load(connection, rows))
        return [found.get(key) for key in keys]

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`; a chunk at a time is in memory. After CorruptDataError the buffer holds a part."""
        view = memoryview(buffer).cast("B")
        with reading(self._engine) as connection:
            row = connection.execute(row_of(key)).one_or_none()
            if row is None:
                return None
            if row.size > view.nbytes:
                raise BufferTooSmallError(
                    f"{key} has {row.size} bytes and the buffer {view.nbytes}: give one of at least {row.size}"
                )
            read_into(connection, row, view)
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
                row = connection.execute(row_of(key)).one_or_none()
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
            row = connection.execute(row_of(key)).one_or_none()
        return None if row is None else stored_of(row)

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are there."""
        found: set[str] = set()
        for page in batched(dict.fromkeys(map(storable, keys)), _PAGE_KEYS):
            with reading(self._engine) as connection:
                found.update(connection.scalars(select(frames.c.key).where(frames.c.key.in_(page), VISIBLE)))
        return found

    def scan(self, prefix: str = "", *, source: str | None = None, after: str = "") -> Iterator[str]:
        """As `FrameStore.scan`, in the order of the keys' bytes, from behind the key `after`; a page at a time is in memory."""
        query = select(frames.c.key).where(VISIBLE).order_by(frames.c.key).limit(_PAGE_KEYS)
        if source is not None:
            query = query.where(frames.c.source == source)
        if prefix:
            start = storable(prefix).encode() or b"\xff"  # which begins no key
            query = query.where(frames.c.key >= start, frames.c.key < start + b"\xff")  # no byte of UTF-8 is 0xff
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
            row = first_of(connection, source, descending=True)
            return None if row is None else load(connection, [row])[0]

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`."""
        wanted = to_microseconds(at)
        with reading(self._engine) as connection:
            before = first_of(connection, source, frames.c.captured_at <= at, descending=True)
            after = first_of(connection, source, frames.c.captured_at > at)
            rows = [row for row in (before, after) if row is not None]
            if not rows:
                return None
            row = min(rows, key=lambda row: abs(to_microseconds(row.captured_at) - wanted))  # the earlier comes first
            if tolerance is not None and abs(row.captured_at - at) > tolerance:
                return None
            return load(connection, [row])[0]

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`; 8 MiB of frames at a time are in memory, or one that is larger."""
        query = of_source(source).where(frames.c.captured_at < stop)
        query = query.order_by(frames.c.captured_at, frames.c.key).limit(BATCH_FRAMES)
        beyond: ColumnElement[bool] = frames.c.captured_at >= start
        while True:
            with reading(self._engine) as connection:
                rows = connection.execute(query.where(beyond)).all()
                if not rows:
                    return
                page = next(by_size(rows))
                loaded = load(connection, page)
            yield from loaded
            last = page[-1]
            beyond = (frames.c.captured_at > last.captured_at) | (
                (frames.c.captured_at == last.captured_at) & (frames.c.key > last.key)
            )

    def captured(self, source: str, start: datetime, stop: datetime, *, limit: int) -> list[tuple[str, datetime]]:
        """Keys and capture times of the first `limit` frames captured in `start <= t < stop`, in order."""
        query = of_source(source).with_only_columns(frames.c.key, frames.c.captured_at)
        query = query.where(frames.c.captured_at >= start, frames.c.captured_at < stop)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(frames.c.captured_at, frames.c.key).limit(limit)).all()
        return [(row.key, row.captured_at) for row in rows]

    # Removing

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`."""
        count = 0
        for page in batched(sorted(set(map(storable, keys))), BATCH_FRAMES):

            def remove(connection: Connection, page: list[str] = page) -> tuple[int, list[bytes]]:
                now = database_now(connection)
                rows = connection.execute(select(frames).where(frames.c.key.in_(page)).with_for_update()).all()
                return sum(row.expires_at > now for row in rows), remove_rows(connection, rows, now)

            visible, replaced = write(self._engine, remove)
            count += visible
            self._remove_versions(replaced)
        return count

    def expire(self, key: str, ttl: float) -> bool:
        """Keep the frame that many seconds from now (`KEEP`: for ever); whether there was one."""
        lifetime = self._lifetime(ttl)

        def renew(connection: Connection) -> int:
            expires_at = NEVER if lifetime is None else DatabaseNow() + lifetime
            change = update(frames).where(frames.c.key == storable(key), VISIBLE).values(expires_at=expires_at)
            return int(connection.execute(change).rowcount)

        return write(self._engine, renew) == 1

    def sweep(self, older_than: float = 3600.0) -> Swept:
        """Remove what is there but cannot be seen: expired frames, and writes without a new chunk for so many seconds.

        Safe beside readers, writers and other sweeps, in transactions of bounded size.
        """
        expired = 0
        while True:
            count, replaced = write(self._engine, remove_expired)
            self._remove_versions(replaced)
            expired += count
            if count < BATCH_FRAMES:
                break
        cutoff = round(older_than * 1_000_000)
        unfinished = 0
        while True:
            doomed = write(self._engine, lambda connection: doom_abandoned(connection, cutoff))
            self._remove_versions(doomed)
            unfinished += len(doomed)
            if not doomed:
                return Swept(expired, unfinished)

    def _remove_versions(self, versions: list[bytes]) -> None:
        """Remove the chunks of doomed versions, a bounded number at a time."""
        try:
            for version in versions:
                while write(self._engine, partial(remove_chunks, version=version)):
                    pass
        except StoreError as exc:
            # What was asked for is done; the rest can wait for `sweep`.
            logger.warning("a replaced frame stays until it is swept", extra={"error": str(exc)})

    # Statistics

    def sources(self) -> list[str]:
        """As `FrameStore.sources`: one step in the index for each."""
        found: list[str] = []
        query = select(frames.c.source).where(VISIBLE).order_by(frames.c.source).limit(1)
        with reading(self._engine) as connection:
            while True:
                source = connection.scalar(query.where(frames.c.source > found[-1]) if found else query)
                if source is None:
                    return found
                found.append(source)

    def stats(self, source: str) -> SourceStats:
        """As `FrameStore.stats`; expired frames count as dropped, swept or not."""
        of_source = frames.c.source == source
        totals = select(func.count(), func.coalesce(func.sum(frames.c.size), 0)).where(of_source, VISIBLE)
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
        seconds = check_ttl(self.default_ttl if ttl is None else ttl)
        return None if isinf(seconds) else round(seconds * 1_000_000)
