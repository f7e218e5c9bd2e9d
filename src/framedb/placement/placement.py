"""Sources on clusters."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from framedb.clusters.service import ClusterService
from framedb.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from framedb.frame import NO_SOURCE, check_source
from framedb.placement.channel import Command, ControlChannel, entry
from framedb.placement.connections import Connections
from framedb.placement.moves import Moves
from framedb.placement.policies import POLICY_FIELDS, Policies, as_metadata, check_metadata
from framedb.placement.removal import Emptying, Removal
from framedb.resp import ClusterConnection
from framedb.routing import ClusterLoad, Route, SQLLocator
from framedb.routing.checks import check_name
from framedb.stores.memory import MemoryStore
from framedb.stores.policy import SourcePolicy

logger = logging.getLogger(__name__)

FIRST = "local"
"""The cluster a fresh node has. It is the node's own: sources nobody could place elsewhere go there."""


class Placement:
    """Places sources, moves them, and answers how they are reached: the node's side of `tiering.Locator`.

    A source has a mapping on each node tag it was placed on. Whoever asks gets the one of our own tag, else the first.
    """

    def __init__(
        self,
        routing: SQLLocator,
        connections: Connections,
        clusters: ClusterService,
        *,
        default: SourcePolicy,
        channel: ControlChannel | None = None,
    ) -> None:
        """`default` is the policy of a source that was given none. Without a channel nobody is told of changes."""
        self._routing = routing
        self._connections = connections
        self._clusters = clusters
        self._policies = Policies(clusters, default)
        self._channel = channel
        self._moves = Moves(routing, connections, self._policies, channel)

    @property
    def default(self) -> SourcePolicy:
        """The policy of a source that was given none."""
        return self._policies.default

    # How sources are reached

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """How to reach the cluster of a source, or of a cluster's or member's name. A source nobody knows yet is placed.

        Raises NotFoundError for an unknown name, StoreUnavailableError when the cluster does not answer.
        """
        if source is None or source == NO_SOURCE:
            return self._connections.to(self._clusters.resolve(framedb_id or FIRST)[0])
        route = self.route(source)
        found = self._connections.to(route.cluster, route=route)
        caught_up = self._moves.caught_up(route)
        return found if caught_up is route else self._connections.to(caught_up.cluster, route=caught_up)

    def route(self, source: str) -> Route:
        """The route of the source: of our own node tag, else the first. One nobody knows yet, or that is on none, is placed."""
        own = self._routing.route(source)
        if own is not None and own.cluster is not None:
            return own
        routes = [] if own is not None else self._routing.mapping(source)
        for route in routes:
            if route.cluster is not None:
                return route
        return self._assign(source, routes[0].node_tag if routes else self._routing.node_tag)

    def cluster_of(self, source: str) -> str:
        """The name of the source's cluster, from the registry alone. A source nobody knows yet is placed.

        Raises StoreUnavailableError where there is no cluster that it could be placed on.
        """
        if source == NO_SOURCE:
            return FIRST
        cluster = self.route(source).cluster
        if cluster is None:
            raise StoreUnavailableError(f"source {source} is unassigned: its node has no cluster, create one")
        return cluster

    # Placing

    def place(self, source: str, policy: SourcePolicy | None = None, *, durable: bool | None = None) -> Route:
        """The route of the source, with this policy from now on (None: as it was, or the default), on a cluster.

        `durable` holds on every node that has the source.
        """
        route = self.route(source)
        changed = route
        if durable is not None:
            for each in self._routing.mapping(source):
                amended = self._amend(each, durable=durable)
                if each.node_tag == route.node_tag:
                    changed = amended
        if policy is not None:
            wanted = check_metadata({**changed.metadata, **as_metadata(policy)})
            changed = self._amend(changed, metadata=wanted)
            return self._moves.settle(changed)  # also if it was so already: the cluster may not know
        return changed

    def remove(self, source: str) -> None:
        """Forget where the source goes on our own node. Frames it still has expire where they are."""
        route = self._routing.route(source)
        if route is not None:
            self._remove(route)

    def restore(self, cluster: str, *, store: MemoryStore | None = None) -> None:
        """Tell the cluster (or `store`, of a master that clients cannot reach yet) the policies and epochs of its sources.

        A server that started anew knows none.
        """
        for route in self._routing.on(cluster):
            try:
                self._moves.settle(route, store=store)
            except StoreError as exc:
                logger.warning("policy is not in force: %s", exc, extra={"source": route.source, "cluster": cluster})

    # Mappings

    def create_mapping(self, source: str, node_tag: str, metadata: Mapping[str, Any] | None = None) -> Route:
        """Place the source on the least-loaded cluster of the node.

        Raises AlreadyExistsError if it is mapped there, ConflictError if no cluster of the node takes sources,
        InvalidKeyError and InvalidInputError.
        """
        route = self._routing.create_mapping(source, node_tag, check_metadata(metadata))
        return self._begun(route)

    def mapping(self, source: str) -> list[Route]:
        """Where the source's frames go, on each node that has it, by node tag. Raises NotFoundError for an unknown one."""
        routes = self._routing.mapping(check_source(source))
        if not routes:
            raise NotFoundError(f"No source {source}")
        return routes

    def remove_mapping(self, source: str, node_tag: str) -> None:
        """Forget where the source goes on the node. Frames it still has expire where they are. Raises NotFoundError."""
        self._remove(self._mapped(source, node_tag))

    def update_mapping(self, source: str, node_tag: str) -> Route:
        """Look the master up again, and have readers do so; a source without a cluster is placed, if there is one now.

        Its policy is put there once more. Raises NotFoundError, StoreUnavailableError when no master answers, ConflictError if
        the node still has no cluster for it.
        """
        route = self._mapped(source, node_tag)
        if route.cluster is None:
            route = self._assign(source, node_tag)
            if route.cluster is None:
                raise ConflictError(f"node {node_tag} has no cluster that takes sources: create one first")
            return route
        self._connections.to(route.cluster)
        route = self._moves.settle(route)
        self._publish("update", route)
        return route

    def metadata(self, source: str, node_tag: str) -> dict[str, Any]:
        """The mapping's metadata. Raises NotFoundError."""
        return dict(self._mapped(source, node_tag).metadata)

    def update_metadata(self, source: str, node_tag: str, metadata: Mapping[str, Any]) -> Route:
        """The mapping with these metadata instead of those it had; its policy is in force at once.

        Fields of the policy that are not given stay as they are; `null` takes a cap away. Raises NotFoundError,
        InvalidInputError, and StoreFullError when a full cluster cannot even be told.
        """
        given = check_metadata(metadata)
        route = self._mapped(source, node_tag)
        kept = {name: value for name, value in route.metadata.items() if name in POLICY_FIELDS}
        changed = self._amend(route, metadata={**kept, **given})
        return self._moves.settle(changed)

    # What clusters have to carry

    def load(self, cluster: str) -> ClusterLoad:
        """The sources of a cluster. Raises NotFoundError."""
        return self._routing.load(check_name("cluster", cluster))

    def least_loaded(self, node_tag: str) -> ClusterLoad:
        """Where the next source of the node would go. Raises NotFoundError if no cluster of the node takes sources."""
        return self._choices(node_tag)[0]

    def most_loaded(self, node_tag: str) -> ClusterLoad:
        """The cluster of the node with the most sources, by name among equals. Errors as `least_loaded`."""
        return min(self._choices(node_tag), key=lambda load: (-len(load.sources), load.cluster))

    # Moving

    def reassign_source(self, source: str, node_tag: str, cluster: str) -> Route:
        """Move the source to the cluster. What it has stored stays readable until it expires.

        Raises NotFoundError for an unknown source or cluster, InvalidInputError for a cluster of another node, ConflictError
        for one that takes no sources, StoreUnavailableError for one that does not answer; then nothing has changed.
        """
        self._mapped(source, node_tag)
        return self._moves.move(source, node_tag, check_name("cluster", cluster))

    def reassign_cluster(self, node_tag: str, cluster: str) -> list[str]:
        """Move every source of the node off the cluster, each to the least-loaded other one; the sources.

        Raises NotFoundError for an unknown cluster, InvalidInputError for one of another node, and ConflictError if the node
        has no other: then nothing has changed.
        """
        found = self._routing.load(check_name("cluster", cluster))
        routes = [route for route in self._routing.on(cluster) if route.node_tag == check_name("node tag", node_tag)]
        if found.node_tag != node_tag and not routes:
            raise InvalidInputError(f"cluster {cluster} is on node {found.node_tag}, not {node_tag}")
        dead: set[str] = set()
        moved = []
        for route in routes:
            try:
                self._moves.move(route.source, node_tag, dead=dead)
            except NotFoundError:
                continue  # its mapping was removed meanwhile
            moved.append(route.source)
        return moved

    def remove_cluster(self, name: str) -> Removal:
        """Remove the cluster. Its sources go to others of their node, with the frames it holds, or are left unassigned.

        Frames for which there is no room, or nowhere to go, are counted as dropped with reason `cluster-removed`. Cut short, it
        is finished by calling it again. Raises NotFoundError, and ConflictError for the node's own cluster, or one that is
        being changed by others.
        """
        if name == FIRST:
            raise ConflictError(f"cluster {FIRST} is the node's own and cannot be removed: stop the node instead")
        with self._clusters.removing(name):
            removal = Emptying(name, self._routing, self._connections, self._moves).run()
            self._routing.forget_copies(name, "in-memory")
            self._routing.forget_streams(name)
        self._connections.forget(name)
        logger.info(
            "cluster removed",
            extra={
                "cluster": name,
                "moved": len(removal.moved),
                "unassigned": len(removal.unassigned),
                "drained": removal.drained,
                "dropped": removal.dropped,
                "answered": removal.answered,
            },
        )
        return removal

    # Holding writers back

    def set_backpressure(self, source: str, on: bool, node_tag: str | None = None) -> list[Route]:
        """Whether the source's writers shall hold back: refuse or drop by its policy, and count. Its routes.

        It is on for a source as a whole. Naming a node tag only asks that the source be mapped there, and has the change
        published as `bp_on` or `bp_off` instead of `bp_source_on` or `bp_source_off`. Raises NotFoundError.
        """
        check_source(source)
        if node_tag is not None:
            self._mapped(source, node_tag)
        routes = self._routing.set_backpressure(source, on)
        for route in routes:
            self._moves.fence(route)  # so that writers ask again, and see it
        if self._channel is not None:
            command: Command
            if node_tag is None:
                command, payload = "bp_source_on" if on else "bp_source_off", {"sourceId": source}
            else:
                command, payload = "bp_on" if on else "bp_off", {"sourceId": source, "nodeTag": node_tag}
            self._channel.publish(source, command, payload)
        return routes

    # Inside

    def _assign(self, source: str, node_tag: str) -> Route:
        otherwise = FIRST if node_tag == self._routing.node_tag else None
        before = self._routing.mapping(source)
        route = self._routing.assign(source, node_tag, otherwise=otherwise)
        if route.cluster is None:
            return route
        if any(old.node_tag == node_tag for old in before):
            route = self._settled(route)
            self._publish("update", route)
            return route
        return self._begun(route)

    def _begun(self, route: Route) -> Route:
        """A route that is new. Its cluster may have known the source before, under a higher epoch."""
        route = self._settled(route)
        self._publish("add", route)
        return route

    def _settled(self, route: Route) -> Route:
        try:
            return self._moves.settle(route)
        except StoreError as exc:
            logger.warning("policy is not in force: %s", exc, extra={"source": route.source, "cluster": route.cluster})
            return route

    def _amend(self, route: Route, **changes: Any) -> Route:
        changed = self._routing.amend(route.source, route.node_tag, **changes)
        if changed.epoch != route.epoch:
            if "metadata" in changes:
                self._moves.fence(changed)
                self._publish("meta_update", changed)
            else:  # durable: of no concern to writers, and a durable write must get on without the cluster
                self._publish("update", changed)
        return changed

    def _remove(self, route: Route) -> None:
        self._moves.fence(replace(route, epoch=route.epoch + 1))  # its writers ask again, rather than go on for ever
        if self._routing.unplace(route.source, route.node_tag) and self._channel is not None:
            self._channel.publish(route.source, "remove", {"sourceId": route.source, "nodeTag": route.node_tag})

    def _mapped(self, source: str, node_tag: str) -> Route:
        check_name("node tag", node_tag)
        routes = self.mapping(source)
        for route in routes:
            if route.node_tag == node_tag:
                return route
        there = ", ".join(route.node_tag for route in routes)
        raise NotFoundError(f"No source {source} on node {node_tag}: it is on {there}")

    def _choices(self, node_tag: str) -> list[ClusterLoad]:
        choices = self._routing.choices(check_name("node tag", node_tag))
        if not choices:
            raise NotFoundError(f"node {node_tag} has no cluster that takes sources: create one first")
        return choices

    def _publish(self, command: Command, route: Route) -> None:
        if self._channel is not None:
            self._channel.publish(route.source, command, entry(route))
