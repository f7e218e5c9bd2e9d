"""`Tiers`: frames by key over every place they may be."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from typing_extensions import Buffer

from framedb.errors import InvalidInputError
from framedb.frame import Frame, source_of
from framedb.stores.base import FrameStore, Put, SourceStats
from framedb.stores.memory import Fence, MemoryStore
from framedb.tiering.memory import MemoryTier
from framedb.tiering.merging import by_source, distinct, latest_of, merged, nearest_of, sum_of
from framedb.tiering.routes import ROUTE_AGE, Locator

__all__ = ["Locator", "Tiers"]


class Tiers(FrameStore):
    """Memory first, then what is durable.

    A frame in memory hides the durable one of its key while it lives. `durable` is the durable tier as a store: the node's
    own, a client's over HTTP, or None for a program that runs without a node.
    """

    def __init__(
        self,
        locator: Locator,
        durable: FrameStore | None,
        *,
        clusters: Callable[[], list[str]] = lambda: ["local"],
        timeout: float = 5.0,
        wait: float = 15.0,
    ) -> None:
        """`clusters` names those that may hold frames, for what is asked of all sources. Times are in seconds."""
        self._memory = MemoryTier(locator, clusters=clusters, timeout=timeout, wait=wait)
        self._durable = durable

    @property
    def durable(self) -> FrameStore:
        """The durable tier. Raises InvalidInputError where there is none."""
        if self._durable is None:
            raise InvalidInputError("durable frames need a node: set FRAMEDB_URL rather than FRAMES_REDIS_URL")
        return self._durable

    @property
    def in_memory(self) -> MemoryTier:
        """The memory tier, over all clusters a source has frames on."""
        return self._memory

    def memory(self, source: str) -> MemoryStore:
        """The memory store that the source's frames go to now. Raises StoreError for a source that is unassigned."""
        return self._memory.store(source)

    # Writing

    def put_many(
        self,
        frames: Sequence[Frame],
        *,
        ttl: float | None = None,
        durable: bool = False,
        announce: bool = False,
        fence: Fence | None = None,
        replicated: bool = False,
    ) -> list[Put]:
        """As `FrameStore.put_many`, into memory or, if `durable`, into the durable tier.

        `fence` proves the lease of whoever holds the source; the epoch of its route is found here. `replicated` is as in
        `MemoryStore.put_many`. While back-pressure is on for a source, its frames are dropped and counted as
        `backpressure`, or, under the policy *wait*, refused with StoreFullError.
        """
        if not durable:
            return self._memory.put_many(frames, ttl=ttl, announce=announce, fence=fence, replicated=replicated)
        if replicated:
            raise InvalidInputError("a durable frame is on disk, not on replicas: give one of durable and replicated")
        return self.durable.put_many(frames, ttl=ttl)

    def put(
        self,
        frame: Frame,
        *,
        ttl: float | None = None,
        durable: bool = False,
        announce: bool = False,
        fence: Fence | None = None,
        replicated: bool = False,
    ) -> Put:
        """As `put_many`, of one frame."""
        return self.put_many([frame], ttl=ttl, durable=durable, announce=announce, fence=fence, replicated=replicated)[
            0
        ]

    # Reading

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`."""
        frames = self._memory.get_many(keys, source=source)
        missing = [
            at
            for at, frame in enumerate(frames)
            if frame is None and self._may_be_durable(source or source_of(keys[at]))
        ]
        if missing:
            for position, frame in zip(missing, self.durable.get_many([keys[at] for at in missing]), strict=True):
                frames[position] = frame
        return frames

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`."""
        size = self._memory.get_into(key, buffer, source=source)
        if size is None and self._may_be_durable(source or source_of(key)):
            size = self.durable.get_into(key, buffer)
        return size

    def scan(self, prefix: str = "", *, source: str | None = None) -> Iterator[str]:
        """As `FrameStore.scan`, of every tier."""
        stores = [self._memory, *([self._durable] if self._durable else [])]
        return distinct(key for store in stores for key in store.scan(prefix, source=source))

    def latest(self, source: str) -> Frame | None:
        """As `FrameStore.latest`, of both tiers."""
        return latest_of(store.latest(source) for store in self._tiers_of(source))

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`, of both tiers."""
        return nearest_of((store.nearest(source, at, tolerance=tolerance) for store in self._tiers_of(source)), at)

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`, of both tiers, merged."""
        return merged(store.range(source, start, stop) for store in self._tiers_of(source))

    def sources(self) -> list[str]:
        """As `FrameStore.sources`, of every tier."""
        return sorted({*self._memory.sources(), *(self._durable.sources() if self._durable else ())})

    def stats(self, source: str) -> SourceStats:
        """As `FrameStore.stats`: what is held in both tiers, and drops."""
        return sum_of(store.stats(source) for store in self._tiers_of(source))

    # Removing

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`: from every tier."""
        removed = 0
        for of, positions in by_source([source or source_of(key) for key in keys]).items():
            group = [keys[position] for position in positions]
            if self._may_be_durable(of):
                gone = self._memory.deleted(group, source=of)
                gone |= {key for key in group if self.durable.delete(key)}
                removed += len(gone)
            else:
                removed += self._memory.delete_many(group, source=of)
        return removed

    def release(self, key: str, *, source: str | None = None) -> bool:
        """Remove an acknowledged frame from memory; whether there was one. A durable copy stays."""
        return self._memory.release(key, source=source)

    # Announcing, and holding: what a publisher and a worker need, wherever the frame is

    def confirm(self, keys: Sequence[str], *, source: str | None = None) -> None:
        """As `MemoryStore.confirm`."""
        self._memory.confirm(keys, source=source)

    def lease(self, key: str, *, seconds: float, source: str | None = None) -> bool:
        """As `MemoryStore.lease`."""
        return self._memory.lease(key, seconds=seconds, source=source)

    def get_leased(self, key: str, *, seconds: float, source: str | None = None) -> Frame | None:
        """As `get`, and if it is in memory a worker holds it that long: by one round trip if it is where its source goes."""
        frame = self._memory.get_leased(key, seconds=seconds, source=source)
        if frame is None and self._may_be_durable(source or source_of(key)):
            frame = self.durable.get(key)
        return frame

    def drop(self, key: str, *, reason: str, source: str | None = None) -> bool:
        """As `MemoryStore.drop`."""
        return self._memory.drop(key, reason=reason, source=source)

    def count_drops(self, source: str, *, reason: str, number: int = 1) -> None:
        """As `MemoryStore.count_drops`."""
        self._memory.count_drops(source, reason=reason, number=number)

    def close(self) -> None:
        """Close every store."""
        self._memory.close()
        if self._durable is not None:
            self._durable.close()

    def _may_be_durable(self, source: str) -> bool:
        """Whether a key of this source that is not in memory may be in the durable tier."""
        if self._durable is None:
            return False
        # What was durable stays so; what was not may have become it.
        return self._memory.route(source).durable or self._memory.route(source, max_age=ROUTE_AGE).durable

    def _tiers_of(self, source: str) -> list[FrameStore]:
        return [self._memory, *([self.durable] if self._may_be_durable(source) else [])]
