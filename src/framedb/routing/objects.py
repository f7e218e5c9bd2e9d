"""Where objects are: those with a row of their own, because they were written through the object service, or as durable."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, Row, Text, delete, insert, select, type_coerce, update

from framedb.errors import ConflictError, InvalidInputError, NotFoundError
from framedb.frame import check_key, utc_now
from framedb.registry import reading, write
from framedb.registry.tables import objects
from framedb.routing import filters
from framedb.routing.checks import MAX_OBJECT_DOCUMENT_BYTES, check_document, check_limit, check_name
from framedb.routing.locator import Copy, InstanceType, ObjectRoute

_FIELDS: dict[str, filters.Field] = {
    "object_id": (objects.c.key, filters.key),
    "framedb_id": (objects.c.framedb_id, filters.label),
    "framedb_type": (objects.c.framedb_type, filters.label),
    "size": (objects.c.size, filters.number),
}
_PAGE = 500  # rows that name an instance, changed in one transaction


class ObjectRoutes:
    """Routes of objects. An object is in one place or several; the first named is where it was written.

    Whoever writes down that an object is in a persistent instance takes away what a cluster of memory still holds under its
    key, unless the row names that copy: this class changes rows only.
    """

    _engine: Engine

    def object(self, key: str) -> ObjectRoute | None:
        """Where the object is; None for a key that has no row of its own."""
        with reading(self._engine) as connection:
            return _object_of(connection, key)

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

        `copies` are by default the one place named; `size` is in bytes. Raises InvalidKeyError, and InvalidInputError for an
        unknown type, an illegal framedb_id, or metadata that are no JSON object.
        """
        here = Copy(framedb_id, framedb_type)
        route = _checked(
            ObjectRoute(check_key(key), framedb_id, framedb_type, (here, *(copies or ())), size, metadata or {})
        )
        return write(self._engine, lambda connection: _store_object(connection, route.key, _columns(route)))

    def exchange_object(self, route: ObjectRoute) -> ObjectRoute | None:
        """Write the route down, and what stood there before, for whoever takes the copies away that it named.

        Errors as `register_object`.
        """
        check_key(route.key)
        here = Copy(route.framedb_id, route.framedb_type)
        new = _checked(replace(route, copies=(here, *route.copies)))

        def store(connection: Connection) -> ObjectRoute | None:
            old = _object_of(connection, new.key, lock=True)
            _store_object(connection, new.key, _columns(new))
            return old

        return write(self._engine, store)

    def forget_lapsed(self, route: ObjectRoute) -> bool:
        """Forget where an object is that was found to be nowhere, unless its row was written since; whether that was done."""

        def forget(connection: Connection) -> bool:
            now = _object_of(connection, route.key, lock=True)
            if now is None or (now, now.updated_at) != (route, route.updated_at):
                return False
            return bool(connection.execute(delete(objects).where(objects.c.key == route.key)).rowcount)

        return write(self._engine, forget)

    def exchange_stored(self, sizes: Mapping[str, int], framedb_id: str) -> list[ObjectRoute]:
        """Write down that the persistent instance holds objects of these keys and sizes, and what stood there before.

        All in one transaction.
        """
        routes = [
            ObjectRoute(key, framedb_id, "storage", (Copy(framedb_id, "storage"),), size)
            for key, size in sorted(sizes.items())
        ]

        def store(connection: Connection) -> list[ObjectRoute]:
            replaced = []
            for route in routes:
                old = _object_of(connection, route.key, lock=True)
                _store_object(connection, route.key, _columns(route))
                replaced += [old] if old is not None else []
            return replaced

        return write(self._engine, store)

    def update_object(self, key: str, fields: Mapping[str, Any]) -> ObjectRoute:
        """The object with these of framedb_id, framedb_type, copies, size and metadata; what is not given stays.

        Where it is said to be is one of its copies from then on. Raises NotFoundError, and InvalidInputError for any other
        field.
        """
        for name in fields:
            if name not in ("framedb_id", "framedb_type", "copies", "size", "metadata"):
                raise InvalidInputError(f"an object has no field {name!r} that could be updated")
        given = dict(fields)
        if "metadata" in given:
            given["metadata"] = given["metadata"] or {}

        def change(old: ObjectRoute) -> ObjectRoute:
            new = replace(old, **given)
            here = Copy(new.framedb_id, new.framedb_type)
            former = Copy(old.framedb_id, old.framedb_type)
            others = [copy for copy in new.copies if "copies" in given or copy != former or copy == here]
            return _checked(replace(new, copies=(here, *others)))

        return self._change(key, change)

    def remove_object(self, key: str) -> bool:
        """Forget where the object is; whether there was a row."""
        return write(
            self._engine,
            lambda connection: bool(connection.execute(delete(objects).where(objects.c.key == key)).rowcount),
        )

    def remove_objects(self, keys: Sequence[str]) -> list[ObjectRoute]:
        """Forget where the objects are, all in one transaction; the routes there were, by key."""

        def remove(connection: Connection) -> list[ObjectRoute]:
            found = select(objects).where(objects.c.key.in_(keys)).order_by(objects.c.key).with_for_update()
            routes = [_object(row) for row in connection.execute(found)]
            connection.execute(delete(objects).where(objects.c.key.in_(keys)))
            return routes

        return write(self._engine, remove)

    def list_objects(self, prefix: str = "", *, after: str = "", limit: int = 1000) -> list[ObjectRoute]:
        """Up to `limit` objects whose keys begin with `prefix`, in the order of their bytes, from behind the key `after`."""
        query = select(objects).where(objects.c.key > after).order_by(objects.c.key).limit(limit)
        if prefix:
            start = prefix.encode()
            query = query.where(objects.c.key >= start, objects.c.key < start + b"\xff")  # no byte of UTF-8 is 0xff
        with reading(self._engine) as connection:
            return [_object(row) for row in connection.execute(query)]

    def query_objects(
        self, wanted: Mapping[str, Any] | None = None, *, after: str = "", limit: int = 1000
    ) -> list[ObjectRoute]:
        """Up to `limit` objects that equal every value `wanted`, in the order of their keys, from behind the key `after`.

        Filters are by object_id, framedb_id, framedb_type and size. Raises InvalidInputError for others, or operators.
        """
        query = select(objects).where(objects.c.key > after, *filters.conditions(wanted, _FIELDS))
        with reading(self._engine) as connection:
            found = connection.execute(query.order_by(objects.c.key).limit(check_limit(limit)))
            return [_object(row) for row in found]

    # Copies

    def add_copy(self, key: str, framedb_id: str, framedb_type: InstanceType) -> ObjectRoute:
        """The object, which is in this place too. Raises NotFoundError."""
        copy = Copy(framedb_id, framedb_type)
        return self._change(key, lambda old: _checked(replace(old, copies=(*old.copies, copy))))

    def remove_copy(self, key: str, framedb_id: str, framedb_type: InstanceType | None = None) -> ObjectRoute:
        """The object, which is in this place no more (of any type, if none is named).

        If it was written there, the next of its copies takes that part. Raises NotFoundError for an unknown object or copy,
        ConflictError for the only one: an object that is nowhere is removed instead.
        """

        def change(old: ObjectRoute) -> ObjectRoute:
            left = [copy for copy in old.copies if not _names(copy, framedb_id, framedb_type)]
            if len(left) == len(old.copies):
                raise NotFoundError("Copy does not exist")
            if not left:
                raise ConflictError(f"{framedb_id} is the only place that holds the object: delete the object instead")
            return replace(old, framedb_id=left[0].framedb_id, framedb_type=left[0].framedb_type, copies=tuple(left))

        return self._change(key, change)

    def copy_exists(self, key: str, framedb_id: str, framedb_type: InstanceType | None = None) -> bool:
        """Whether the object is in this place."""
        route = self.object(key)
        return route is not None and any(_names(copy, framedb_id, framedb_type) for copy in route.copies)

    def forget_copies(self, framedb_id: str, framedb_type: InstanceType) -> int:
        """An instance is gone, and every copy in it; objects that were nowhere else are forgotten. How many were changed."""
        changed = 0
        for page in self._naming(framedb_id):

            def change(connection: Connection, page: list[str] = page) -> int:
                return sum(_forget_copy(connection, key, framedb_id, framedb_type) for key in page)

            changed += write(self._engine, change)
        return changed

    def _naming(self, framedb_id: str) -> Iterator[list[str]]:
        """Keys of objects that name the instance, a page at a time. Copies are text: every row is looked at."""
        after = ""
        while True:
            pattern = f'%"{framedb_id.replace("_", "|_")}"%'
            names = type_coerce(objects.c.copies, Text).like(pattern, escape="|")
            query = select(objects.c.key).where(objects.c.key > after, names)
            with reading(self._engine) as connection:
                page = list(connection.scalars(query.order_by(objects.c.key).limit(_PAGE)))
            if not page:
                return
            yield page
            after = page[-1]

    def _change(self, key: str, change: Callable[[ObjectRoute], ObjectRoute]) -> ObjectRoute:
        def apply(connection: Connection) -> ObjectRoute:
            old = _object_of(connection, key, lock=True)
            if old is None:
                raise NotFoundError("No document found")
            new = change(old)
            if new != old:
                _store_object(connection, key, _columns(new))
            return new

        return write(self._engine, apply)


def _checked(route: ObjectRoute) -> ObjectRoute:
    """The route with each copy once, if a row can hold it."""
    for copy in route.copies:
        if not isinstance(copy, Copy):
            raise InvalidInputError("copies must be a list of {framedb_id, framedb_type}")
        if copy.framedb_type not in ("in-memory", "storage"):
            raise InvalidInputError(f"Unsupported type: {copy.framedb_type}: give in-memory or storage")
        check_name("framedb_id", copy.framedb_id)
    size = route.size
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63):
        raise InvalidInputError("size must be a number of bytes")
    metadata = check_document("metadata", route.metadata, max_bytes=MAX_OBJECT_DOCUMENT_BYTES)
    copies = tuple(dict.fromkeys(route.copies))
    if len(copies) > 1000:
        raise InvalidInputError(f"an object has at most 1000 copies, not {len(copies)}")
    return replace(route, copies=copies, metadata=metadata)


def _names(copy: Copy, framedb_id: str, framedb_type: InstanceType | None) -> bool:
    return copy.framedb_id == framedb_id and framedb_type in (None, copy.framedb_type)


def _forget_copy(connection: Connection, key: str, framedb_id: str, framedb_type: InstanceType) -> int:
    route = _object_of(connection, key, lock=True)
    if route is None or Copy(framedb_id, framedb_type) not in route.copies:
        return 0
    left = tuple(copy for copy in route.copies if not _names(copy, framedb_id, framedb_type))
    if left:
        new = replace(route, framedb_id=left[0].framedb_id, framedb_type=left[0].framedb_type, copies=left)
        _store_object(connection, key, _columns(new))
    else:
        connection.execute(delete(objects).where(objects.c.key == key))
    return 1


def _columns(route: ObjectRoute) -> dict[str, Any]:
    return {
        "framedb_id": route.framedb_id,
        "framedb_type": route.framedb_type,
        "copies": [{"framedb_id": copy.framedb_id, "framedb_type": copy.framedb_type} for copy in route.copies],
        "size": route.size,
        "metadata": dict(route.metadata),
        "updated_at": utc_now(),
    }


def _store_object(connection: Connection, key: str, columns: Mapping[str, Any]) -> bool:
    """Over any earlier row of the key; True if there was none."""
    if connection.execute(update(objects).where(objects.c.key == key).values(**columns)).rowcount:
        return False
    connection.execute(insert(objects).values(key=key, created_at=columns["updated_at"], **columns))
    return True


def _object_of(connection: Connection, key: str, *, lock: bool = False) -> ObjectRoute | None:
    query = select(objects).where(objects.c.key == key)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _object(row)


def _object(row: Row[Any]) -> ObjectRoute:
    copies = tuple(Copy(copy["framedb_id"], copy["framedb_type"]) for copy in row.copies)
    return ObjectRoute(row.key, row.framedb_id, row.framedb_type, copies, row.size, row.metadata, row.updated_at)
