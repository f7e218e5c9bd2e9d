"""Sources on clusters."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from framedb.frame import NO_SOURCE
from framedb.placement.connections import Connections
from framedb.resp import ClusterConnection
from framedb.routing import Route, SQLLocator
from framedb.stores.policy import SourcePolicy

_FIRST = "local"  # the cluster a fresh node has


class Placement:
    """Places sources, and answers how they are reached: the node's side of `tiering.Locator`."""

    def __init__(self, routing: SQLLocator, connections: Connections, *, default: SourcePolicy) -> None:
        self._routing = routing
        self._connections = connections
        self.default = default
        """The policy of a source that was given none."""

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """How to reach the cluster of a source, or of a name. A source nobody knows yet is placed."""
        if source is None or source == NO_SOURCE:
            return self._connections.to(framedb_id or _FIRST)
        route = self._routing.route(source) or self.place(source)
        return self._connections.to(route.cluster or _FIRST, epoch=route.epoch, durable=route.durable)

    def cluster_of(self, source: str) -> str:
        """The name of the source's cluster, from the registry alone. A source nobody knows yet is placed."""
        if source == NO_SOURCE:
            return _FIRST
        return (self._routing.route(source) or self.place(source)).cluster or _FIRST

    def place(self, source: str, policy: SourcePolicy | None = None, *, durable: bool | None = None) -> Route:
        """The route of the source, with this policy from now on (None: as it was, or the default), on a cluster."""
        known = self._routing.route(source)
        metadata = dict(known.metadata) if known else {}
        if policy is not None or known is None:
            metadata.update(_as_metadata(policy or self.default))
        cluster = (known.cluster if known else None) or _FIRST
        route = self._routing.place(source, cluster, metadata=metadata, durable=durable)
        if policy is not None or known is None:
            self._apply(route)
        return route

    def remove(self, source: str) -> None:
        """Forget where the source goes. Frames it still has expire where they are."""
        self._routing.unplace(source)

    def restore(self, cluster: str) -> None:
        """Tell the cluster the policies of its sources: a server that started anew knows none."""
        for source in self._routing.sources_of(cluster):
            route = self._routing.route(source)
            if route is not None:
                self._apply(route)

    def _apply(self, route: Route) -> None:
        self._connections.memory(route.cluster or _FIRST).set_policy(route.source, _as_policy(route.metadata))


def _as_metadata(policy: SourcePolicy) -> dict[str, Any]:
    return {each.name: getattr(policy, each.name) for each in fields(policy)}


def _as_policy(metadata: Mapping[str, Any]) -> SourcePolicy:
    return SourcePolicy(**{each.name: metadata[each.name] for each in fields(SourcePolicy) if each.name in metadata})
