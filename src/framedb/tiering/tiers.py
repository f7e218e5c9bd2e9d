"""`Tiers`: frames by key over every place they may be."""

import heapq
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from typing_extensions import Buffer

from framedb.errors import InvalidInputError, StaleWriterError
from framedb.frame import Frame, source_of
from framedb.resp import ClusterConnection, MasterClient
from framedb.stores.base import FrameStore, Put, SourceStats
from framedb.stores.memory import Fence, MemoryStore

_ROUTE_AGE = 2.0  # seconds a route is believed after a miss: a source may have become durable since


class Locator(Protocol):
    """Answers where frames are: from SQL in the node, over HTTP in a client."""

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """How to reach the cluster of a source, or of a name. A source nobody knows yet is placed."""


class Tiers(FrameStore):
    """Memory first, then what is durable.

    A frame in memory hides the durable one of its key while it lives. `durable` is the durable tier as a store: the node's
    own, a client's over HTTP, or None for a program that runs without a node.
    """

    def __init__(
        self, locator: Locator, durable: FrameStore | None, *, timeout: float = 5.0, wait: float = 15.0
    ) -> None:
        self._durable = durable
        self._locator = locator
        self._timeout = timeout
        self._wait = wait
        self._lock = threading.Lock()
        self._routes: dict[str, tuple[float, ClusterConnection]] = {}
        self._clusters: dict[str, MemoryStore] = {}

    @property
    def durable(self) -> FrameStore:
        """The durable tier. Raises InvalidInputError where there is none."""
        if self._durable is None:
            raise InvalidInputError("durable frames need a node: set FRAMEDB_URL rather than FRAMES_REDIS_URL")
        return self._durable

    def memory(self, source: str) -> MemoryStore:
        """The memory store that holds the source now."""
        return self._store(self._route(source))

    def put_many(
        self,
        frames: Sequence[Frame],
        *,
        ttl: float | None = None,
        durable: bool = False,
        announce: bool = False,
        fence: Fence | None = None,
    ) -> list[Put]:
        """As `FrameStore.put_many`, into memory or, if `durable`, into the durable tier.

        `fence` proves the lease of whoever holds the source; the epoch of its route is found here.
        """
        if durable:
            return self.durable.put_many(frames, ttl=ttl)
        results: dict[int, Put] = {}
        for source, positions in _by_source([frame.source for frame in frames]).items():
            batch = [frames[position] for position in positions]
            try:
                puts = self._put_batch(source, batch, ttl, announce, fence)
            except StaleWriterError:
                # The source may have moved. If it is still refused, another writer holds it.
                self._forget(source)
                puts = self._put_batch(source, batch, ttl, announce, fence)
            results.update(zip(positions, puts, strict=True))
        return [results[position] for position in range(len(frames))]

    def put(
        self,
        frame: Frame,
        *,
        ttl: float | None = None,
        durable: bool = False,
        announce: bool = False,
        fence: Fence | None = None,
    ) -> Put:
        """As `put_many`, of one frame."""
        return self.put_many([frame], ttl=ttl, durable=durable, announce=announce, fence=fence)[0]

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`."""
        frames: list[Frame | None] = [None] * len(keys)
        sources = [source or source_of(key) for key in keys]
        for of, positions in _by_source(sources).items():
            found = self.memory(of).get_many([keys[position] for position in positions], source=of)
            for position, frame in zip(positions, found, strict=True):
                frames[position] = frame
        missing = [at for at, frame in enumerate(frames) if frame is None and self._may_be_durable(sources[at])]
        if missing:
            for position, frame in zip(missing, self.durable.get_many([keys[at] for at in missing]), strict=True):
                frames[position] = frame
        return frames

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`."""
        of = source or source_of(key)
        size = self.memory(of).get_into(key, buffer, source=of)
        if size is None and self._may_be_durable(of):
            size = self.durable.get_into(key, buffer)
        return size

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`: from every tier."""
        sources = [source or source_of(key) for key in keys]
        removed: set[str] = set()
        for key, of in zip(keys, sources, strict=True):
            if self.memory(of).delete(key, source=of):
                removed.add(key)
            if self._may_be_durable(of) and self.durable.delete(key):
                removed.add(key)
        return len(removed)

    def scan(self, prefix: str = "", *, source: str | None = None) -> Iterator[str]:
        """As `FrameStore.scan`, of the cluster `local` and of the durable tier."""
        seen = set()
        memory = self.memory(source) if source else self._store(self._locator.connection(framedb_id="local"))
        for store in (memory, self._durable):
            if store is None:
                continue
            for key in store.scan(prefix, source=source):
                if key not in seen:
                    seen.add(key)
                    yield key

    def latest(self, source: str) -> Frame | None:
        """As `FrameStore.latest`, of both tiers."""
        found = [frame for store in self._tiers_of(source) if (frame := store.latest(source)) is not None]
        return max(found, key=lambda frame: frame.captured_at, default=None)

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`, of both tiers."""
        found = [
            frame
            for store in self._tiers_of(source)
            if (frame := store.nearest(source, at, tolerance=tolerance)) is not None
        ]
        return min(found, key=lambda frame: (abs(frame.captured_at - at), frame.captured_at), default=None)

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`, of both tiers, merged."""
        return _merged([store.range(source, start, stop) for store in self._tiers_of(source)])

    def sources(self) -> list[str]:
        """As `FrameStore.sources`, of the cluster `local` and of the durable tier."""
        memory = self._store(self._locator.connection(framedb_id="local"))
        return sorted({*memory.sources(), *(self._durable.sources() if self._durable else ())})

    def stats(self, source: str) -> SourceStats:
        """As `FrameStore.stats`: what is held in both tiers, and drops."""
        parts = [store.stats(source) for store in self._tiers_of(source)]
        drops: dict[str, int] = {}
        for part in parts:
            for reason, number in part.drops.items():
                drops[reason] = drops.get(reason, 0) + number
        return SourceStats(sum(part.count for part in parts), sum(part.bytes for part in parts), drops)

    # Announcing: what a publisher needs, wherever the source lives

    def confirm(self, keys: Sequence[str], *, source: str | None = None) -> None:
        """As `MemoryStore.confirm`."""
        for of, positions in _by_source([source or source_of(key) for key in keys]).items():
            self.memory(of).confirm([keys[position] for position in positions], source=of)

    def drop(self, key: str, *, reason: str, source: str | None = None) -> bool:
        """As `MemoryStore.drop`."""
        of = source or source_of(key)
        return self.memory(of).drop(key, reason=reason, source=of)

    def count_drops(self, source: str, *, reason: str, number: int = 1) -> None:
        """As `MemoryStore.count_drops`."""
        self.memory(source).count_drops(source, reason=reason, number=number)

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            stores = list(self._clusters.values())
            self._clusters.clear()
            self._routes.clear()
        for store in stores:
            store.close()
        if self._durable is not None:
            self._durable.close()

    def _put_batch(
        self, source: str, frames: list[Frame], ttl: float | None, announce: bool, fence: Fence | None
    ) -> list[Put]:
        route = self._route(source)
        fence = Fence(epoch=route.epoch, token=fence.token if fence else None)
        return self._store(route).put_many(frames, ttl=ttl, announce=announce, fence=fence)

    def _route(self, source: str) -> ClusterConnection:
        known = self._routes.get(source)
        if known is None:
            known = (time.monotonic(), self._locator.connection(source=source))
            self._routes[source] = known
        return known[1]

    def _forget(self, source: str) -> None:
        self._routes.pop(source, None)

    def _may_be_durable(self, source: str) -> bool:
        """Whether a key of this source that is not in memory may be in the durable tier."""
        if self._durable is None:
            return False
        known = self._routes.get(source)
        if known is not None and not known[1].durable and time.monotonic() - known[0] > _ROUTE_AGE:
            self._forget(source)
        return self._route(source).durable

    def _tiers_of(self, source: str) -> list[FrameStore]:
        return [self.memory(source), *([self.durable] if self._may_be_durable(source) else [])]

    def _store(self, route: ClusterConnection) -> MemoryStore:
        with self._lock:
            store = self._clusters.get(route.cluster)
            if store is None:
                master = MasterClient(
                    lambda: self._locator.connection(framedb_id=route.cluster), timeout=self._timeout, wait=self._wait
                )
                store = self._clusters[route.cluster] = MemoryStore(master)
            return store


def _by_source(sources: Sequence[str]) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {}
    for position, source in enumerate(sources):
        positions.setdefault(source, []).append(position)
    return positions


def _merged(streams: list[Iterator[Frame]]) -> Iterator[Frame]:
    """Frames in order of capture; of a key that is in both tiers the one in memory, whose stream is the first."""
    seen: set[str] = set()
    for frame in heapq.merge(*streams, key=lambda frame: frame.captured_at):
        if frame.key not in seen:
            seen.add(frame.key)
            yield frame
