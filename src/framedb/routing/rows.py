"""Rows of routes: reading them, holding them until a transaction ends, writing them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from framedb.errors import InvalidInputError, NotFoundError
from framedb.frame import NO_SOURCE, check_source, from_microseconds, to_microseconds, utc_now
from framedb.registry.tables import clusters, routes, sources
from framedb.routing.checks import check_name
from framedb.routing.locator import ClusterLoad, Previous, Route

ROUTES = select(routes, sources.c.backpressure).join(sources, sources.c.source == routes.c.source)
"""What `route_from` reads."""


def check_route(source: str, node_tag: str) -> None:
    """Nothing, if the source can be placed on the node. Raises InvalidKeyError, InvalidInputError."""
    if check_source(source) == NO_SOURCE:
        raise InvalidInputError(f"{NO_SOURCE!r} is no source that can be placed: it is what keys without one belong to")
    check_name("node tag", node_tag)


def is_of(source: str, node_tag: str) -> Any:
    """Which row of `routes` it is."""
    return (routes.c.source == source) & (routes.c.node_tag == node_tag)


def hold_source(connection: Connection, source: str) -> bool:
    """Make the source's row where it is missing, and hold it; whether its writers hold back."""
    known = connection.scalar(select(sources.c.backpressure).where(sources.c.source == source).with_for_update())
    if known is None:
        connection.execute(insert(sources).values(source=source, backpressure=False, created_at=utc_now()))
    return bool(known)


def siblings(connection: Connection, source: str) -> dict[str, bool]:
    """Node tags that have the source, and whether its route there is durable."""
    query = select(routes.c.node_tag, routes.c.durable).where(routes.c.source == source)
    return {row.node_tag: row.durable for row in connection.execute(query)}


def route_of(connection: Connection, source: str, node_tag: str) -> Route | None:
    """The route as it is."""
    row = connection.execute(ROUTES.where(is_of(source, node_tag))).one_or_none()
    return None if row is None else route_from(row)


def held_route(connection: Connection, source: str, node_tag: str) -> Route | None:
    """The route as it will be until the transaction ends."""
    held = connection.execute(select(routes.c.source).where(is_of(source, node_tag)).with_for_update()).first()
    return None if held is None else route_of(connection, source, node_tag)


def known_route(connection: Connection, source: str, node_tag: str) -> Route:
    """As `held_route`. Raises NotFoundError where there is none."""
    route = held_route(connection, source, node_tag)
    if route is None:
        elsewhere = sorted(siblings(connection, source))
        where = f" on node {node_tag}, only on {', '.join(elsewhere)}" if elsewhere else ""
        raise NotFoundError(f"No source {source}{where}")
    return route


def loads_of(connection: Connection, which: Any) -> list[tuple[ClusterLoad, bool]]:
    """What clusters have to carry, by name, and whether each takes sources."""
    query = select(clusters.c.name, clusters.c.node_tag, clusters.c.state, clusters.c.accepts_sources).where(which)
    rows = connection.execute(query.order_by(clusters.c.name)).all()
    carried: dict[str, list[str]] = {row.name: [] for row in rows}
    query_sources = (
        select(routes.c.cluster, routes.c.source)
        .where(routes.c.cluster.in_(list(carried)))
        .group_by(routes.c.cluster, routes.c.source)
    )
    for cluster, source in connection.execute(query_sources.order_by(routes.c.source)):
        carried[cluster].append(source)
    return [
        (
            ClusterLoad(row.name, row.node_tag, tuple(carried[row.name])),
            bool(row.state == "ready" and row.accepts_sources),
        )
        for row in rows
    ]


def moved_to(old: Route, cluster: str, until: datetime | None) -> Route:
    """The route to another cluster. Where frames may still lie is remembered, newest first."""
    left = [Previous(old.cluster, until)] if old.cluster is not None else []
    places: dict[str, Previous] = {}
    for place in [*left, *old.previous]:
        if place.cluster != cluster:
            places.setdefault(place.cluster, place)
    return replace(old, cluster=cluster, epoch=old.epoch + 1, previous=tuple(places.values()))


def store_amended(
    connection: Connection,
    old: Route,
    new: Route,
    *,
    metadata: Mapping[str, Any] | None,
    durable: bool | None,
) -> Route:
    """`new` with what else is given, stored if it is not `old`."""
    changed = replace(
        new,
        epoch=old.epoch + 1,
        durable=old.durable if durable is None else durable,
        metadata=old.metadata if metadata is None else dict(metadata),
    )
    if (changed.cluster, changed.durable, changed.metadata) == (old.cluster, old.durable, old.metadata):
        return old
    return store_route(connection, changed)


def store_route(connection: Connection, route: Route) -> Route:
    """Write the route, without clusters whose last frame of it is gone; the route as it is now."""
    now = utc_now()
    alive = tuple(place for place in route.previous if place.until is None or place.until > now)
    new = replace(route, previous=alive)
    connection.execute(update(routes).where(is_of(route.source, route.node_tag)).values(**columns_of(new)))
    return new


def columns_of(route: Route) -> dict[str, Any]:
    """The columns of its row that may change."""
    previous = [
        {"cluster": place.cluster, "until": None if place.until is None else to_microseconds(place.until)}
        for place in route.previous
    ]
    return {
        "cluster": route.cluster,
        "epoch": route.epoch,
        "durable": route.durable,
        "previous": previous,
        "metadata": dict(route.metadata),
        "updated_at": utc_now(),
    }


def route_from(row: Row[Any]) -> Route:
    """The route that a row of `ROUTES` describes."""
    previous = tuple(
        Previous(place["cluster"], None if place["until"] is None else from_microseconds(place["until"]))
        for place in row.previous
    )
    return Route(
        row.source, row.cluster, row.epoch, row.node_tag, row.durable, previous, row.metadata, row.backpressure
    )
