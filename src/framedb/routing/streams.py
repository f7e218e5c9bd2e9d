"""Where streams are: lists of items in clusters of memory."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from framedb.errors import InvalidInputError, NotFoundError
from framedb.frame import check_key, utc_now
from framedb.registry import reading, write
from framedb.registry.tables import streams
from framedb.routing import filters
from framedb.routing.checks import MAX_OBJECT_DOCUMENT_BYTES, check_document, check_limit, check_name
from framedb.routing.locator import StreamRoute

_FIELDS: dict[str, filters.Field] = {
    "queue_name": (streams.c.queue_name, filters.key),
    "framedb_id": (streams.c.framedb_id, filters.label),
}


class StreamRoutes:
    """Routes of streams."""

    _engine: Engine

    def stream(self, queue_name: str) -> StreamRoute | None:
        """Where the stream is; None for one that nobody registered."""
        query = select(streams).where(streams.c.queue_name == queue_name)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _stream(row)

    def register_stream(self, queue_name: str, framedb_id: str, metadata: Mapping[str, Any] | None = None) -> bool:
        """Write down where the stream is, over any earlier row of its name; True if there was none.

        Raises InvalidKeyError, and InvalidInputError for an illegal framedb_id or metadata that are no JSON object.
        """
        check_key(queue_name)
        columns = _checked({"framedb_id": framedb_id, "metadata": metadata})

        def store(connection: Connection) -> bool:
            if _update(connection, queue_name, columns):
                return False
            connection.execute(insert(streams).values(queue_name=queue_name, created_at=utc_now(), **columns))
            return True

        return write(self._engine, store)

    def update_stream(self, queue_name: str, fields: Mapping[str, Any]) -> StreamRoute:
        """The stream with these of framedb_id and metadata; what is not given stays.

        Raises NotFoundError, and InvalidInputError for any other field.
        """
        for name in fields:
            if name not in ("framedb_id", "metadata"):
                raise InvalidInputError(f"a stream has no field {name!r} that could be updated")
        columns = _checked(fields)

        def change(connection: Connection) -> StreamRoute:
            _update(connection, queue_name, columns)
            row = connection.execute(select(streams).where(streams.c.queue_name == queue_name)).one_or_none()
            if row is None:
                raise NotFoundError("No document found")
            return _stream(row)

        return write(self._engine, change)

    def remove_stream(self, queue_name: str) -> bool:
        """Forget where the stream is; whether there was a row."""
        query = delete(streams).where(streams.c.queue_name == queue_name)
        return write(self._engine, lambda connection: bool(connection.execute(query).rowcount))

    def query_streams(
        self, wanted: Mapping[str, Any] | None = None, *, after: str = "", limit: int = 1000
    ) -> list[StreamRoute]:
        """Up to `limit` streams that equal every value `wanted`, in the order of their names, from behind `after`.

        Filters are by queue_name and framedb_id. Raises InvalidInputError for others, or operators.
        """
        query = select(streams).where(streams.c.queue_name > after, *filters.conditions(wanted, _FIELDS))
        with reading(self._engine) as connection:
            found = connection.execute(query.order_by(streams.c.queue_name).limit(check_limit(limit)))
            return [_stream(row) for row in found]

    def forget_streams(self, framedb_id: str) -> int:
        """An instance is gone, and every stream in it. How many there were."""
        query = delete(streams).where(streams.c.framedb_id == framedb_id)
        return write(self._engine, lambda connection: int(connection.execute(query).rowcount))


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = {"updated_at": utc_now()}
    if "framedb_id" in fields:
        columns["framedb_id"] = check_name("framedb_id", fields["framedb_id"])
    if "metadata" in fields:
        columns["metadata"] = check_document("metadata", fields["metadata"], max_bytes=MAX_OBJECT_DOCUMENT_BYTES)
    return columns


def _update(connection: Connection, queue_name: str, columns: Mapping[str, Any]) -> bool:
    return bool(
        connection.execute(update(streams).where(streams.c.queue_name == queue_name).values(**columns)).rowcount
    )


def _stream(row: Row[Any]) -> StreamRoute:
    return StreamRoute(row.queue_name, row.framedb_id, row.metadata)
