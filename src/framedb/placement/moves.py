"""Changing routes, and telling the clusters: rows, policies and epochs, in the order that keeps two holders apart.

A store refuses writers whose epoch is lower than the one it was told. So a source that leaves a cluster is fenced there
first; then its row changes; then the new cluster is told. A crash in between leaves a store ahead of its row, which would
refuse everybody: whoever comes across that lets the row catch up.
"""

import logging
import threading
import time
from datetime import datetime, timedelta

from framedb.errors import ConflictError, FrameDBError, NotFoundError, StoreError, StoreUnavailableError
from framedb.frame import utc_now
from framedb.placement.channel import ControlChannel, entry
from framedb.placement.connections import Connections
from framedb.placement.policies import Policies
from framedb.routing import Route, SQLLocator
from framedb.stores.memory import MemoryStore

logger = logging.getLogger(__name__)

_ATTEMPTS = 20  # at a move, while others change the same route
_PATIENCE = 1.0  # seconds a store may be ahead of its row before that is no move under way, but one that was cut short


class Moves:
    """Brings clusters in line with routes, and moves sources between them."""

    def __init__(
        self,
        routing: SQLLocator,
        connections: Connections,
        policies: Policies,
        channel: ControlChannel | None = None,
    ) -> None:
        self._routing = routing
        self._connections = connections
        self._policies = policies
        self._channel = channel
        self._lock = threading.Lock()
        self._behind: dict[tuple[str, str], float] = {}

    def settle(self, route: Route, *, store: MemoryStore | None = None) -> Route:
        """Put the route's policy and epoch where its frames go (or on `store`); the route, which may have had to catch up.

        A cluster that does not answer is told when it comes back. Raises StoreFullError if it has no room even for that.
        """
        if route.cluster is None:
            return route
        try:
            if store is None:
                store = self._connections.memory(route.cluster)
            store.set_policy(route.source, self._policies.of(route))
            store.raise_epoch(route.source, route.epoch)
            stored = _epoch(store, route.source)
        except (StoreUnavailableError, NotFoundError) as exc:
            logger.warning("policy is not in force yet: %s", exc, extra=_of(route))
            return route
        return route if stored <= route.epoch else self._catch_up(route, stored)

    def fence(self, route: Route) -> None:
        """Tell the cluster that writers of older routes are to ask again."""
        if route.cluster is not None:
            try:
                self._connections.memory(route.cluster).raise_epoch(route.source, route.epoch)
            except (StoreUnavailableError, NotFoundError) as exc:
                logger.warning("writers were not told of a change: %s", exc, extra=_of(route))

    def caught_up(self, route: Route) -> Route:
        """The route, past a change that was cut short after its cluster had been told and before its row was written.

        Without that its writers would be refused for ever. A change that is under way is left alone.
        """
        if route.cluster is None:
            return route
        which = (route.source, route.node_tag)
        try:
            stored = _epoch(self._connections.memory(route.cluster), route.source)
        except FrameDBError:
            return route
        with self._lock:
            if stored <= route.epoch:
                self._behind.pop(which, None)
                return route
            if time.monotonic() - self._behind.setdefault(which, time.monotonic()) < _PATIENCE:
                return route
            del self._behind[which]
        return self._catch_up(route, stored)

    def move(self, source: str, node_tag: str, cluster: str | None = None, *, dead: set[str] | None = None) -> Route:
        """Send the source's frames on the node to the cluster, or to the least-loaded other one; the route as it is then.

        What it has stored stays readable through `previous`. Clusters in `dead` are not asked, and one that does not answer
        is added: the source leaves it all the same. Raises NotFoundError, InvalidInputError or ConflictError if it cannot be
        put there, and StoreUnavailableError if the cluster named does not answer; then nothing has changed.
        """
        dead = set() if dead is None else dead
        for _ in range(_ATTEMPTS):
            route = self._known(source, node_tag)
            if cluster is not None and cluster == route.cluster:
                return route
            self._routing.check_move(route, cluster)
            if cluster is not None:
                self._connections.to(cluster)
            until = self._leave(route, dead)
            try:
                moved = self._routing.move(source, node_tag, cluster, until, expected=route.epoch)
            except FrameDBError:
                self._give_up(route)
                raise
            if moved is not None:
                return self._arrived(moved)
        raise ConflictError(f"source {source} is being changed by others: try again")

    def unassign(self, source: str, node_tag: str, *, dead: set[str]) -> Route:
        """Leave the source without a cluster on the node. Raises NotFoundError, ConflictError."""
        for _ in range(_ATTEMPTS):
            route = self._known(source, node_tag)
            if route.cluster is None:
                return route
            self._leave(route, dead)
            left = self._routing.unassign(source, node_tag, expected=route.epoch)
            if left is not None:
                self.publish_update(left)
                return left
        raise ConflictError(f"source {source} is being changed by others: try again")

    def publish_update(self, route: Route) -> None:
        """Tell the source's readers that its cluster changed."""
        if self._channel is not None:
            self._channel.publish(route.source, "update", entry(route))

    def _arrived(self, route: Route) -> Route:
        logger.info("source moved", extra=_of(route))
        try:
            route = self.settle(route)
        except StoreError as exc:
            logger.warning("policy is not in force: %s", exc, extra=_of(route))
        self.publish_update(route)
        return route

    def _leave(self, route: Route, dead: set[str]) -> datetime | None:
        """Fence the source at the cluster it leaves; when its last frame there is gone (None: some are kept)."""
        if route.cluster is None:
            return utc_now()
        if route.cluster not in dead:
            try:
                store = self._connections.memory(route.cluster)
                store.raise_epoch(route.source, route.epoch + 1)
                held = store.holds(route.source)
                return held.until if held.count else utc_now()
            except NotFoundError:  # removed already, with all it held
                return utc_now()
            except StoreUnavailableError as exc:
                dead.add(route.cluster)
                logger.warning("a source leaves a cluster that does not answer: %s", exc, extra=_of(route))
        ttl = self._policies.of(route).ttl_s
        return None if ttl is None else utc_now() + timedelta(seconds=ttl)

    def _give_up(self, route: Route) -> None:
        """A move fails after its source was fenced: its writers must get on where it is."""
        try:
            self._routing.raise_epoch(route.source, route.node_tag, least=route.epoch + 1)
        except FrameDBError as exc:  # whoever asks for the route next finds out, and lets it catch up
            logger.warning("a source is refused its writes until it catches up: %s", exc, extra=_of(route))

    def _catch_up(self, route: Route, stored: int) -> Route:
        logger.warning("a route was behind its cluster", extra={**_of(route), "epoch": route.epoch, "stored": stored})
        return self._routing.raise_epoch(route.source, route.node_tag, least=stored)

    def _known(self, source: str, node_tag: str) -> Route:
        for route in self._routing.mapping(source):
            if route.node_tag == node_tag:
                return route
        raise NotFoundError(f"No source {source} on node {node_tag}")


def _epoch(store: MemoryStore, source: str) -> int:
    return int(store.policy(source).get("epoch") or 0)


def _of(route: Route) -> dict[str, object]:
    return {"source": route.source, "node_tag": route.node_tag, "cluster": route.cluster}
