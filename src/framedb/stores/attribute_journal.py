"""Attributes of the key-value store in a SQLite file, so that they outlive the process."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from framedb.attributes.encoding import decode
from framedb.attributes.journal import Kept, Key
from framedb.locks import Locks
from framedb.registry import open_engine, reading, sqlite_url, writing

_CONFLICT = "{} is open in another key-value store: stop that one, or choose another folder"

_metadata = MetaData()
_attributes = Table(
    "attributes",
    _metadata,
    Column("namespace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    # The AttributeSet of this one alone: what goes over the wire, so that it is encoded once for both.
    Column("encoded", LargeBinary, nullable=False),
    # Milliseconds since 1970, UTC; NULL: never.
    Column("expires_at", BigInteger),
    sqlite_with_rowid=False,
)
_set = insert(_attributes)
_set = _set.on_conflict_do_update(
    index_elements=[_attributes.c.namespace, _attributes.c.name],
    set_={"encoded": _set.excluded.encoded, "expires_at": _set.excluded.expires_at},
)
_delete = delete(_attributes).where(
    _attributes.c.namespace == bindparam("of_namespace"), _attributes.c.name == bindparam("of_name")
)


class SQLiteJournal:
    """A `Journal` in one file of its own.

    What was written outlives the process, however it dies. A machine that loses its power may lose the last moments: to wait
    for the disk at every heartbeat would cost more than what is told by it is worth.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConflictError for a file another store has open, StoreUnavailableError for one that is no database."""
        with ExitStack() as opened:
            opened.enter_context(Locks(path.parent, conflict=_CONFLICT).exclusively(path.name, wait=0.0))
            self._engine = open_engine(sqlite_url(path), pool_size=2, synced=False)
            opened.callback(self._engine.dispose)
            with writing(self._engine) as connection:
                _metadata.create_all(connection)
            self._opened = opened.pop_all()

    def load(self) -> Iterator[Kept]:
        """All entries. Raises StoreError for a file that cannot be read."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_attributes.c.encoded, _attributes.c.expires_at))
            for encoded, expires_at in rows:
                for record in decode(encoded):
                    yield record, expires_at

    def apply(self, sets: Sequence[Kept], deletes: Sequence[Key]) -> None:
        """Write down both, or nothing. Raises StoreFullError for a full disk, StoreUnavailableError, StoreError."""
        with writing(self._engine) as connection:
            if deletes:
                connection.execute(
                    _delete, [{"of_namespace": namespace, "of_name": name} for namespace, name in deletes]
                )
            if sets:
                connection.execute(_set, [_row(kept) for kept in sets])

    def close(self) -> None:
        """Let go of the file."""
        self._opened.close()


def _row(kept: Kept) -> dict[str, object]:
    record, expires_at = kept
    return {
        "namespace": record.namespace,
        "name": record.name,
        "encoded": record.encoded_set(),
        "expires_at": expires_at,
    }
