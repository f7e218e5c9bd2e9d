"""`OpenInstances`: instances a writer has open, of which it keeps those that are used most."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from cachetools import LFUCache
from sqlalchemy.engine import make_url

from framedb.compat.instance_urls import connection_of, url_of
from framedb.config import read_settings
from framedb.errors import InvalidInputError, NotFoundError, StoreUnavailableError
from framedb.redaction import redacted
from framedb.resp import MasterClient
from framedb.stores.base import KEEP
from framedb.stores.memory import MemoryStore
from framedb.stores.sql import SQLStore

Kind = Literal["in-memory", "storage"]

_SQLITE = "sqlite:///"


class Instances(Protocol):
    """Tells where instances are: `FrameDBClusterClient`, or something like it."""

    def get_instance_by_id(self, framedb_id: str) -> dict[str, Any]:
        """An in-memory one."""

    def get_persistent_instance_by_id(self, framedb_id: str) -> dict[str, Any]:
        """A persistent one."""


@dataclass(slots=True)
class _Opened:
    """A store, and who uses it."""

    store: Any
    users: int = 0
    evicted: bool = False


@dataclass(slots=True)
class _Opening:
    """One thread opens what others wait for."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0


class OpenInstances:
    """Stores by kind and framedb_id, the least frequently used closed when there are too many. Thread-safe.

    One that is evicted while it is used is closed when it is not.
    """

    def __init__(self, instances: Instances, *, size: int) -> None:
        """`size` is how many are open at most, beside those in use."""
        self._instances = instances
        self._settings = read_settings()
        self._lock = threading.Lock()
        self._opening: dict[tuple[Kind, str], _Opening] = {}
        self._open: _Cache = _Cache(size, self._evict)
        self._to_close: list[Any] = []

    @contextmanager
    def memory(self, framedb_id: str) -> Iterator[MemoryStore]:
        """The in-memory instance, while the block runs. Raises NotFoundError, StoreUnavailableError."""
        with self._using(("in-memory", framedb_id), lambda: self._open_memory(framedb_id)) as store:
            yield store

    @contextmanager
    def storage(self, framedb_id: str) -> Iterator[SQLStore]:
        """The persistent instance, while the block runs. Raises NotFoundError, StoreUnavailableError."""
        with self._using(("storage", framedb_id), lambda: self._open_storage(framedb_id)) as store:
            yield store

    def __len__(self) -> int:
        with self._lock:
            return len(self._open)

    def close(self) -> None:
        """Close what nobody uses, and the rest when its user is done."""
        with self._lock:
            while self._open:
                self._open.popitem()
        self._close_evicted()

    @contextmanager
    def _using(self, name: tuple[Kind, str], opens: Callable[[], Any]) -> Iterator[Any]:
        opened = self._take(name, opens)
        try:
            yield opened.store
        except (StoreUnavailableError, NotFoundError):
            self._forget(name, opened)  # it may be elsewhere by now: its address is asked for again
            raise
        finally:
            with self._lock:
                opened.users -= 1
                if opened.evicted and not opened.users:
                    self._to_close.append(opened.store)
            self._close_evicted()

    def _take(self, name: tuple[Kind, str], opens: Callable[[], Any]) -> _Opened:
        opened = self._known(name)
        if opened is not None:
            return opened
        with self._lock:
            opening = self._opening.setdefault(name, _Opening())
            opening.waiting += 1
        try:
            with opening.lock:
                opened = self._known(name)
                if opened is None:
                    opened = _Opened(opens(), users=1)
                    with self._lock:
                        self._open[name] = opened
                return opened
        finally:
            with self._lock:
                opening.waiting -= 1
                if not opening.waiting:
                    self._opening.pop(name, None)
            self._close_evicted()

    def _known(self, name: tuple[Kind, str]) -> _Opened | None:
        with self._lock:
            opened: _Opened | None = self._open.get(name)
            if opened is not None:
                opened.users += 1
            return opened

    def _forget(self, name: tuple[Kind, str], opened: _Opened) -> None:
        with self._lock:
            if self._open.get(name) is opened:
                del self._open[name]
            opened.evicted = True

    def _evict(self, opened: _Opened) -> None:
        """Called under the lock."""
        opened.evicted = True
        if not opened.users:
            self._to_close.append(opened.store)

    def _close_evicted(self) -> None:
        """Outside of the lock: it may take a while."""
        with self._lock:
            stores, self._to_close = self._to_close, []
        for store in stores:
            store.close()

    def _open_memory(self, framedb_id: str) -> MemoryStore:
        def locate() -> Any:
            found = _data(framedb_id, self._instances.get_instance_by_id(framedb_id))
            return connection_of(found, site=self._settings.cluster_id)

        master = MasterClient(locate, timeout=self._settings.connect_timeout, wait=self._settings.wait)
        master.connection  # noqa: B018  # an instance that is not there is not kept
        return MemoryStore(master)

    def _open_storage(self, framedb_id: str) -> SQLStore:
        found = _data(framedb_id, self._instances.get_persistent_instance_by_id(framedb_id))
        url = url_of(found, site=self._settings.cluster_id)
        if not url:
            raise StoreUnavailableError(f"instance {framedb_id} has no URL: try again, or look at its service")
        if url.startswith(_SQLITE) and not _exists(url):
            raise InvalidInputError(
                f"instance {framedb_id} is a file of another machine or user: write through ObjectsAPI, or give its node a "
                f"TIDB_URL"
            )
        ttl = found.get("default_ttl_s")  # an older service does not tell
        return SQLStore.open(url, default_ttl=KEEP if ttl is None else ttl)


class _Cache(LFUCache[tuple[Kind, str], _Opened]):
    """Tells what it evicts."""

    def __init__(self, size: int, evicted: Callable[[_Opened], None]) -> None:
        super().__init__(size)
        self._evicted = evicted

    def popitem(self) -> tuple[tuple[Kind, str], _Opened]:
        """As `LFUCache.popitem`."""
        name, opened = super().popitem()
        self._evicted(opened)
        return name, opened


def _data(framedb_id: str, answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("success"):
        found: dict[str, Any] = answer["data"]
        return {"framedb_id": framedb_id, **found}
    why = str(answer.get("error") or "no reason was given")
    if why.startswith("No document found"):
        raise NotFoundError(f"FrameDB instance not found: {framedb_id}")
    raise StoreUnavailableError(f"instance {framedb_id} could not be looked up: {redacted(why)}")


def _exists(url: str) -> bool:
    return Path(make_url(url).database or "").is_file()
