"""`MemoryTier`: frames in memory, over every cluster that may have frames of a source."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from typing_extensions import Buffer

from framedb.errors import (
    NotFoundError,
    NotReplicatedError,
    StaleWriterError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from framedb.frame import Frame, source_of, utc_now
from framedb.resp import ClusterConnection, MasterClient
from framedb.stores.base import FrameStore, Put, SourceStats
from framedb.stores.memory import Fence, MemoryStore
from framedb.tiering.merging import by_source, distinct, latest_of, merged, nearest_of, sum_of
from framedb.tiering.routes import ROUTE_AGE, Locator, Routes

logger = logging.getLogger(__name__)
T = TypeVar("T")
_CLOCKS_DIFFER = timedelta(minutes=1)  # when the frames of a cluster end is by a server's clock, and we look at ours
_MOVE_WAIT = 5.0  # seconds at most from the epoch that a move raises on the old cluster to the route that says so
_PAUSE = 0.05  # seconds between two looks for that route


class MemoryTier(FrameStore):
    """Frames go to the cluster of their source's route. Those it was moved away from keep theirs until they expire.

    So what is not at the first is looked for at the others, and what is asked of a source as a whole is asked of them all.
    """

    def __init__(self, locator: Locator, *, clusters: Callable[[], list[str]], timeout: float, wait: float) -> None:
        self._locator = locator
        self._names = clusters
        self._timeout = timeout
        self._wait = wait
        self._routes = Routes(locator, wait=wait)
        self._lock = threading.Lock()
        self._stores: dict[str, MemoryStore] = {}

    def route(self, source: str, *, max_age: float | None = None) -> ClusterConnection:
        """Where the source goes; asked again if that is known for longer than `max_age` seconds."""
        return self._routes.of(source, max_age=max_age)

    def store(self, source: str) -> MemoryStore:
        """The store that the source's frames go to. Raises StoreError for a source that is unassigned."""
        return self._to_write(source)[1]

    # Writing

    def put_many(
        self,
        frames: Sequence[Frame],
        *,
        ttl: float | None = None,
        announce: bool = False,
        fence: Fence | None = None,
        replicated: bool = False,
    ) -> list[Put]:
        """As `MemoryStore.put_many`; the epoch of the route is added to `fence`.

        A source that was moved meanwhile is followed. Frames of one with back-pressure are not sent: see `Tiers.put_many`.
        """
        results: dict[int, Put] = {}
        for source, positions in by_source([frame.source for frame in frames]).items():
            batch = [frames[position] for position in positions]
            puts = self._put_batch(source, batch, ttl, announce, fence, replicated)
            results.update(zip(positions, puts, strict=True))
        return [results[position] for position in range(len(frames))]

    def _put_batch(
        self,
        source: str,
        frames: list[Frame],
        ttl: float | None,
        announce: bool,
        fence: Fence | None,
        replicated: bool,
    ) -> list[Put]:
        """Frames of one source, to wherever it goes by now."""
        deadline = time.monotonic() + self._wait
        while True:
            route, store = self._to_write(source)
            if route.backpressure:
                return _held_back(store, source, frames)
            own = Fence(epoch=route.epoch, token=fence.token if fence else None)
            try:
                return store.put_many(frames, ttl=ttl, announce=announce, fence=own, replicated=replicated)
            except StaleWriterError:
                if time.monotonic() > deadline or not self._has_moved(source, store, own):
                    raise
            except (NotFoundError, StoreUnavailableError, NotReplicatedError):
                # The cluster was removed, is dead, or has no replicas; the source may have been moved from it.
                if self._routes.of(source, max_age=0.0).cluster == route.cluster:
                    raise

    def _to_write(self, source: str) -> tuple[ClusterConnection, MemoryStore]:
        route = self._routes.of(source)
        if route.backpressure or route.cluster is None:
            route = self._routes.of(source, max_age=ROUTE_AGE)  # nobody tells us when that ends
        if route.cluster is None:
            raise StoreError(
                f"source {source} is assigned to no cluster: its own was removed and its node had no other; create one, "
                f"and assign the source to it"
            )
        return route, self._store(route.cluster)

    def _has_moved(self, source: str, store: MemoryStore, refused: Fence) -> bool:
        """Whether the route is another one by now, so that what was refused may be tried again.

        A move raises the epoch on the old cluster before it writes the route: the answer may be a moment ahead of it.
        """
        in_force = store.policy(source)
        if refused.token is not None and int(in_force.get("token", 0)) > refused.token:
            return False  # another writer holds the source
        epoch = int(in_force.get("epoch", 0))
        deadline = time.monotonic() + min(_MOVE_WAIT, self._wait)
        old = self._routes.of(source)
        while True:
            route = self._routes.of(source, max_age=0.0)
            if route.cluster != old.cluster or (route.epoch or 0) >= epoch:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)

    # Reading

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`."""
        frames: list[Frame | None] = [None] * len(keys)
        for of, missing in by_source([source or source_of(key) for key in keys]).items():
            for cluster in self._places(of):
                found = self._get_page(of, cluster, [keys[position] for position in missing])
                for position, frame in zip(missing, found, strict=True):
                    frames[position] = frame
                missing = [position for position in missing if frames[position] is None]
                if not missing:
                    break
        return frames

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`."""
        of = source or source_of(key)
        return self._first(of, lambda store: store.get_into(key, buffer, source=of))

    def scan(self, prefix: str = "", *, source: str | None = None) -> Iterator[str]:
        """As `FrameStore.scan`."""
        return distinct(
            key
            for cluster in (self._names() if source is None else self._all_of(source))
            for key in self._while_there(cluster, lambda store: store.scan(prefix, source=source))
        )

    def latest(self, source: str) -> Frame | None:
        """As `FrameStore.latest`."""
        found = [self._ask(source, cluster, lambda store: store.latest(source)) for cluster in self._all_of(source)]
        return latest_of(found)

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`."""
        found = [
            self._ask(source, cluster, lambda store: store.nearest(source, at, tolerance=tolerance))
            for cluster in self._all_of(source)
        ]
        return nearest_of(found, at)

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`."""
        return merged(
            self._while_there(cluster, lambda store: store.range(source, start, stop))
            for cluster in self._all_of(source)
        )

    def sources(self) -> list[str]:
        """As `FrameStore.sources`."""
        return sorted(
            {
                source
                for cluster in self._names()
                for source in self._while_there(cluster, lambda store: store.sources())
            }
        )

    def stats(self, source: str) -> SourceStats:
        """As `FrameStore.stats`: the sum over the clusters; drops also of those that the source left long ago."""
        clusters = self._all_of(source)
        parts = [self._ask(source, cluster, lambda store: store.stats(source)) for cluster in clusters]
        try:
            others = [cluster for cluster in self._names() if cluster not in clusters]
        except ConnectionError:  # no node tells which there are
            others = []
        return sum_of([*parts, *(self._left_counts(source, cluster) for cluster in others)])

    def _left_counts(self, source: str, cluster: str) -> SourceStats | None:
        """What a cluster has counted that need not be there any more: asked once, on a connection of its own."""
        master = MasterClient(lambda: self._locator.connection(framedb_id=cluster), timeout=self._timeout, wait=0.0)
        try:
            with MemoryStore(master) as store:
                return SourceStats(drops=store.stats(source).drops)
        except NotFoundError:
            return None
        except StoreUnavailableError as exc:
            logger.warning("drops counted there are left out: %s", exc, extra={"source": source, "cluster": cluster})
            return None

    # Removing

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`: wherever they are."""
        removed = 0
        for of, positions in by_source([source or source_of(key) for key in keys]).items():
            group = [keys[position] for position in positions]
            clusters = self._all_of(of)
            if len(clusters) == 1:
                removed += self._delete(of, clusters[0], group)
            else:
                removed += len(self.deleted(group, source=of))
        return removed

    def deleted(self, keys: Sequence[str], *, source: str) -> set[str]:
        """The keys of the source whose frames there were, and are no more."""
        clusters = self._all_of(source)
        return {key for cluster in clusters for key in keys if self._delete(source, cluster, [key])}

    def release(self, key: str, *, source: str | None = None) -> bool:
        """Remove a frame that was acknowledged, where it is first found; whether there was one."""
        of = source or source_of(key)
        return bool(self._first(of, lambda store: store.delete(key, source=of) or None))

    def drop(self, key: str, *, reason: str, source: str | None = None) -> bool:
        """As `MemoryStore.drop`, where it is first found."""
        of = source or source_of(key)
        return bool(self._first(of, lambda store: store.drop(key, reason=reason, source=of) or None))

    def count_drops(self, source: str, *, reason: str, number: int = 1) -> None:
        """As `MemoryStore.count_drops`."""
        self.store(source).count_drops(source, reason=reason, number=number)

    # Announcing, and holding

    def confirm(self, keys: Sequence[str], *, source: str | None = None) -> None:
        """As `MemoryStore.confirm`."""
        for of, positions in by_source([source or source_of(key) for key in keys]).items():
            # By the route that is known: a frame put by an older one is on a cluster that this one names as left, if at all.
            for cluster in _clusters_of(self._routes.of(of)):
                self._confirm(of, cluster, [keys[position] for position in positions])

    def lease(self, key: str, *, seconds: float, source: str | None = None) -> bool:
        """As `MemoryStore.lease`, where it is first found."""
        of = source or source_of(key)
        return bool(self._first(of, lambda store: store.lease(key, seconds=seconds, source=of) or None))

    def get_leased(self, key: str, *, seconds: float, source: str | None = None) -> Frame | None:
        """As `MemoryStore.get_leased`, where it is first found."""
        of = source or source_of(key)
        return self._first(of, lambda store: store.get_leased(key, seconds=seconds, source=of))

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            stores = list(self._stores.values())
            self._stores.clear()
        self._routes.clear()
        for store in stores:
            store.close()

    # Where

    def _places(self, source: str) -> Iterator[str]:
        """The cluster the source goes to, then, for who asks on, those it left: by a route that is not old."""
        known = self._routes.of(source).cluster
        if known is not None:
            yield known
            if self._has_left(source, known):
                self._routes.of(source, max_age=0.0)
        for cluster in self._all_of(source):
            # What was the source's own and is one it left by now is looked at again: it may have been unreachable.
            if cluster != known or self._routes.of(source).cluster != known:
                yield cluster

    def _has_left(self, source: str, cluster: str) -> bool:
        """Whether the cluster knows of a later route than we do. A move tells it first: what is not there may be elsewhere."""
        known = self._routes.of(source).epoch
        if known is None:
            return False
        told = self._ask(source, cluster, lambda store: store.epoch(source))
        return told is None or told > known

    def _all_of(self, source: str) -> list[str]:
        return _clusters_of(self._routes.of(source, max_age=ROUTE_AGE))

    def _first(self, source: str, look: Callable[[MemoryStore], T | None]) -> T | None:
        """What `look` finds at the first place where it finds anything."""
        for cluster in self._places(source):
            found = self._ask(source, cluster, look)
            if found is not None:
                return found
        return None

    def _get_page(self, source: str, cluster: str, keys: list[str]) -> list[Frame | None]:
        found = self._ask(source, cluster, lambda store: store.get_many(keys, source=source))
        return [None] * len(keys) if found is None else found

    def _ask(self, source: str, cluster: str, look: Callable[[MemoryStore], T]) -> T | None:
        """What `look` finds there; None for a cluster that was removed, or that the source has left since it was asked."""
        asked = self._routes.of(source).cluster
        try:
            return look(self._store(cluster))
        except NotFoundError:
            self._let_go(cluster)
            if asked == cluster:
                self._routes.forget(source)
        except StoreUnavailableError:
            if asked != cluster or self._routes.of(source, max_age=0.0).cluster == cluster:
                raise
        return None

    def _delete(self, source: str, cluster: str, keys: list[str]) -> int:
        return self._ask(source, cluster, lambda store: store.delete_many(keys, source=source)) or 0

    def _confirm(self, source: str, cluster: str, keys: list[str]) -> None:
        self._ask(source, cluster, lambda store: store.confirm(keys, source=source))

    def _while_there(self, cluster: str, look: Callable[[MemoryStore], Iterable[T]]) -> Iterator[T]:
        """What `look` finds there; nothing (more) of a cluster that was removed."""
        try:
            yield from look(self._store(cluster))
        except NotFoundError:
            self._let_go(cluster)

    def _store(self, cluster: str) -> MemoryStore:
        with self._lock:
            store = self._stores.get(cluster)
            if store is None:
                master = MasterClient(
                    lambda: self._locator.connection(framedb_id=cluster), timeout=self._timeout, wait=self._wait
                )
                store = self._stores[cluster] = MemoryStore(master)
            return store

    def _let_go(self, cluster: str) -> None:
        with self._lock:
            store = self._stores.pop(cluster, None)
        if store is not None:
            store.close()


def _clusters_of(route: ClusterConnection) -> list[str]:
    """Those that may have frames of the source, the one it goes to first."""
    now = utc_now() - _CLOCKS_DIFFER
    left = [cluster for cluster, until in route.previous if until is None or until > now]
    return [cluster for cluster in (route.cluster, *left) if cluster is not None]


def _held_back(store: MemoryStore, source: str, frames: list[Frame]) -> list[Put]:
    if store.policy(source).get("policy") == "wait":
        raise StoreFullError(f"back-pressure is on for source {source}: try again later, or have it disabled")
    store.count_drops(source, reason="backpressure", number=len(frames))
    return [Put(frame.key, "backpressure") for frame in frames]
