"""Named locks of a MySQL server. A connection holds them, and they are free again the moment it ends."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, func, select

from framedb.errors import FrameDBError, StoreError
from framedb.registry.engine import translated

logger = logging.getLogger(__name__)

_ASK = 1  # seconds one question may wait in the server, in whole ones: well below what a connection allows for a reply


@contextmanager
def held(
    engine: Engine, names: Sequence[str], *, wait: float, conflict: Callable[[str], FrameDBError]
) -> Iterator[Connection]:
    """A connection that has all of these locks for the block, and nobody else has one. They are taken in their order.

    A name has at most 64 characters; a server has one set of them for all its databases. What the block leaves uncommitted
    is rolled back. Raises `conflict(name)` if somebody else has that one for over `wait` seconds, StoreUnavailableError.
    """
    with translated(engine):
        connection = engine.connect()
    try:
        with translated(engine):
            _acquire(connection, names, wait, conflict)
            connection.commit()
        yield connection
    finally:
        _let_go(engine, connection, names)


def _acquire(
    connection: Connection, names: Sequence[str], wait: float, conflict: Callable[[str], FrameDBError]
) -> None:
    got = _each(connection, [func.get_lock(name, 0) for name in names])
    if got.count(1) == len(names):
        return
    _each(connection, [func.release_lock(name) for name, one in zip(names, got, strict=True) if one == 1])
    deadline = time.monotonic() + wait
    for name in names:
        while _each(connection, [func.get_lock(name, _ASK)]) != [1]:
            if time.monotonic() > deadline:
                raise conflict(name)


def _let_go(engine: Engine, connection: Connection, names: Sequence[str]) -> None:
    """Also where some, or none, are held. If the server cannot be told, it learns from the end of the connection."""
    try:
        with translated(engine):
            connection.rollback()
            released = _each(connection, [func.release_lock(name) for name in names])
            connection.commit()
        if released.count(1) != len(names):
            logger.debug("%d of %d locks were held to the end", released.count(1), len(names))
    except StoreError as exc:
        logger.warning("a lock was lost with its connection: %s", exc)
        connection.invalidate()
    finally:
        connection.close()


def _each(connection: Connection, calls: list[object]) -> list[int | None]:
    return list(connection.execute(select(*calls)).one()) if calls else []  # type: ignore[call-overload]
