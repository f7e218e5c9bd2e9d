"""Persistent instances: SQL databases for durable objects, each a SQLite file here or a database on the server of TIDB_URL.

A row comes before its database and goes after it, so that a crash leaves a trace: what was begun and not finished is undone
(`creating`) or finished (`removing`) by `reconcile`. Whoever changes an instance holds a lock that its death frees.
"""

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from framedb.errors import AlreadyExistsError, ConflictError, FrameDBError, InvalidInputError, NotFoundError
from framedb.frame import utc_now
from framedb.locks import Locks
from framedb.placement.databases import LOCAL, Databases
from framedb.registry import reading, write
from framedb.registry.tables import persistent_instances
from framedb.routing import SQLLocator, filters
from framedb.routing.checks import MAX_OBJECT_DOCUMENT_BYTES, check_document, check_limit, check_name
from framedb.stores.base import KEEP
from framedb.stores.sql import SQLStore

logger = logging.getLogger(__name__)

CREATING, READY, REMOVING = "creating", "ready", "removing"
_WAIT = 30.0  # seconds for somebody else to finish with the same instance
_SIZE = re.compile(r"\d{1,15}(\.\d{1,6})?([KMGTPE]i?|[kmgtpe])?B?")
_FIELDS: dict[str, filters.Field] = {
    "framedb_id": (persistent_instances.c.framedb_id, filters.label),
    "node_id": (persistent_instances.c.node_tag, filters.label),
    "cluster_id": (persistent_instances.c.site, filters.label),
    "status": (persistent_instances.c.state, filters.label),
    "storage_size": (persistent_instances.c.storage_size, filters.label),
}


@dataclass(frozen=True, slots=True)
class PersistentInstance:
    """One persistent instance."""

    framedb_id: str
    node_tag: str
    """Where it runs."""
    site: str
    """`cluster_id` on the wire: it is reached from there by its local URL."""
    state: str
    """`creating`, `ready` or `removing`."""
    storage_size: str | None
    """As its creator wrote it, like `10Gi`. It is recorded; the database may grow past it."""
    settings: Mapping[str, Any]
    """`default_ttl_s`: seconds an object is kept that is put without a TTL. Without it: for ever."""
    metadata: Mapping[str, Any]
    """The creator's own JSON object."""
    url: str = field(repr=False)
    """How programs open it; it may hold a password."""
    created_at: datetime = field(compare=False)


class PersistentInstances:
    """Persistent instances by framedb_id. An in-memory instance of the same id is another one.

    On SQLite an instance is a file in `<data_dir>/persistent`, else a database on the server of `tidb_url`: `local` the one
    that URL names, others beside it.
    """

    def __init__(self, engine: Engine, data_dir: Path, tidb_url: str | None = None, installation: str = LOCAL) -> None:
        self._engine = engine
        self._databases = Databases(data_dir, tidb_url)
        self._locks = Locks(
            self._databases.folder / "locks",
            conflict="persistent instance {} is being changed by others: try again",
        )
        self._installation = installation
        self._lock = threading.Lock()
        self._stores: dict[str, SQLStore] = {}

    # Making and removing

    def create(
        self,
        framedb_id: str,
        *,
        node_tag: str = "local",
        site: str = "local",
        storage_size: str | None = None,
        settings: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> PersistentInstance:
        """A new instance, once objects can be put there.

        Raises InvalidInputError, AlreadyExistsError, ConflictError where its file or database is there without being
        registered, or others are at it, and StoreUnavailableError; then nothing of it is left.
        """
        row = {
            "framedb_id": check_name("framedb_id", framedb_id),
            "node_tag": check_name("node_id", node_tag),
            "site": check_name("cluster_id", site),
            "storage_size": _check_size(storage_size),
            "settings": check_settings(settings),
            "metadata": check_document("metadata", metadata, max_bytes=MAX_OBJECT_DOCUMENT_BYTES),
        }
        with self._exclusively(framedb_id):
            known = self._row(framedb_id)
            if known is not None and known.state != READY and self._is_ours(known):
                self._forget(framedb_id)  # nobody is at it, or we would not have the lock
                known = None
            if known is not None:
                raise AlreadyExistsError(f"persistent instance {framedb_id} exists already")
            if framedb_id != LOCAL and self._databases.exists(framedb_id):
                raise ConflictError(
                    f"{self._databases.shown(framedb_id)} exists, but nobody registered it: move it away, or take another id"
                )
            self._register(row, CREATING)
            try:
                self._databases.make(framedb_id)
                self._set_state(framedb_id, READY)
            except BaseException:
                with suppress(FrameDBError):  # then `reconcile` does it
                    self._forget(framedb_id)
                raise
        return self.get(framedb_id)

    def ensure_local(self, *, node_tag: str = "local", site: str = "local") -> PersistentInstance:
        """The instance `local`, registered: the node's own, whose database is there or is made when it is opened."""
        row: dict[str, Any] = {
            "framedb_id": LOCAL,
            "node_tag": check_name("node_id", node_tag),
            "site": check_name("cluster_id", site),
            "storage_size": None,
            "settings": {},
            "metadata": {},
        }
        with self._exclusively(LOCAL):
            if self._row(LOCAL) is None:
                with suppress(AlreadyExistsError):  # by another node of the same registry
                    self._register(row, READY)
        return self.get(LOCAL)

    def remove(self, framedb_id: str) -> None:
        """Delete the instance with every object in it, and the routes of these.

        Cut short, it is finished by calling it again. Raises NotFoundError, and ConflictError for `local`, the node's own.
        """
        if framedb_id == LOCAL:
            raise ConflictError(f"persistent instance {LOCAL} is the node's own and cannot be removed")
        self._known(framedb_id)
        with self._exclusively(framedb_id):
            self._known(framedb_id)
            self._set_state(framedb_id, REMOVING)
            SQLLocator(self._engine).forget_copies(framedb_id, "storage")
            self._forget(framedb_id)
            self._locks.forget(framedb_id)

    def reconcile(self) -> None:
        """Undo creations that were cut short, and finish removals: those of this installation that nobody is at."""
        for row in self._rows(persistent_instances.c.state != READY):
            if not self._is_ours(row):
                continue
            try:
                with self._exclusively(row.framedb_id, wait=0.0):
                    now = self._row(row.framedb_id)
                    if now is not None and now.state != READY:
                        logger.warning(
                            "clearing a persistent instance", extra={"id": row.framedb_id, "state": now.state}
                        )
                        SQLLocator(self._engine).forget_copies(row.framedb_id, "storage")
                        self._forget(row.framedb_id)
            except ConflictError:
                continue
            except FrameDBError as exc:
                logger.warning("a persistent instance cannot be cleared: %s", exc, extra={"id": row.framedb_id})

    # Looking

    def get(self, framedb_id: str) -> PersistentInstance:
        """One instance. Raises NotFoundError."""
        return self._instance(self._known(framedb_id))

    def list(self, *, node_tag: str | None = None, site: str | None = None) -> Sequence[PersistentInstance]:
        """Every instance, or those of a node tag or site, by id."""
        wanted = {"node_id": node_tag, "cluster_id": site}
        conditions = filters.conditions({name: value for name, value in wanted.items() if value is not None}, _FIELDS)
        return [self._instance(row) for row in self._rows(*conditions)]

    def query(
        self, wanted: Mapping[str, Any] | None = None, *, after: str = "", limit: int = 1000
    ) -> Sequence[PersistentInstance]:
        """Up to `limit` instances that equal every value `wanted`, by id, from behind the id `after`.

        Filters are by framedb_id, node_id, cluster_id, status and storage_size. Raises InvalidInputError for others, or
        operators.
        """
        rows = self._rows(
            persistent_instances.c.framedb_id > after, *filters.conditions(wanted, _FIELDS), limit=check_limit(limit)
        )
        return [self._instance(row) for row in rows]

    def url(self, framedb_id: str) -> str:
        """How programs open it: `sqlite:////path`, or `mysql://user:password@host:port/database`. Raises NotFoundError."""
        return self.get(framedb_id).url

    # Using

    def store(self, framedb_id: str) -> SQLStore:
        """Its frames and objects; closed in `close`. Raises NotFoundError, ConflictError if it is not ready."""
        row = self._known(framedb_id)
        if row.state != READY:
            raise ConflictError(f"persistent instance {framedb_id} is {row.state}: wait until it is ready, or gone")
        ttl = row.settings.get("default_ttl_s")
        default_ttl = KEEP if ttl is None else ttl
        with self._lock:
            store = self._stores.get(framedb_id)
            if store is None:
                store = self._stores[framedb_id] = self._databases.open(framedb_id, default_ttl=default_ttl)
            store.default_ttl = default_ttl  # it may have been changed since, by another process too
            return store

    def set_config(self, framedb_id: str, config: Mapping[str, Any]) -> PersistentInstance:
        """The instance with these of its settings; others stay. Raises NotFoundError, InvalidInputError."""
        given = check_settings(config)
        with self._exclusively(framedb_id):
            row = self._known(framedb_id)
            self._change(framedb_id, settings={**row.settings, **given})
        return self.get(framedb_id)

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            stores, self._stores = list(self._stores.values()), {}
        for store in stores:
            store.close()

    # Rows

    def _row(self, framedb_id: str) -> Row[Any] | None:
        return next(iter(self._rows(persistent_instances.c.framedb_id == framedb_id)), None)

    def _rows(self, *conditions: Any, limit: int | None = None) -> Sequence[Row[Any]]:
        query = select(persistent_instances).where(*conditions).order_by(persistent_instances.c.framedb_id).limit(limit)
        with reading(self._engine) as connection:
            return connection.execute(query).all()

    def _known(self, framedb_id: str) -> Row[Any]:
        row = self._row(check_name("framedb_id", framedb_id))
        if row is None:
            raise NotFoundError("No document found")
        return row

    def _is_ours(self, row: Row[Any]) -> bool:
        return row.installation in (None, self._installation)

    def _register(self, row: Mapping[str, Any], state: str) -> None:
        def store(connection: Connection) -> None:
            query = select(persistent_instances.c.state)
            known = connection.scalar(query.where(persistent_instances.c.framedb_id == row["framedb_id"]))
            if known is not None:
                raise AlreadyExistsError(f"persistent instance {row['framedb_id']} exists already")
            connection.execute(
                insert(persistent_instances).values(
                    **row, state=state, installation=self._installation, created_at=utc_now()
                )
            )

        write(self._engine, store)

    def _set_state(self, framedb_id: str, state: str) -> None:
        self._change(framedb_id, state=state)

    def _change(self, framedb_id: str, **values: Any) -> None:
        query = update(persistent_instances).where(persistent_instances.c.framedb_id == framedb_id).values(**values)
        if not write(self._engine, lambda connection: connection.execute(query).rowcount):
            raise NotFoundError("No document found")

    def _instance(self, row: Row[Any]) -> PersistentInstance:
        return PersistentInstance(
            row.framedb_id, row.node_tag, row.site, row.state, row.storage_size, row.settings, row.metadata,
            self._databases.url(row.framedb_id), row.created_at,
        )  # fmt: skip

    def _forget(self, framedb_id: str) -> None:
        """The database first, its row last."""
        self._close(framedb_id)
        self._databases.remove(framedb_id)
        query = delete(persistent_instances).where(persistent_instances.c.framedb_id == framedb_id)
        write(self._engine, lambda connection: connection.execute(query))

    def _close(self, framedb_id: str) -> None:
        with self._lock:
            store = self._stores.pop(framedb_id, None)
        if store is not None:
            store.close()

    def _exclusively(self, framedb_id: str, *, wait: float = _WAIT) -> AbstractContextManager[None]:
        """Nobody else of this installation changes the instance meanwhile. Raises ConflictError if somebody does for long."""
        return self._locks.exclusively(check_name("framedb_id", framedb_id), wait)


def check_settings(settings: Any) -> dict[str, Any]:
    """`settings` that a persistent instance can have; {} for None. Raises InvalidInputError.

    There is `default_ttl_s` (seconds, over 0, as a number or its digits; null: objects are kept).
    """
    checked = check_document("db_config", settings)
    for name, value in checked.items():
        if name != "default_ttl_s":
            raise InvalidInputError(f"db_config has no setting {name[:60]!r}: there is default_ttl_s")
        checked[name] = None if value is None else _seconds(value)
    return checked


def _seconds(value: Any) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 1e9:
        raise InvalidInputError("db_config setting default_ttl_s must be a number of seconds over 0, or null")
    return seconds


def _check_size(size: Any) -> str | None:
    if size is not None and (not isinstance(size, str) or not _SIZE.fullmatch(size)):
        raise InvalidInputError("storage_size must be a size like 10Gi")
    return size
