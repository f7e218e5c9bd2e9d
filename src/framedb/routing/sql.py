"""`SQLLocator`: the routes in the registry's tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from framedb.errors import InvalidInputError
from framedb.frame import check_key, check_source, from_microseconds, to_microseconds, utc_now
from framedb.registry import reading, write
from framedb.registry.tables import objects, routes, sources
from framedb.routing.locator import Copy, InstanceType, ObjectRoute, Previous, Route


class SQLLocator:
    """A `Locator` that also keeps what it answers. Every change is one transaction.

    `node_tag` names the machine whose routes these are: a source may have one on each of several.
    """

    def __init__(self, engine: Engine, *, node_tag: str = "local") -> None:
        self._engine = engine
        self._node_tag = node_tag

    # Sources

    def route(self, source: str) -> Route | None:
        """Where the source's frames go; None for a source nobody has placed."""
        with reading(self._engine) as connection:
            row = self._row(connection, source)
        return None if row is None else _route(row)

    def place(
        self,
        source: str,
        cluster: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        durable: bool | None = None,
        until: datetime | None = None,
    ) -> Route:
        """Send the source's frames to `cluster`; the route as it is now.

        What is not given stays as it was, and nothing changes if all is so already. Any change raises the epoch. A cluster
        that the source is moved away from is remembered as `previous` `until` its last frame is gone (None: for ever).
        Raises InvalidKeyError for an illegal source id.
        """
        check_source(source)

        def change(connection: Connection) -> Route:
            row = self._row(connection, source, lock=True)
            if row is None:
                new = Route(source, cluster, 1, self._node_tag, bool(durable), (), dict(metadata or {}))
                self._insert(connection, new)
                return new
            old = _route(row)
            new = Route(
                source,
                cluster,
                old.epoch + 1,
                self._node_tag,
                old.durable if durable is None else durable,
                _previous(old, cluster, until),
                old.metadata if metadata is None else dict(metadata),
            )
            if (new.cluster, new.durable, new.metadata) == (old.cluster, old.durable, old.metadata):
                return old
            connection.execute(update(routes).where(self._is(source)).values(**_columns(new)))
            return new

        return write(self._engine, change)

    def unplace(self, source: str) -> bool:
        """Forget the source's route, and the source with its last one; whether there was one."""

        def forget(connection: Connection) -> bool:
            removed = connection.execute(delete(routes).where(self._is(source))).rowcount
            left = connection.scalar(select(routes.c.source).where(routes.c.source == source).limit(1))
            if left is None:
                connection.execute(delete(sources).where(sources.c.source == source))
            return bool(removed)

        return write(self._engine, forget)

    def sources_of(self, cluster: str) -> list[str]:
        """Sources whose frames go to the cluster, sorted."""
        query = select(routes.c.source).where(routes.c.cluster == cluster, routes.c.node_tag == self._node_tag)
        with reading(self._engine) as connection:
            return list(connection.scalars(query.order_by(routes.c.source)))

    # Objects

    def object(self, key: str) -> ObjectRoute | None:
        """Where the object is; None for a key that has no row of its own."""
        with reading(self._engine) as connection:
            row = connection.execute(select(objects).where(objects.c.key == key)).one_or_none()
        return None if row is None else _object(row)

    def register_object(
        self,
        key: str,
        framedb_id: str,
        framedb_type: InstanceType,
        *,
        copies: Sequence[Copy] | None = None,
        size: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        """Write down where the object is, over any earlier row of the key; True if there was none.

        `copies` are by default the one place named. Raises InvalidKeyError, and InvalidInputError for an unknown type.
        """
        here = Copy(framedb_id, framedb_type)
        places = [here, *(copy for copy in copies or () if copy != here)]
        for copy in places:
            if copy.framedb_type not in ("in-memory", "storage"):
                raise InvalidInputError(f"Unsupported type: {copy.framedb_type}: give in-memory or storage")
        columns = {
            "framedb_id": framedb_id,
            "framedb_type": framedb_type,
            "copies": [{"framedb_id": copy.framedb_id, "framedb_type": copy.framedb_type} for copy in places],
            "size": size,
            "metadata": dict(metadata or {}),
            "updated_at": utc_now(),
        }
        check_key(key)
        return write(self._engine, lambda connection: _store_object(connection, key, columns))

    def register_stored(self, sizes: Mapping[str, int], framedb_id: str) -> None:
        """Write down that the persistent instance holds objects of these keys and sizes, all in one transaction."""
        columns = {
            "framedb_id": framedb_id,
            "framedb_type": "storage",
            "copies": [{"framedb_id": framedb_id, "framedb_type": "storage"}],
            "metadata": {},
            "updated_at": utc_now(),
        }

        def store(connection: Connection) -> None:
            for key, size in sorted(sizes.items()):
                _store_object(connection, key, {**columns, "size": size})

        write(self._engine, store)

    def remove_object(self, key: str) -> bool:
        """Forget where the object is; whether there was a row."""
        return write(
            self._engine,
            lambda connection: bool(connection.execute(delete(objects).where(objects.c.key == key)).rowcount),
        )

    def list_objects(self, prefix: str = "", *, after: str = "", limit: int = 1000) -> list[ObjectRoute]:
        """Up to `limit` objects whose keys begin with `prefix`, in the order of their bytes, from behind the key `after`."""
        query = select(objects).where(objects.c.key > after).order_by(objects.c.key).limit(limit)
        if prefix:
            start = prefix.encode()
            query = query.where(objects.c.key >= start, objects.c.key < start + b"\xff")  # no byte of UTF-8 is 0xff
        with reading(self._engine) as connection:
            return [_object(row) for row in connection.execute(query)]

    def _is(self, source: str) -> Any:
        return (routes.c.source == source) & (routes.c.node_tag == self._node_tag)

    def _row(self, connection: Connection, source: str, *, lock: bool = False) -> Row[Any] | None:
        query = select(routes).where(self._is(source))
        return connection.execute(query.with_for_update() if lock else query).one_or_none()

    def _insert(self, connection: Connection, route: Route) -> None:
        known = connection.scalar(select(sources.c.source).where(sources.c.source == route.source))
        if known is None:
            connection.execute(insert(sources).values(source=route.source, backpressure=False, created_at=utc_now()))
        connection.execute(insert(routes).values(source=route.source, node_tag=route.node_tag, **_columns(route)))


def _store_object(connection: Connection, key: str, columns: Mapping[str, Any]) -> bool:
    """Over any earlier row of the key; True if there was none."""
    if connection.execute(update(objects).where(objects.c.key == key).values(**columns)).rowcount:
        return False
    connection.execute(insert(objects).values(key=key, created_at=columns["updated_at"], **columns))
    return True


def _previous(old: Route, cluster: str, until: datetime | None) -> tuple[Previous, ...]:
    """Where frames may still lie once the source goes to `cluster`."""
    now = utc_now()
    left = [Previous(old.cluster, until)] if old.cluster is not None else []
    alive = [place for place in old.previous if place.until is None or place.until > now]
    places: dict[str, Previous] = {}
    for place in left + alive:
        if place.cluster != cluster:
            places.setdefault(place.cluster, place)
    return tuple(places.values())


def _columns(route: Route) -> dict[str, Any]:
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


def _route(row: Row[Any]) -> Route:
    previous = tuple(
        Previous(place["cluster"], None if place["until"] is None else from_microseconds(place["until"]))
        for place in row.previous
    )
    return Route(row.source, row.cluster, row.epoch, row.node_tag, row.durable, previous, row.metadata)


def _object(row: Row[Any]) -> ObjectRoute:
    copies = tuple(Copy(copy["framedb_id"], copy["framedb_type"]) for copy in row.copies)
    return ObjectRoute(row.key, row.framedb_id, row.framedb_type, copies, row.size, row.metadata)
