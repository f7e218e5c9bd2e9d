"""Opening a SQL database: SQLite in a file, or any server of the MySQL protocol (TiDB, MariaDB, MySQL).

Reading and writing are told apart here, because the databases need to be told: a SQLite transaction that begins as a
reader cannot always become a writer, and a MySQL one should see what others have committed when it writes.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import pymysql
import pymysql.converters
from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import URL, make_url

from framedb.errors import FrameDBError, InvalidSettingError, StoreError, StoreFullError, StoreUnavailableError
from framedb.redaction import redacted
from framedb.registry.room import limit_growth, log_pages
from framedb.registry.turns import Turns

logger = logging.getLogger(__name__)
T = TypeVar("T")

_WRITE = "framedb_write"  # execution option of a connection whose transaction will write
_TURNS = "framedb_turns"  # execution option of a SQLite engine: its `Turns`
_ATTEMPTS = 10  # of a transaction that lost to another one
_PAUSE = 0.01  # seconds before the second attempt; longer each time

_CONFLICTS = {1020, 1205, 1213, 8002, 8022, 9007}
"""Record changed (MariaDB snapshot), lock wait, deadlock; TiDB: cannot retry itself, cannot commit, write conflict."""
_AWAY = {
    1040, 1044, 1045, 1049, 1053, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1290, 1862, 3118, 4151, 9001, 9002, 9005
}  # fmt: skip
"""Too many connections, access denied, account locked, no such database, shutting down, network; TiDB: its parts time out."""
_FULL = {1021, 1041, 1114, 1037, 1038}
"""Disk full, out of memory, table full."""


def open_engine(
    url: str, *, page_size: int | None = None, timeout: float = 10.0, pool_size: int = 20, synced: bool = True
) -> Engine:
    """A pool of connections to the database that `sqlite:///path` or `mysql://user:password@host:port/database` names.

    A SQLite file is made if it is not there, for its owner's eyes only. `page_size` (bytes) is given where it keeps frames,
    and holds for a new file: 65536. Such a file leaves room on its disk (see `room`). `timeout` is in seconds: to connect,
    for each reply, and to wait for another writer. Not `synced`: what was committed to SQLite outlives this process, not the
    loss of power, and costs a hundredth of the time.
    Whoever opens it disposes of it: `engine.dispose()`. Raises InvalidSettingError for any other URL.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, page_size=page_size, timeout=timeout, pool_size=pool_size, synced=synced)
    return _open_mysql(parsed, timeout=timeout, pool_size=pool_size)


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose statements all see the database as it was at the first of them. It must not write."""
    with translated(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection whose statements are committed together at the end, or not at all if the block raises.

    One block is one attempt: what may lose to another writer goes through `write`.
    """
    with translated(engine), _writing(engine) as connection:
        yield connection


def write(engine: Engine, operation: Callable[[Connection], T]) -> T:
    """The result of `operation(connection)`, committed; repeated from its beginning where another writer came first.

    So the operation must do nothing but SQL, and may raise IntegrityError to be tried again.
    """
    with translated(engine):
        for attempt in range(1, _ATTEMPTS):
            try:
                with _writing(engine) as connection:
                    return operation(connection)
            except exc.DBAPIError as error:
                if not _lost_to_another_writer(error):
                    raise
                logger.debug("write tried again", extra={"attempt": attempt, "error": redacted(str(error.orig))})
            time.sleep(_PAUSE * attempt)
    with writing(engine) as connection:
        return operation(connection)


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """SQL errors become FrameDB's, with their cause; the message names the database, never its password."""
    where = name_of(engine)
    try:
        yield
    except FrameDBError:
        raise
    except exc.TimeoutError as error:
        raise StoreUnavailableError(f"{where}: every connection is in use; try again, or read less at once") from error
    except exc.DBAPIError as error:
        raise _as_store_error(where, error.orig, lost=error.connection_invalidated) from error
    except (pymysql.MySQLError, sqlite3.Error) as error:  # from a cursor, or while connecting
        raise _as_store_error(where, error, lost=False) from error
    except exc.SQLAlchemyError as error:
        if isinstance(error, exc.StatementError) and isinstance(error.orig, FrameDBError):
            raise error.orig from error  # from a column's type, which refused the value
        raise StoreError(f"{where}: {redacted(str(error))}") from error


def name_of(engine: Engine) -> str:
    """The database's URL, fit to be printed."""
    return engine.url.render_as_string(hide_password=True)


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    turns: Turns | None = engine.get_execution_options().get(_TURNS)
    with turns.of_this_process() if turns else nullcontext(), engine.connect() as connection:
        writer = connection.execution_options(**{_WRITE: True})
        with turns.next_in_line() if turns else nullcontext():
            transaction = writer.begin()
        with transaction:
            yield writer


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):  # a port that is no number; never `from`: it may quote a password
        raise InvalidSettingError(f"{redacted(url)} is no database URL: {_EXAMPLES}") from None
    if parsed.drivername in ("mysql", "mariadb", "tidb"):
        parsed = parsed.set(drivername="mysql+pymysql")
    if parsed.drivername not in ("sqlite", "mysql+pymysql"):
        raise InvalidSettingError(f"{redacted(url)}: {parsed.drivername} is not supported: {_EXAMPLES}")
    if not parsed.database or parsed.database == ":memory:":
        raise InvalidSettingError(f"{redacted(url)} names no database: {_EXAMPLES}")
    return parsed


_EXAMPLES = "give mysql://user:password@host:4000/framedb or sqlite:////path/to/file.db"


def _open_sqlite(url: URL, *, page_size: int | None, timeout: float, pool_size: int, synced: bool) -> Engine:
    path = Path(url.database or "")
    try:
        # The file is made before SQLite would, because SQLite's own would be open to everybody; -wal and -shm take after it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be opened: {error.strerror}") from error
    engine = create_engine(
        url,
        connect_args={"timeout": timeout, "check_same_thread": False},
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout,
        hide_parameters=True,  # in errors and logs: they may be secrets, or a mebibyte
        execution_options={_TURNS: Turns(path, timeout=timeout)},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # Python's own BEGIN comes too late, and never before a SELECT
        if page_size is not None:
            connection.execute(f"PRAGMA page_size = {int(page_size)}")  # before WAL, after which it is fixed
            # Debian's SQLite fills what is removed with zeros: each mebibyte would be written once more, on a full disk too.
            connection.execute("PRAGMA secure_delete = FAST")
            connection.execute(f"PRAGMA wal_autocheckpoint = {log_pages(path, page_size)}")
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is on the disk when it returns.
        connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(
            f"PRAGMA journal_size_limit = {64 * 1024 * 1024}"
        )  # after a large write the WAL shrinks again

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITE, False)
        if writes and page_size is not None:
            limit_growth(connection, path)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _open_mysql(url: URL, *, timeout: float, pool_size: int) -> Engine:
    engine = create_engine(
        url.update_query_dict({"charset": "utf8mb4"}),
        connect_args={
            "connect_timeout": timeout,
            "read_timeout": timeout,
            "write_timeout": timeout,
            # Bytes as x'...': half again as fast to send as escaped ones, and right under every SQL mode.
            "conv": {**pymysql.converters.conversions, bytes: _hex_literal},
        },
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout,
        hide_parameters=True,  # in errors and logs: they may be secrets, or a mebibyte
        pool_recycle=1800,  # seconds: before a proxy or `wait_timeout` drops an idle connection
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: "pymysql.Connection[Any]", _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # UTC: with local time the hour that a clock change repeats would be ambiguous.
            cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Of this transaction only: a writer that looks must see what was committed before it got the lock.
        if connection.get_execution_options().get(_WRITE, False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    return engine


def _hex_literal(value: bytes, _: Any = None) -> str:
    return f"x'{value.hex()}'"


def _lost_to_another_writer(error: exc.DBAPIError) -> bool:
    if isinstance(error, exc.IntegrityError):
        return True
    return _mysql_code(error.orig) in _CONFLICTS


def _mysql_code(error: BaseException | None) -> int | None:
    if isinstance(error, pymysql.MySQLError) and error.args and isinstance(error.args[0], int):
        return error.args[0]
    return None


def _as_store_error(where: str, error: BaseException | None, *, lost: bool) -> StoreError:
    text = redacted(str(error))
    code = _mysql_code(error)
    sqlite_name = getattr(error, "sqlite_errorname", "")
    if sqlite_name == "SQLITE_FULL" or code in _FULL:
        return StoreFullError(f"{where} is full ({text}): delete frames, or give it more room")
    if sqlite_name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreUnavailableError(f"{where} is held by another writer for too long: try again")
    if lost or sqlite_name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_NOTADB")):
        return StoreUnavailableError(f"{where} does not answer: {text}")
    if isinstance(error, pymysql.InterfaceError) or code in _AWAY or _is_client_code(code):
        return StoreUnavailableError(f"{where} does not answer: {text}")
    if code in _CONFLICTS:
        return StoreUnavailableError(f"{where} is too busy with other writers ({text}): try again")
    return StoreError(f"{where}: {text}")


def _is_client_code(code: int | None) -> bool:
    """Whether the driver itself, not the server, failed: no connection, or one lost."""
    return code is not None and 2000 <= code < 3000
