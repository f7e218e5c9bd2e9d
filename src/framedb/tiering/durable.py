"""The durable tier: a persistent store whose keys are registered, so that every reader finds them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta

from typing_extensions import Buffer

from framedb.frame import NO_SOURCE, Frame
from framedb.routing import Copy, ObjectRoute, SQLLocator
from framedb.stores.base import FrameStore, Put, SourceStats
from framedb.stores.chunks import batched
from framedb.stores.frame_rows import Swept
from framedb.stores.sql import SQLStore
from framedb.stores.sql_reading import FrameStream
from framedb.stores.sql_rows import BATCH_FRAMES
from framedb.stores.stored import Stored
from framedb.tiering.object_lookup import is_legal
from framedb.tiering.object_pieces import checked


class DurableTier(FrameStore):
    """A `SQLStore`, with a route row for each key.

    Whoever writes a key here takes away what else there is of it, once the database has acknowledged the write.
    """

    def __init__(
        self,
        store: SQLStore,
        routing: SQLLocator,
        *,
        framedb_id: str = "local",
        superseded: Callable[[str, list[str]], None],
        mark_durable: Callable[[str], object],
        remove_copies: Callable[[str, Sequence[Copy]], int],
    ) -> None:
        """`superseded` removes the frames of a source from its clusters, `remove_copies` a key's bytes from instances.

        `mark_durable` is told of a source before the first frame of it is written.
        """
        self._store = store
        self._routing = routing
        self._superseded = superseded
        self._mark_durable = mark_durable
        self._remove_copies = remove_copies
        self._here = Copy(framedb_id, "storage")
        self._marked: set[str] = {NO_SOURCE}

    def put_many(self, frames: Sequence[Frame], *, ttl: float | None = None) -> list[Put]:
        """As `FrameStore.put_many`."""
        self._mark({frame.source for frame in frames})
        results: list[Put] = []
        for batch in batched(frames, BATCH_FRAMES):
            with self._routing.exclusively([frame.key for frame in batch]):
                results += self._store.put_many(batch, ttl=ttl)
                self._register({frame.key: frame.nbytes for frame in batch}, batch)
        return results

    def write_stream(self, frame: Frame, pieces: Iterable[Buffer], *, ttl: float | None = None) -> Stored:
        """As `SQLStore.write_stream`."""
        self._mark({frame.source})
        with ExitStack() as alone:

            def hold() -> None:
                alone.enter_context(self._routing.exclusively([frame.key]))

            whole = checked(frame.key, pieces, size=None, sha256=None, then=hold)
            stored = self._store.write_stream(frame, whole, ttl=ttl)
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
        """As `FrameStore.delete_many`: wherever their rows say they are. These go first, so that none points at nothing."""
        return sum(self._delete(page) for page in batched(filter(is_legal, dict.fromkeys(keys)), BATCH_FRAMES))

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

    def _delete(self, keys: list[str]) -> int:
        with self._routing.exclusively(keys):
            routes = self._routing.remove_objects(keys)
            elsewhere = {route.key: others for route in routes if (others := self._others(route))}
            removed = self._store.delete_many([key for key in keys if key not in elsewhere])
            for key, copies in elsewhere.items():
                here = self._store.delete(key)
                removed += bool(self._remove_copies(key, copies)) or here
            return removed

    def _register(self, sizes: dict[str, int], frames: Sequence[Frame]) -> None:
        replaced = self._routing.exchange_stored(sizes, self._here.framedb_id)
        by_source: dict[str, list[str]] = {}
        for frame in frames:
            by_source.setdefault(frame.source, []).append(frame.key)
        for source, keys in by_source.items():
            self._superseded(source, keys)
        for route in replaced:
            self._remove_copies(route.key, self._others(route))

    def _others(self, route: ObjectRoute) -> list[Copy]:
        return [copy for copy in route.copies if copy != self._here]
