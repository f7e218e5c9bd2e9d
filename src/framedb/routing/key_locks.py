"""`KeyLocks`: one writer of a key at a time, among all processes that share a registry.

On SQLite that is one machine, and a lock is a file beside the database; else it is a lock of the database server. Both are
free again the moment their holder dies: nobody waits for a time to run out.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Engine

from framedb.disk import is_full
from framedb.errors import ConflictError, StoreError, StoreFullError, StoreUnavailableError
from framedb.locks import Locks
from framedb.registry import server_locks


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
        taken = server_locks.held(
            self._engine, list(known), wait=wait, conflict=lambda name: _held_by_others(known[name], wait)
        )
        with self._holders, taken:
            yield


def _name_of(key: str) -> str:
    """Fit for a file, and short enough for a server (64 characters, with the prefix)."""
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def _held_by_others(key: str, wait: float) -> ConflictError:
    return ConflictError(f"{key} has been written by others for over {wait:g} s: try again")


def _unusable(folder: Path, error: OSError) -> StoreError:
    if is_full(error):
        return StoreFullError(f"the disk of {folder} is full: give it more room")
    return StoreUnavailableError(f"{folder} cannot be used: {error.strerror}")
