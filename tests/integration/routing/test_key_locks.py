"""Keys are held by one writer at a time, among threads, services and processes, and for no longer than it lives."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine

from framedb.errors import ConflictError, StoreUnavailableError
from framedb.registry import open_engine
from framedb.routing.key_locks import KeyLocks
from tests.engines.mariadb import MariaDB

HOLDER = """
import sys
from framedb.registry import open_engine
from framedb.routing.key_locks import KeyLocks
with KeyLocks(open_engine(sys.argv[1])).of([sys.argv[2]]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def others(empty_engine: Engine, database_url: str) -> Iterator[KeyLocks]:
    """Those of another service on the same registry, which waits for no more than a moment."""
    engine = open_engine(database_url)
    yield KeyLocks(engine, wait=0.05)
    engine.dispose()


def test_a_key_is_held_by_one_service_at_a_time(empty_engine: Engine, others: KeyLocks) -> None:
    ours = KeyLocks(empty_engine)
    with ours.of(["a", "b"]):
        with pytest.raises(ConflictError, match=r"^b has been written by others"), others.of(["c", "b"]):
            pass
        with others.of(["c"]):
            pass
    with others.of(["b", "a"]):
        pass


def test_a_key_is_held_by_one_thread_at_a_time(empty_engine: Engine) -> None:
    locks = KeyLocks(empty_engine)
    inside: list[int] = []
    most = []

    def hold(n: int) -> None:
        with locks.of(["k", f"k{n}"]):
            inside.append(n)
            most.append(len(inside))
            inside.remove(n)

    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(hold, n) for n in range(48)]:
            done.result()
    assert most == [1] * 48


def test_more_holders_than_connections_get_on(database_url: str) -> None:
    engine = open_engine(database_url, pool_size=2, timeout=5)
    locks = KeyLocks(engine)

    def hold(n: int) -> int:
        with locks.of([f"k{n}"]), engine.connect():
            return n

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(hold, range(24))) == list(range(24))
    engine.dispose()


def test_of_many_keys_held_in_any_order_nobody_waits_in_a_circle(empty_engine: Engine, database_url: str) -> None:
    engine = open_engine(database_url)
    turns = []

    def hold(locks: KeyLocks, keys: list[str]) -> None:
        for _ in range(6):
            with locks.of(keys):
                turns.append(keys)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hold, KeyLocks(empty_engine), ["a", "b", "c"])
        second = pool.submit(hold, KeyLocks(engine), ["c", "b", "a", "a"])
        first.result()
        second.result()
    assert len(turns) == 12
    engine.dispose()


def test_what_a_killed_process_held_is_free(empty_engine: Engine, database_url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database_url, "k"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(ConflictError), KeyLocks(empty_engine, wait=0.05).of(["k"]):
        pass
    process.kill()
    process.communicate()
    with KeyLocks(empty_engine).of(["k"]):
        pass


def test_an_error_in_the_block_passes_and_lets_go(empty_engine: Engine, others: KeyLocks) -> None:
    with pytest.raises(ValueError, match="mine"), KeyLocks(empty_engine).of(["k"]):
        raise ValueError("mine")
    with others.of(["k"]):
        pass


def test_no_files_are_left(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/registry.db")
    with ExitStack() as held:
        held.enter_context(KeyLocks(engine).of(["a", "b"]))
        assert len(list((tmp_path / "registry.db-locks").iterdir())) == 2
    assert list((tmp_path / "registry.db-locks").iterdir()) == []
    engine.dispose()


def test_a_place_where_no_lock_can_be_made_is_named(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/registry.db")
    (tmp_path / "registry.db-locks").write_text("in the way")
    with pytest.raises(StoreUnavailableError, match=r"registry\.db-locks"), KeyLocks(engine).of(["a"]):
        pass
    engine.dispose()


def test_a_hold_whose_connection_is_lost_ends_without_an_error(
    mariadb: MariaDB, mariadb_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(mariadb_url)
    with KeyLocks(engine).of(["k"]):
        mariadb.cut(mariadb_url)
    assert "lost with its connection" in caplog.text
    with KeyLocks(engine).of(["k"]):
        pass
    engine.dispose()
