"""`SharedFrames`: frames that several consumers share, over every cluster that may have frames of their source."""

import time
from collections.abc import Callable, Mapping, Sequence
from weakref import WeakKeyDictionary

from typing_extensions import Buffer

from framedb.errors import NotFoundError, StaleWriterError, StoreFullError, StoreUnavailableError
from framedb.frame import check_source
from framedb.stores.base import Put
from framedb.stores.memory import Fence, MemoryStore
from framedb.stores.references import COUNT, MISSING, References, Release
from framedb.tiering.memory import MemoryTier
from framedb.tiering.routes import Locator


class SharedFrames(MemoryTier):
    """The memory tier; and frames are written with the number of their consumers, and released by each of these."""

    def __init__(
        self,
        locator: Locator,
        *,
        clusters: Callable[[], list[str]],
        timeout: float,
        wait: float,
        default_ttl: float,
    ) -> None:
        """`default_ttl` is in seconds, for frames of sources whose policy has none."""
        super().__init__(locator, clusters=clusters, timeout=timeout, wait=wait)
        self._default_ttl = default_ttl
        self._references: WeakKeyDictionary[MemoryStore, References] = WeakKeyDictionary()

    def push(self, source: str, values: Mapping[str, "Buffer | str | float"]) -> list[Put]:
        """Write frames and counts of the source (see `References.put`) to wherever it goes by now; results of the frames.

        While back-pressure is on they are dropped and counted, or refused with StoreFullError, by the source's policy.
        """
        check_source(source)
        deadline = time.monotonic() + self._wait
        while True:
            route, store = self._to_write(source)
            if route.backpressure:
                return _held_back(store, source, values)
            try:
                return self._of(store).put(source, values, epoch=route.epoch)
            except StaleWriterError:
                if time.monotonic() > deadline or not self._has_moved(source, store, Fence(epoch=route.epoch)):
                    raise
            except (NotFoundError, StoreUnavailableError):
                # The cluster was removed, or is dead; the source may have been moved from it.
                if self._routes.of(source, max_age=0.0).cluster == route.cluster:
                    raise

    def release_shared(
        self, source: str, releases: Sequence[Release], *, consumer: str, queue: bool = False
    ) -> list[str]:
        """As `References.release`, of each where it is first found."""
        results = [MISSING] * len(releases)
        for cluster in self._all_of(source):
            left = [at for at, result in enumerate(results) if result == MISSING]
            wanted = [releases[at] for at in left]
            taken = self._ask(
                source,
                cluster,
                lambda store, wanted=wanted: self._of(store).release(  # type: ignore[misc]
                    source, wanted, consumer=consumer, queue=queue
                ),
            )
            for at, result in zip(left, taken or (), strict=False):
                results[at] = result
        return results

    def unlink_queued(self, source: str, limit: int = 1000) -> int:
        """As `References.unlink_queued`, on the cluster the source goes to."""
        return self._of(self.store(source)).unlink_queued(limit)

    def _of(self, store: MemoryStore) -> References:
        found = self._references.get(store)
        if found is None:
            found = self._references[store] = References(store.master.run, default_ttl=self._default_ttl)
        return found


def _held_back(store: MemoryStore, source: str, values: Mapping[str, object]) -> list[Put]:
    if store.policy(source).get("policy") == "wait":
        raise StoreFullError(f"back-pressure is on for source {source}: try again later, or have it disabled")
    frames = [key for key in values if not key.startswith(COUNT)]
    store.count_drops(source, reason="backpressure", number=len(frames))
    return [Put(key, "backpressure") for key in frames]
