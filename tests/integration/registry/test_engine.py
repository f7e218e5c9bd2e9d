"""Databases are opened safely, and what goes wrong with them is said in our words."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, select, text

from framedb.errors import InvalidInputError, InvalidSettingError, StoreError, StoreUnavailableError
from framedb.registry import open_engine, reading, sqlite_url, write, writing
from framedb.registry.tables import clusters
from tests.engines import free_port


@pytest.fixture
def counter(empty_engine: Engine) -> Engine:
    """A table with one number in it."""
    with writing(empty_engine) as connection:
        connection.execute(text("CREATE TABLE counter (id INT PRIMARY KEY, n INT NOT NULL)"))
        connection.execute(text("INSERT INTO counter VALUES (1, 0)"))
    return empty_engine


def number(engine: Engine) -> int:
    """The number."""
    with reading(engine) as connection:
        return int(connection.scalar(text("SELECT n FROM counter")) or 0)


def test_a_sqlite_file_is_private_and_safe(tmp_path: Path) -> None:
    path = tmp_path / "a folder?" / "metadata.db"
    path.parent.mkdir()
    engine = open_engine(sqlite_url(path))
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (x INT)"))
        pragmas = {
            name: connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    engine.dispose()

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    assert modes == dict.fromkeys(("metadata.db", "metadata.db-shm", "metadata.db-turn", "metadata.db-wal"), 0o600)


def test_writers_that_read_first_lose_no_update(counter: Engine) -> None:
    lock = "" if counter.dialect.name == "sqlite" else " FOR UPDATE"

    def increment() -> None:
        for _ in range(10):
            with writing(counter) as connection:
                n = connection.scalar(text(f"SELECT n FROM counter WHERE id = 1{lock}"))
                connection.execute(text("UPDATE counter SET n = :n"), {"n": int(n or 0) + 1})

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(increment) for _ in range(4)]:
            done.result()

    assert number(counter) == 40


def test_a_block_that_raises_changes_nothing(counter: Engine) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("UPDATE counter SET n = 7"))
        raise KeyError

    with pytest.raises(KeyError):
        write(counter, fail)
    assert number(counter) == 0


def test_a_reader_sees_one_moment(counter: Engine) -> None:
    with reading(counter) as connection:
        before = connection.scalar(text("SELECT n FROM counter"))
        write(counter, lambda writer: writer.execute(text("UPDATE counter SET n = n + 1")))
        assert connection.scalar(text("SELECT n FROM counter")) == before
    assert number(counter) == 1


def test_a_writer_sees_what_was_committed_while_it_waited(counter: Engine) -> None:
    """A server that kept it to its first glance would let it overwrite what it had not seen."""
    started, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with writing(counter) as connection:
            connection.execute(text("UPDATE counter SET n = 5"))
            started.set()
            go_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(slow)
        started.wait(10)
        threading.Timer(0.1, go_on.set).start()
        with writing(counter) as connection:
            connection.execute(text("UPDATE counter SET n = n + 1"))
            assert connection.scalar(text("SELECT n FROM counter")) == 6
        done.result()


def test_a_write_that_loses_to_another_is_done_again(counter: Engine) -> None:
    attempts = []

    def insert_the_same(connection: Connection) -> int:
        attempts.append(connection)
        key = len(attempts)  # the first attempt meets a row that is there already
        connection.execute(text("INSERT INTO counter VALUES (:key, 0)"), {"key": key})
        return key

    assert write(counter, insert_the_same) == 2


def test_writers_that_lock_in_opposite_order_both_succeed(counter: Engine) -> None:
    """On a server this is a deadlock, of which it kills one."""
    write(counter, lambda connection: connection.execute(text("INSERT INTO counter VALUES (2, 0)")))
    both = threading.Barrier(2, timeout=20)
    tries = {1: 0, 2: 0}

    def lock(first: int, second: int) -> None:
        def operation(connection: Connection) -> None:
            update = text("UPDATE counter SET n = n + 1 WHERE id = :id")
            connection.execute(update, {"id": first})
            tries[first] += 1
            if tries[first] == 1 and counter.dialect.name != "sqlite":
                both.wait()
            connection.execute(update, {"id": second})

        write(counter, operation)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(lock, 1, 2), pool.submit(lock, 2, 1)]:
            done.result()

    with reading(counter) as connection:
        assert connection.execute(text("SELECT n FROM counter")).scalars().all() == [2, 2]


def test_a_writer_that_waits_too_long_says_so(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path / "db"), timeout=0.1)
    with writing(engine), pytest.raises(StoreUnavailableError, match="another writer"), writing(engine):
        pass
    engine.dispose()


def test_a_mistake_in_the_statement_is_no_outage(counter: Engine) -> None:
    with pytest.raises(StoreError) as caught, reading(counter) as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))
    assert not isinstance(caught.value, StoreUnavailableError)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "postgresql://u:hidden-pass@h/db", "mysql://u:hidden-pass@h:not-a-port/db", "mysql://u:hidden-pass@h",
     "sqlite://", "sqlite:///:memory:", "mysql+mysqldb://u:hidden-pass@h/db"],
)  # fmt: skip
def test_any_other_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(InvalidSettingError, match="mysql://user:password@host") as caught:
        open_engine(url)
    assert "hidden-pass" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="nowhere"):
        open_engine(sqlite_url(tmp_path / "nowhere" / "db"))


def test_a_server_that_is_away_or_refuses_us_is_unavailable(mariadb_url: str) -> None:
    away = f"mysql://user:hidden-pass@127.0.0.1:{free_port()}/db"
    refused = mariadb_url.replace("test%2Fp%40ss%3Aword", "hidden-pass")
    assert refused != mariadb_url
    for url in (away, refused):
        engine = open_engine(url)
        with pytest.raises(StoreUnavailableError) as caught, reading(engine) as connection:
            connection.execute(text("SELECT 1"))
        assert "hidden-pass" not in str(caught.value)
        engine.dispose()


def test_a_connection_the_server_closed_is_replaced(mariadb_url: str) -> None:
    engine = open_engine(mariadb_url, pool_size=1)
    with reading(engine) as connection:
        first = connection.scalar(text("SELECT CONNECTION_ID()"))
    other = open_engine(mariadb_url)
    with reading(other) as connection:
        connection.execute(text(f"KILL {first}"))
    other.dispose()

    with reading(engine) as connection:
        assert connection.scalar(text("SELECT CONNECTION_ID()")) != first
    engine.dispose()


@pytest.mark.parametrize("value", [b"", b"\0'\"\\\x1a%s", bytes(range(256))])
def test_bytes_go_in_and_out_unchanged(empty_engine: Engine, value: bytes) -> None:
    with writing(empty_engine) as connection:
        connection.execute(text("CREATE TABLE t (b BLOB NOT NULL)"))
        connection.execute(text("INSERT INTO t VALUES (:b)"), {"b": value})
        assert connection.scalar(text("SELECT b FROM t")) == value


def test_text_beyond_the_basic_plane_goes_in_and_out(empty_engine: Engine) -> None:
    with reading(empty_engine) as connection:
        assert connection.scalar(text("SELECT :t"), {"t": "🎥 é"}) == "🎥 é"


def test_what_was_to_be_written_is_not_in_the_message(counter: Engine) -> None:
    insert = text("INSERT INTO nowhere VALUES (:secret)")
    with pytest.raises(StoreError) as caught, writing(counter) as connection:
        connection.execute(insert, {"secret": "hidden-pass"})
    assert "hidden-pass" not in str(caught.value)
    assert "hidden-pass" not in str(caught.value.__cause__)


def test_a_name_that_is_not_ascii_is_refused_in_our_words(engine: Engine) -> None:
    with pytest.raises(InvalidInputError, match="'türe' is no name"), reading(engine) as connection:
        connection.execute(select(clusters.c.name).where(clusters.c.name == "türe"))
