"""Where the frames of sources go.

Rows are locked in one order, so that nobody waits in a circle: the source, the clusters of its node, the routes.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Text, delete, insert, select, type_coerce, update

from framedb.errors import AlreadyExistsError, ConflictError, NotFoundError
from framedb.frame import check_source
from framedb.registry import reading, write
from framedb.registry.tables import clusters, routes, sources
from framedb.routing.checks import check_document
from framedb.routing.choosing import check_takes_sources, fallback, least_loaded
from framedb.routing.locator import ClusterLoad, Route
from framedb.routing.rows import (
    ROUTES,
    check_route,
    columns_of,
    held_route,
    hold_source,
    is_of,
    known_route,
    loads_of,
    moved_to,
    route_from,
    route_of,
    siblings,
    store_amended,
    store_route,
)


class SourceRoutes:
    """Routes of sources, one per node tag, and what clusters have to carry. Any change of a route raises its epoch."""

    _engine: Engine
    _node_tag: str

    # Asking

    def route(self, source: str) -> Route | None:
        """Where the source's frames go on our own node; None for a source nobody has placed there."""
        with reading(self._engine) as connection:
            return route_of(connection, source, self._node_tag)

    def mapping(self, source: str) -> list[Route]:
        """Where the source's frames go, on every node that has it, by node tag."""
        query = ROUTES.where(routes.c.source == source).order_by(routes.c.node_tag)
        with reading(self._engine) as connection:
            return [route_from(row) for row in connection.execute(query)]

    def on(self, cluster: str) -> list[Route]:
        """Routes of every node tag whose frames go to the cluster, by source."""
        query = ROUTES.where(routes.c.cluster == cluster).order_by(routes.c.source, routes.c.node_tag)
        with reading(self._engine) as connection:
            return [route_from(row) for row in connection.execute(query)]

    def sources_of(self, cluster: str) -> list[str]:
        """Sources of our own node whose frames go to the cluster, sorted."""
        query = select(routes.c.source).where(routes.c.cluster == cluster, routes.c.node_tag == self._node_tag)
        with reading(self._engine) as connection:
            return list(connection.scalars(query.order_by(routes.c.source)))

    def loads(self, node_tag: str) -> list[ClusterLoad]:
        """What each cluster of the node that takes sources, or has some, has to carry; by name."""
        with reading(self._engine) as connection:
            found = loads_of(connection, clusters.c.node_tag == node_tag)
        return [load for load, takes in found if takes or load.sources]

    def choices(self, node_tag: str) -> list[ClusterLoad]:
        """What each cluster of the node that takes sources has to carry; the one with least first, by name among equals."""
        with reading(self._engine) as connection:
            found = loads_of(connection, clusters.c.node_tag == node_tag)
        return sorted((load for load, takes in found if takes), key=lambda load: (len(load.sources), load.cluster))

    def load(self, cluster: str) -> ClusterLoad:
        """What the cluster has to carry. Raises NotFoundError for one that nobody registered."""
        with reading(self._engine) as connection:
            found = loads_of(connection, clusters.c.name == cluster)
        if not found:
            raise NotFoundError(f"Cluster {cluster} does not exist")
        return found[0][0]

    # Placing

    def create_mapping(self, source: str, node_tag: str, metadata: Mapping[str, Any] | None = None) -> Route:
        """Put the source on the node's least-loaded cluster.

        Raises AlreadyExistsError if the node has it already, ConflictError if no cluster of the node takes sources.
        """
        check_route(source, node_tag)
        given = check_document("metadata", metadata)

        def create(connection: Connection) -> Route:
            backpressure = hold_source(connection, source)
            cluster = least_loaded(connection, node_tag)
            known = siblings(connection, source)
            if node_tag in known:
                raise AlreadyExistsError("Mapping already exist, no need to update")
            if cluster is None:
                raise nowhere(node_tag)
            new = Route(source, cluster, 1, node_tag, any(known.values()), (), given, backpressure)
            connection.execute(insert(routes).values(source=source, node_tag=node_tag, **columns_of(new)))
            return new

        return write(self._engine, create)

    def assign(
        self,
        source: str,
        node_tag: str | None = None,
        *,
        otherwise: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        durable: bool = False,
    ) -> Route:
        """The source's route on the node (ours, if none is named), put on its least-loaded cluster if it is on none.

        `otherwise` is the cluster to take where none of the node takes sources; if that is not there either, the route is
        unassigned. `metadata` and `durable` are those of a new route.
        """
        tag = self._node_tag if node_tag is None else node_tag
        check_route(source, tag)
        given = check_document("metadata", metadata)

        def put(connection: Connection) -> Route:
            backpressure = hold_source(connection, source)
            cluster = least_loaded(connection, tag) or fallback(connection, otherwise)
            old = held_route(connection, source, tag)
            if old is None:
                inherited = any(siblings(connection, source).values())
                new = Route(source, cluster, 1, tag, durable or inherited, (), given, backpressure)
                connection.execute(insert(routes).values(source=source, node_tag=tag, **columns_of(new)))
                return new
            if old.cluster is not None or cluster is None:
                return old
            return store_route(connection, moved_to(old, cluster, None))

        return write(self._engine, put)

    def place(
        self,
        source: str,
        cluster: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        durable: bool | None = None,
        until: datetime | None = None,
    ) -> Route:
        """Send the source's frames on our own node to `cluster`, whatever is known of it; the route as it is now.

        What is not given stays as it was, and nothing changes if all is so already. A cluster that the source is moved away
        from is remembered as `previous` `until` its last frame is gone (None: for ever). Raises InvalidKeyError for an
        illegal source id.
        """
        check_source(source)

        def change(connection: Connection) -> Route:
            backpressure = hold_source(connection, source)
            old = held_route(connection, source, self._node_tag)
            if old is None:
                new = Route(source, cluster, 1, self._node_tag, bool(durable), (), dict(metadata or {}), backpressure)
                connection.execute(insert(routes).values(source=source, node_tag=self._node_tag, **columns_of(new)))
                return new
            new = moved_to(old, cluster, until) if cluster != old.cluster else old
            return store_amended(connection, old, new, metadata=metadata, durable=durable)

        return write(self._engine, change)

    def move(
        self,
        source: str,
        node_tag: str,
        cluster: str | None = None,
        until: datetime | None = None,
        *,
        expected: int | None = None,
    ) -> Route | None:
        """Send the source's frames on the node to another cluster: the one named, or the least-loaded other one.

        The cluster they went to is remembered as `previous` `until` its last frame is gone (None: for ever; a time that is
        over: not at all). `expected` is the epoch that the caller acted upon: if the route has changed since, nothing is
        done and the answer is None. Raises NotFoundError for an unknown source or cluster, ConflictError if there is no
        other cluster, or if the one named takes no sources; InvalidInputError if it is on another node.
        """

        def change(connection: Connection) -> Route | None:
            chosen = cluster
            if chosen is None:
                current = connection.scalar(select(routes.c.cluster).where(is_of(source, node_tag)))
                chosen = least_loaded(connection, node_tag, besides=current)
            else:
                check_takes_sources(connection, chosen, node_tag)
            old = known_route(connection, source, node_tag)
            if expected is not None and old.epoch != expected:
                return None
            if chosen is None:
                raise nowhere(node_tag, besides=old.cluster)
            if cluster is None and chosen == old.cluster:  # it was moved there while we looked for another
                return None if expected is not None else old
            return old if chosen == old.cluster else store_route(connection, moved_to(old, chosen, until))

        return write(self._engine, change)

    def check_move(self, route: Route, cluster: str | None = None) -> None:
        """Nothing, if `move` would find a place at this moment. Raises what it would, of the cluster to go to."""
        with reading(self._engine) as connection:
            if cluster is not None:
                check_takes_sources(connection, cluster, route.node_tag, hold=False)
            elif least_loaded(connection, route.node_tag, besides=route.cluster, hold=False) is None:
                raise nowhere(route.node_tag, besides=route.cluster)

    def unassign(self, source: str, node_tag: str, *, expected: int | None = None) -> Route | None:
        """Leave the source without a cluster on the node. `expected`, and None, as in `move`. Raises NotFoundError."""

        def change(connection: Connection) -> Route | None:
            old = known_route(connection, source, node_tag)
            if expected is not None and old.epoch != expected:
                return None
            return store_route(connection, replace(old, cluster=None, epoch=old.epoch + 1))

        return write(self._engine, change)

    def unplace(self, source: str, node_tag: str | None = None) -> bool:
        """Forget the source's route on the node (ours, if none is named), and the source with its last one.

        Whether there was one.
        """
        tag = self._node_tag if node_tag is None else node_tag

        def forget(connection: Connection) -> bool:
            connection.execute(select(sources.c.source).where(sources.c.source == source).with_for_update())
            removed = connection.execute(delete(routes).where(is_of(source, tag))).rowcount
            if not siblings(connection, source):
                connection.execute(delete(sources).where(sources.c.source == source))
            return bool(removed)

        return write(self._engine, forget)

    # Changing what a route says

    def amend(
        self,
        source: str,
        node_tag: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        durable: bool | None = None,
    ) -> Route:
        """The route with this metadata, or this `durable`, from now on. Raises NotFoundError."""
        given = None if metadata is None else check_document("metadata", metadata)

        def change(connection: Connection) -> Route:
            old = known_route(connection, source, node_tag)
            return store_amended(connection, old, old, metadata=given, durable=durable)

        return write(self._engine, change)

    def raise_epoch(self, source: str, node_tag: str, *, least: int = 0) -> Route:
        """The route with a higher epoch, and one of at least `least`. Raises NotFoundError."""

        def change(connection: Connection) -> Route:
            old = known_route(connection, source, node_tag)
            return store_route(connection, replace(old, epoch=max(old.epoch + 1, least)))

        return write(self._engine, change)

    def set_backpressure(self, source: str, on: bool) -> list[Route]:
        """Whether the source's writers shall hold back; its routes as they are now. Raises NotFoundError."""

        def change(connection: Connection) -> list[Route]:
            query = select(sources.c.backpressure).where(sources.c.source == source).with_for_update()
            was = connection.scalar(query)
            tags = sorted(siblings(connection, source))
            if was is None or not tags:
                raise NotFoundError(f"No source {source}")
            held = [known_route(connection, source, tag) for tag in tags]
            if bool(was) == on:
                return held
            connection.execute(update(sources).where(sources.c.source == source).values(backpressure=on))
            return [store_route(connection, replace(old, epoch=old.epoch + 1, backpressure=on)) for old in held]

        return write(self._engine, change)

    # Drops that no store could count

    def add_drops(self, source: str, reason: str, number: int) -> bool:
        """Count frames that went with the store that would have counted them; False for a source nobody placed."""

        def add(connection: Connection) -> bool:
            query = select(sources.c.source, sources.c.drops).where(sources.c.source == source).with_for_update()
            row = connection.execute(query).one_or_none()
            if row is None:
                return False
            counted = dict(row.drops or {})
            counted[reason] = counted.get(reason, 0) + number
            connection.execute(update(sources).where(sources.c.source == source).values(drops=counted))
            return True

        return write(self._engine, add)

    def drops(self, source: str) -> dict[str, int]:
        """Frames counted here rather than in a store, by reason."""
        with reading(self._engine) as connection:
            return dict(connection.scalar(select(sources.c.drops).where(sources.c.source == source)) or {})

    # Clusters that go

    def held_before(self, cluster: str) -> list[Route]:
        """Routes that name the cluster as `previous`, by source."""
        # The text is only narrowed down here: a name may be part of another.
        query = ROUTES.where(type_coerce(routes.c.previous, Text).like(f'%"{cluster}"%')).order_by(
            routes.c.source, routes.c.node_tag
        )
        with reading(self._engine) as connection:
            found = [route_from(row) for row in connection.execute(query)]
        return [route for route in found if any(place.cluster == cluster for place in route.previous)]

    def forget_previous(self, source: str, node_tag: str, cluster: str) -> None:
        """Read no more frames of the source at a cluster it was moved away from."""

        def change(connection: Connection) -> None:
            old = held_route(connection, source, node_tag)
            if old is not None:  # the epoch stays: for writers nothing has changed
                left = tuple(place for place in old.previous if place.cluster != cluster)
                store_route(connection, replace(old, previous=left))

        write(self._engine, change)


def nowhere(node_tag: str, *, besides: str | None = None) -> ConflictError:
    """The error of a source that cannot be put anywhere."""
    other = "" if besides is None else f" other than {besides}"
    return ConflictError(f"node {node_tag} has no cluster{other} that takes sources: create one first")
