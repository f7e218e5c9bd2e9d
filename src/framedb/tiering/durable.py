"""The durable tier: a persistent store whose keys are registered, so that every reader finds them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from typing_extensions import Buffer

from framedb.frame import NO_SOURCE, Frame
from framedb.routing import SQLLocator
from framedb.stores.base import FrameStore, Put, SourceStats
from framedb.stores.sql import SQLStore, Swept
from framedb.stores.sql_reading import FrameStream
from framedb.stores.stored import Stored


class DurableTier(FrameStore):
    """A `SQLStore`, with a route row for each key.

    Whoever writes a key here takes its copy in memory away: `superseded(source, keys)` is called for that, after the write
    was acknowledged by the database.
    """

    def __init__(
        self,
        store: SQLStore,
        routing: SQLLocator,
        *,
        framedb_id: str = "local",
        superseded: Callable[[str, list[str]], None],
        mark_durable: Callable[[str], object],
    ) -> None:
        """`mark_durable` is told of a source before the first frame of it is written."""
        self._store = store
        self._routing = routing
        self._framedb_id = framedb_id
        self._superseded = superseded
        self._mark_durable = mark_durable
        self._marked: set[str] = {NO_SOURCE}

    def put_many(self, frames: Sequence[Frame], *, ttl: float | None = None) -> list[Put]:
        """As `FrameStore.put_many`."""
        self._mark({frame.source for frame in frames})
        results = self._store.put_many(frames, ttl=ttl)
        self._register({frame.key: frame.nbytes for frame in frames}, frames)
        return results

    def write_stream(self, frame: Frame, pieces: Iterable[Buffer], *, ttl: float | None = None) -> Stored:
        """As `SQLStore.write_stream`."""
        self._mark({frame.source})
        stored = self._store.write_stream(frame, pieces, ttl=ttl)
        self._register({frame.key: stored.size}, [frame])
        return stored

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`."""
        return self._store.get_many(keys, source=source)

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`."""
        return self._store.get_into(key, buffer, source=source)

    def read_stream(self, key: str, *, offset: int = 0, length: int | None = None) -> FrameStream | None:
        """As `SQLStore.read_stream`."""
        return self._store.read_stream(key, offset=offset, length=length)

    def stat(self, key: str) -> Stored | None:
        """As `SQLStore.stat`."""
        return self._store.stat(key)

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`; their rows go first, so that none points at nothing."""
        for key in keys:
            self._routing.remove_object(key)
        return self._store.delete_many(keys, source=source)

    def scan(self, prefix: str = "", *, source: str | None = None, after: str = "") -> Iterator[str]:
        """As `SQLStore.scan`."""
        return self._store.scan(prefix, source=source, after=after)

    def latest(self, source: str) -> Frame | None:
        """As `FrameStore.latest`."""
        return self._store.latest(source)

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`."""
        return self._store.nearest(source, at, tolerance=tolerance)

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`."""
        return self._store.range(source, start, stop)

    def captured(self, source: str, start: datetime, stop: datetime, *, limit: int) -> list[tuple[str, datetime]]:
        """As `SQLStore.captured`."""
        return self._store.captured(source, start, stop, limit=limit)

    def sources(self) -> list[str]:
        """As `FrameStore.sources`."""
        return self._store.sources()

    def stats(self, source: str) -> SourceStats:
        """As `FrameStore.stats`."""
        return self._store.stats(source)

    def sweep(self, older_than: float = 3600.0) -> Swept:
        """As `SQLStore.sweep`."""
        return self._store.sweep(older_than)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _mark(self, sources: set[str]) -> None:
        for source in sources - self._marked:
            self._mark_durable(source)
            self._marked.add(source)

    def _register(self, sizes: dict[str, int], frames: Sequence[Frame]) -> None:
        self._routing.register_stored(sizes, self._framedb_id)
        by_source: dict[str, list[str]] = {}
        for frame in frames:
            by_source.setdefault(frame.source, []).append(frame.key)
        for source, keys in by_source.items():
            self._superseded(source, keys)
