"""Emptying a cluster that is being removed: its sources go elsewhere, and their frames after them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from framedb.errors import ConflictError, NotFoundError, StaleWriterError, StoreError, StoreUnavailableError
from framedb.frame import NO_SOURCE, source_of
from framedb.placement.connections import Connections
from framedb.placement.moves import Moves
from framedb.routing import Route, SQLLocator
from framedb.stores.leaving import Leaving
from framedb.stores.memory import Fence, MemoryStore

logger = logging.getLogger(__name__)
T = TypeVar("T")

REASON = "cluster-removed"
"""What frames are counted under that went with their cluster."""
_ATTEMPTS = 10  # to find where a source goes, while others move it


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of a cluster's sources and frames."""

    moved: list[str] = field(default_factory=list)
    """Sources that went to another cluster of their node."""
    unassigned: list[str] = field(default_factory=list)
    """Sources for which their node had no other."""
    drained: int = 0
    """Frames that went with their sources."""
    dropped: int = 0
    """Frames that did not: counted as `cluster-removed`, or turned away by the source's policy and counted as that."""
    answered: bool = True
    """Whether the cluster answered. If not, nobody knows how many frames it held: they are gone, and in no count."""


class _Gone(Exception):  # noqa: N818
    """The cluster that is being emptied answers no more."""


class Emptying:
    """Empties one cluster. Cut short at any point, it can be begun again: what has been done is not done twice."""

    def __init__(self, cluster: str, routing: SQLLocator, connections: Connections, moves: Moves) -> None:
        self._cluster = cluster
        self._routing = routing
        self._connections = connections
        self._moves = moves
        self._dead: set[str] = set()
        self._drained = 0
        self._dropped = 0

    def run(self) -> Removal:
        """Move every source away, drain what can be drained, count the rest. The cluster must take no sources any more."""
        try:
            self._connections.to(self._cluster)
        except StoreUnavailableError as exc:
            self._lost(exc)
        moved, unassigned = self._move_sources()
        if self._cluster not in self._dead:
            try:
                self._drain()
            except _Gone as exc:
                self._lost(exc)
        for route in self._routing.held_before(self._cluster):
            self._routing.forget_previous(route.source, route.node_tag, self._cluster)
        return Removal(moved, unassigned, self._drained, self._dropped, self._cluster not in self._dead)

    def _lost(self, why: Exception) -> None:
        logger.warning(
            "frames of a removed cluster are lost, it does not answer: %s", why, extra={"cluster": self._cluster}
        )
        self._dead.add(self._cluster)

    # Sources

    def _move_sources(self) -> tuple[list[str], list[str]]:
        moved: list[str] = []
        unassigned: list[str] = []
        for route in self._routing.on(self._cluster):
            try:
                try:
                    self._moves.move(route.source, route.node_tag, dead=self._dead)
                    moved.append(route.source)
                except ConflictError:
                    if self._has_choice(route):
                        raise
                    self._moves.unassign(route.source, route.node_tag, dead=self._dead)
                    unassigned.append(route.source)
            except NotFoundError:
                continue  # its mapping was removed meanwhile
        return moved, unassigned

    def _has_choice(self, route: Route) -> bool:
        return any(load.cluster != self._cluster for load in self._routing.choices(route.node_tag))

    # Frames

    def _drain(self) -> None:
        store = self._connections.memory(self._cluster)
        for source in _asking(store.sources):
            if self._target(source) is None:
                self._drop_all(store, source)
            else:
                self._drain_source(store, source)

    def _drain_source(self, store: MemoryStore, source: str) -> None:
        frames = iter(store.export(source))
        while (leaving := _asking(lambda: next(frames, None))) is not None:
            key = leaving.frame.key
            sent = self._send(source, leaving)
            was_here = _asking(lambda key=key: store.delete(key, source=source))  # type: ignore[misc]
            if sent and not was_here:  # a worker acknowledged it while it was on its way
                self._withdraw(source, key)

    def _send(self, source: str, leaving: Leaving) -> bool:
        """Put a frame where its source goes now, unless there is a newer one of its key; whether it was put."""
        for _ in range(_ATTEMPTS):
            target = self._target(source)
            if target is None or target.cluster is None:
                break
            store = self._connections.memory(target.cluster)
            frame = leaving.frame
            try:
                # The key of a camera's frame tells its time, and is written once. Any other may have been written again.
                if source_of(frame.key) == NO_SOURCE and store.get(frame.key, source=source) is not None:
                    return False
                put = store.put(frame, ttl=leaving.ttl, announce=leaving.unannounced, fence=Fence(epoch=target.epoch))
            except StaleWriterError:
                continue  # it has been moved on
            except StoreUnavailableError as exc:
                logger.warning(
                    "a frame cannot be drained: %s", exc, extra={"source": source, "cluster": target.cluster}
                )
                self._dead.add(target.cluster)
                break
            except StoreError as exc:
                logger.warning(
                    "a frame cannot be drained: %s", exc, extra={"source": source, "cluster": target.cluster}
                )
                store.count_drops(source, reason=REASON)
                self._dropped += 1
                return False
            if put.dropped is None:
                self._drained += 1
            else:
                self._dropped += 1  # and counted by the store, under that reason
            return put.dropped is None
        self._count(source, 1)
        return False

    def _withdraw(self, source: str, key: str) -> None:
        target = self._target(source)
        if target is not None and target.cluster is not None:
            self._connections.memory(target.cluster).delete(key, source=source)

    def _target(self, source: str) -> Route | None:
        """Where the source's frames go: from here, if it was here; else on any node that has it."""
        routes = [
            route
            for route in self._routing.mapping(source)
            if route.cluster is not None and route.cluster != self._cluster and route.cluster not in self._dead
        ]
        from_here = [route for route in routes if any(place.cluster == self._cluster for place in route.previous)]
        return next(iter([*from_here, *routes]), None)

    def _drop_all(self, store: MemoryStore, source: str) -> None:
        """Frames that nobody could find again. They are removed as they are counted, so that they are counted once."""
        keys = _asking(lambda: list(store.scan(source=source)))
        removed = _asking(lambda: store.delete_many(keys, source=source))
        if removed:
            self._count(source, removed)

    def _count(self, source: str, number: int) -> None:
        self._dropped += number
        if not self._routing.add_drops(source, REASON, number):
            logger.warning(
                "frames of a source nobody placed went with their cluster",
                extra={"source": source, "cluster": self._cluster, "reason": REASON, "number": number},
            )


def _asking(ask: Callable[[], T]) -> T:
    """What the cluster that is being emptied answers. Raises _Gone if it does not."""
    try:
        return ask()
    except StoreUnavailableError as exc:
        raise _Gone(str(exc)) from exc
