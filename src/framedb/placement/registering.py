"""Objects as their writers register them, so that no copy in memory hides what the registry says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from framedb.clusters.service import ClusterService
from framedb.errors import NotFoundError
from framedb.frame import NO_SOURCE, source_of
from framedb.placement.connections import Connections
from framedb.placement.placement import FIRST, Placement
from framedb.routing import Copy, Route, SQLLocator
from framedb.routing.locator import InstanceType


class ObjectRegistry:
    """Writes down where objects are; the bytes are the writers'."""

    def __init__(
        self, placement: Placement, routing: SQLLocator, connections: Connections, clusters: ClusterService
    ) -> None:
        self._placement = placement
        self._routing = routing
        self._connections = connections
        self._clusters = clusters

    def register(
        self,
        key: str,
        framedb_id: str,
        framedb_type: InstanceType,
        *,
        copies: Sequence[Copy] = (),
        size: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        """Write down where an object is, over any earlier row of the key; True if there was none.

        What the clusters of its source hold under the key goes, but for copies that are named: readers look there first.
        Raises InvalidInputError, StoreUnavailableError when such a cluster does not answer; then call it again.
        """
        inserted = self._routing.register_object(
            key, framedb_id, framedb_type, copies=copies, size=size, metadata=metadata
        )
        if source_of(key) != NO_SOURCE:
            self._placement.place(source_of(key), durable=True)  # or its readers would not look for a row
        named = {self._cluster(copy) for copy in (Copy(framedb_id, framedb_type), *copies)}
        for route in self._routes(source_of(key)):
            left = replace(
                route,
                cluster=None if route.cluster in named else route.cluster,
                previous=tuple(place for place in route.previous if place.cluster not in named),
            )
            self._connections.release(left, [key])
        return inserted

    def _routes(self, source: str) -> list[Route]:
        """Where frames of the source may be, on whatever node."""
        return [Route(NO_SOURCE, FIRST, 0)] if source == NO_SOURCE else self._routing.mapping(source)

    def _cluster(self, copy: Copy) -> str | None:
        """The cluster that holds the copy; None for one on disk, or in an instance nobody knows."""
        if copy.framedb_type != "in-memory":
            return None
        try:
            return self._clusters.resolve(copy.framedb_id)[0]
        except NotFoundError:
            return None
