"""`FrameRows`: what stores have in common whose frames are rows of a SQL database, wherever their bytes lie."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isinf
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, func, select, update
from typing_extensions import Buffer

from framedb.errors import BufferTooSmallError
from framedb.frame import Frame, to_microseconds
from framedb.registry.engine import reading, write
from framedb.registry.types import DatabaseNow
from framedb.stores.base import FrameStore, Put, SourceStats, check_ttl
from framedb.stores.chunks import batched
from framedb.stores.sql_reading import VISIBLE, first_of, of_source, row_of
from framedb.stores.sql_rows import BATCH_FRAMES, FrameRow, NewFrame, by_size, storable, stored_of
from framedb.stores.sql_tables import NEVER, BytesPlace, drops, frames, prepare
from framedb.stores.sql_writing import Clear, database_now, remove_expired
from framedb.stores.stored import Stored

T = TypeVar("T")

_PAGE_KEYS = 1000  # of a scan


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed."""

    expired: int
    """Frames whose time was over."""
    unfinished: int
    """Writes that were begun and never ended, and bytes of frames that were replaced or deleted."""


class FrameRows(FrameStore):
    """Frames by key, by source and by time; whoever inherits says where their bytes are.

    Beyond `FrameStore`: `stat`, `present`, `captured`, `expire`; and `sweep`, which somebody must call now and then. Times to
    live are measured by the database's clock.
    """

    def __init__(self, engine: Engine, place: BytesPlace, *, default_ttl: float) -> None:
        self._engine = engine
        self.default_ttl = default_ttl
        """Seconds that a frame is kept which is put without a time to live."""
        prepare(engine, place)

    # Bytes

    @abstractmethod
    def _write(self, batch: list[NewFrame], views: Mapping[str, memoryview]) -> None:
        """Store frames that together are small, or one that is large; `views` are their bytes, by key."""

    @abstractmethod
    def _load(self, connection: Connection, rows: Sequence[FrameRow]) -> list[Frame]:
        """The frames of rows read on the same connection, in their order."""

    @abstractmethod
    def _read_into(self, connection: Connection, row: FrameRow, view: memoryview) -> None:
        """All of a frame's bytes, into the beginning of the view."""

    @abstractmethod
    def _take_out(self, connection: Connection, rows: Sequence[FrameRow], now: int) -> Clear:
        """Remove rows, counting those that had expired. What is called when that is committed removes their bytes."""

    @abstractmethod
    def sweep(self, older_than: float = 3600.0) -> Swept:
        """Remove what is there but cannot be seen: expired frames, and what was begun so many seconds ago and never ended.

        Safe beside readers, writers and other sweeps, in transactions of bounded size.
        """

    # Writing

    def put_many(self, frames: Sequence[Frame], *, ttl: float | None = None) -> list[Put]:
        """As `FrameStore.put_many`. After an error, put all of them again."""
        lifetime = self._lifetime(ttl)
        new = [NewFrame.of(frame, frame.nbytes, lifetime) for frame in frames]
        views = {frame.key: frame.view() for frame in frames}
        last_of_key = {item.key: item for item in new}
        # In order of keys: writers that lock the same ones in the same order never wait for each other in a circle.
        for batch in by_size(sorted(last_of_key.values(), key=lambda item: item.key)):
            self._write(batch, views)
        return [Put(frame.key) for frame in frames]

    # Reading

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`; frames read in one call may be of several moments, each is whole."""
        found: dict[str, Frame] = {}
        for page in batched(dict.fromkeys(map(storable, keys)), BATCH_FRAMES):

            def look(connection: Connection, page: list[str] = page) -> list[Frame]:
                rows = connection.execute(select(frames).where(frames.c.key.in_(page), VISIBLE)).all()
                return self._load(connection, rows)

            found.update((frame.key, frame) for frame in self._look(look))
        return [found.get(key) for key in keys]

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`. After CorruptDataError the buffer holds a part, or what is damaged."""
        view = memoryview(buffer).cast("B")

        def look(connection: Connection) -> int | None:
            row = connection.execute(row_of(key)).one_or_none()
            if row is None:
                return None
            if row.size > view.nbytes:
                raise BufferTooSmallError(
                    f"{key} has {row.size} bytes and the buffer {view.nbytes}: give one of at least {row.size}"
                )
            self._read_into(connection, row, view)
            return int(row.size)

        return self._look(look)

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

    def _look(self, operation: Callable[[Connection], T]) -> T:
        """The result of an operation that sees one moment of the database, and the bytes of its frames."""
        with reading(self._engine) as connection:
            return operation(connection)

    # Time

    def latest(self, source: str) -> Frame | None:
        """As `FrameStore.latest`."""

        def look(connection: Connection) -> Frame | None:
            row = first_of(connection, source, descending=True)
            return None if row is None else self._load(connection, [row])[0]

        return self._look(look)

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`."""
        wanted = to_microseconds(at)

        def look(connection: Connection) -> Frame | None:
            before = first_of(connection, source, frames.c.captured_at <= at, descending=True)
            after = first_of(connection, source, frames.c.captured_at > at)
            rows = [row for row in (before, after) if row is not None]
            if not rows:
                return None
            row = min(rows, key=lambda row: abs(to_microseconds(row.captured_at) - wanted))  # the earlier comes first
            if tolerance is not None and abs(row.captured_at - at) > tolerance:
                return None
            return self._load(connection, [row])[0]

        return self._look(look)

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`; 8 MiB of frames at a time are in memory, or one that is larger."""
        query = of_source(source).where(frames.c.captured_at < stop)
        query = query.order_by(frames.c.captured_at, frames.c.key).limit(BATCH_FRAMES)
        beyond: ColumnElement[bool] = frames.c.captured_at >= start
        while True:

            def look(connection: Connection, beyond: ColumnElement[bool] = beyond) -> list[Frame]:
                rows = connection.execute(query.where(beyond)).all()
                return self._load(connection, next(by_size(rows), []))

            loaded = self._look(look)
            if not loaded:
                return
            yield from loaded
            last = loaded[-1]
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

            def remove(connection: Connection, page: list[str] = page) -> tuple[int, Clear]:
                now = database_now(connection)
                rows = connection.execute(select(frames).where(frames.c.key.in_(page)).with_for_update()).all()
                return sum(row.expires_at > now for row in rows), self._take_out(connection, rows, now)

            visible, clear = write(self._engine, remove)
            count += visible
            clear()
        return count

    def expire(self, key: str, ttl: float) -> bool:
        """Keep the frame that many seconds from now (`KEEP`: for ever); whether there was one."""
        lifetime = self._lifetime(ttl)

        def renew(connection: Connection) -> int:
            expires_at = NEVER if lifetime is None else DatabaseNow() + lifetime
            change = update(frames).where(frames.c.key == storable(key), VISIBLE).values(expires_at=expires_at)
            return int(connection.execute(change).rowcount)

        return write(self._engine, renew) == 1

    def _sweep_expired(self) -> int:
        """Remove expired frames, a bounded number at a time; how many there were."""
        expired = 0
        while True:
            count, clear = write(self._engine, lambda connection: remove_expired(connection, self._take_out))
            clear()
            expired += count
            if count < BATCH_FRAMES:
                return expired

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
