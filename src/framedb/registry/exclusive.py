"""Changing tables while no other process does."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from framedb.errors import StoreUnavailableError
from framedb.registry.engine import name_of, translated, writing
from framedb.registry.server_locks import held

_WAIT = 60  # seconds for another process to finish its own upgrade


@contextmanager
def exclusively(engine: Engine, lock: str) -> Iterator[Connection]:
    """A connection that nobody else has at the same time, by this lock's name, in any process.

    In SQLite the whole block is one transaction; a MySQL server commits each change of a table by itself.
    """
    if engine.dialect.name == "sqlite":
        with writing(engine) as connection:  # BEGIN IMMEDIATE is the lock
            yield connection
        return
    busy = f"{name_of(engine)}: another process has been upgrading it for {_WAIT} s"
    with (
        translated(engine),
        held(engine, [lock], wait=_WAIT, conflict=lambda _: StoreUnavailableError(busy)) as connection,
    ):
        yield connection
        connection.commit()
