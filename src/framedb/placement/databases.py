"""Where the databases of persistent instances are: files in the data folder, or on the server of TIDB_URL."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from framedb.errors import StoreUnavailableError
from framedb.registry import open_engine, sqlite_url, turns, writing
from framedb.stores.sql import SQLStore

T = TypeVar("T")

LOCAL = "local"
"""The persistent instance a fresh node has: on a server the database that its URL names, for others there is one beside it."""

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_]{0,47}")  # ids that are part of a database's name as they are


class Databases:
    """Makes and removes the databases of instances, by framedb_id (letters, digits and `. _ -`, checked before)."""

    def __init__(self, data_dir: Path, server_url: str | None) -> None:
        self.folder = data_dir.resolve() / "persistent"
        """Where files are, of mode 0600, called `<framedb_id>.db`."""
        self._server = server_url

    def url(self, framedb_id: str) -> str:
        """How programs open it. It may hold a password."""
        if self._server is None:
            return sqlite_url(self._path(framedb_id))
        url = make_url(self._server).set(drivername="mysql")
        if framedb_id != LOCAL:
            url = url.set(database=database_name(framedb_id))
        return url.render_as_string(hide_password=False)

    def shown(self, framedb_id: str) -> str:
        """What it is called, fit to be printed."""
        return str(self._path(framedb_id)) if self._server is None else f"database {database_name(framedb_id)}"

    def exists(self, framedb_id: str) -> bool:
        """Whether there is one, or something else of its name."""
        if self._server is None:
            return self._path(framedb_id).exists()
        query = text("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = :name")
        name = database_name(framedb_id)
        return bool(self._on_server(lambda connection: connection.scalar(query, {"name": name})))

    def make(self, framedb_id: str) -> None:
        """Make it, with a store's tables."""
        if self._server is None:
            make_folder(self.folder)
        elif framedb_id != LOCAL:
            name = database_name(framedb_id)
            self._on_server(lambda connection: connection.execute(text(f"CREATE DATABASE `{name}`")))
        SQLStore.open(self.url(framedb_id)).close()

    def open(self, framedb_id: str, *, default_ttl: float) -> SQLStore:
        """A store on it, with its tables made where they are missing. `default_ttl` is in seconds."""
        make_folder(self.folder)
        return SQLStore.open(self.url(framedb_id), default_ttl=default_ttl)

    def remove(self, framedb_id: str) -> None:
        """Delete it, if it is there."""
        if self._server is None:
            path = self._path(framedb_id)
            for suffix in ("", "-wal", "-shm", turns.SUFFIX):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        else:
            name = database_name(framedb_id)
            self._on_server(lambda connection: connection.execute(text(f"DROP DATABASE IF EXISTS `{name}`")))

    def _path(self, framedb_id: str) -> Path:
        return self.folder / f"{framedb_id}.db"

    def _on_server(self, statement: Callable[[Connection], T]) -> T:
        assert self._server is not None
        engine = open_engine(self._server)
        try:
            with writing(engine) as connection:
                return statement(connection)
        finally:
            engine.dispose()


def make_folder(folder: Path) -> None:
    """Make the folder, if it is missing. Raises StoreUnavailableError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreUnavailableError(f"{folder} cannot be made: {exc.strerror}") from exc


def database_name(framedb_id: str) -> str:
    """What the database of an instance is called on a server: legal there, and no other instance's."""
    if _PLAIN.fullmatch(framedb_id):
        return f"framedb_{framedb_id}"
    # A server may take names without regard to case, and at most 64 characters. None of the above begins with `framedb__`.
    readable = re.sub(r"[^a-z0-9]", "_", framedb_id.lower())[:24]
    return f"framedb__{readable}_{hashlib.sha256(framedb_id.encode()).hexdigest()[:24]}"
