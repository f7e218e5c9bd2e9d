"""`KeyLocks`: one writer of a key at a time, among all processes that share a registry.

On SQLite that is one machine, and a lock is a file beside the database; else it is a lock of the database server. Both are
free again the moment their holder dies: nobody waits for a time to run out.
"""

import errno
import hashlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select

from framedb.errors import ConflictError, StoreError, StoreFullError, StoreUnavailableError
from framedb.locks import Locks
from framedb.registry.engine import translated

logger = logging.getLogger(__name__)

_ASK = 2  # seconds one question may wait in the server: well below what a connection allows for a reply


class KeyLocks:
    """Holds keys for those who write, or remove, what is under them."""

    def __init__(self, engine: Engine, *, wait: float = 30.0) -> None:
        """`wait`: seconds at most for others, who may themselves wait for an instance that does not answer."""
        self._wait = wait
        self._threads = _ThreadLocks()
        self._others: _FileLocks | _ServerLocks = (
            _FileLocks(Path(f"{engine.url.database}-locks"))
            if engine.dialect.name == "sqlite"
            else _ServerLocks(engine)
        )

    @contextmanager
    def of(self, keys: Sequence[str]) -> Iterator[None]:
        """Nobody else is in a block of one of the keys meanwhile. Who is in one must not ask for another.

        Raises ConflictError if somebody else holds one for too long, StoreUnavailableError if the registry does not answer.
        """
        # In one order for all, so that nobody waits in a circle. Threads first: they wait for each other without polling.
        names = sorted({_name_of(key): key for key in keys}.items())
        with ExitStack() as held:
            for name, key in names:
                held.enter_context(self._threads.of(name, key, self._wait))
            held.enter_context(self._others.of(names, self._wait))
            yield


class _ThreadLocks:
    """A lock per name, for as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def of(self, name: str, key: str, wait: float) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = lock, users + 1
        try:
            if not lock.acquire(timeout=wait):
                raise _held_by_others(key, wait)
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._guard:
                lock, users = self._locks[name]
                if users == 1:
                    del self._locks[name]
                else:
                    self._locks[name] = lock, users - 1


class _FileLocks:
    """A file per name, while it is held."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = Locks(folder, conflict="{}")

    def of(self, names: Sequence[tuple[str, str]], wait: float) -> AbstractContextManager[object]:
        with ExitStack() as held:
            for name, key in names:
                try:
                    held.enter_context(self._files.exclusively(name, wait))
                except ConflictError as exc:
                    raise _held_by_others(key, wait) from exc
                except OSError as exc:
                    raise _unusable(self._folder, exc) from exc
                held.callback(self._files.forget, name)
            return held.pop_all()


class _ServerLocks:
    """Named locks of a server, held by a connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # A holder keeps a connection, and needs others of the pool to do its work.
        self._holders = threading.BoundedSemaphore(max(1, engine.pool.size() // 2))  # type: ignore[attr-defined]
        # A server has one set of names for all of its databases.
        self._prefix = hashlib.sha256(str(engine.url.database).encode()).hexdigest()[:16]

    @contextmanager
    def of(self, names: Sequence[tuple[str, str]], wait: float) -> Iterator[None]:
        known = {f"{self._prefix}{name}": key for name, key in names}
        with self._holders:
            with translated(self._engine):
                connection = self._engine.connect()
            try:
                with translated(self._engine):
                    _acquire_all(connection, known, wait)
                    connection.commit()
                yield
            finally:
                self._let_go(connection, list(known))

    def _let_go(self, connection: Connection, names: list[str]) -> None:
        """Also where some, or none, are held. If the server cannot be told, it learns from the end of the connection."""
        try:
            with translated(self._engine):
                released = _each(connection, [func.release_lock(name) for name in names])
                connection.commit()
            if released.count(1) != len(names):
                logger.debug("%d of %d keys were held to the end", released.count(1), len(names))
        except StoreError as exc:
            logger.warning("the hold on a key was lost with its connection: %s", exc)
            connection.invalidate()
        finally:
            connection.close()


def _acquire_all(connection: Connection, names: dict[str, str], wait: float) -> None:
    """Hold the names, in their order. Raises ConflictError."""
    got = _each(connection, [func.get_lock(name, 0) for name in names])
    if got.count(1) == len(names):
        return
    _each(connection, [func.release_lock(name) for name, one in zip(names, got, strict=True) if one == 1])
    deadline = time.monotonic() + wait
    for name, key in names.items():
        while _each(connection, [func.get_lock(name, _ASK)]) != [1]:
            if time.monotonic() > deadline:
                raise _held_by_others(key, wait)


def _each(connection: Connection, calls: list[object]) -> list[int | None]:
    return list(connection.execute(select(*calls)).one()) if calls else []  # type: ignore[call-overload]


def _name_of(key: str) -> str:
    """Fit for a file, and short enough for a server (64 characters, with the prefix)."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def _held_by_others(key: str, wait: float) -> ConflictError:
    return ConflictError(f"{key} has been written by others for over {wait:g} s: try again")


def _unusable(folder: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(f"the disk of {folder} is full: give it more room")
    return StoreUnavailableError(f"{folder} cannot be used: {error.strerror}")
