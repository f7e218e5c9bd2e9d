"""What the SQL store does when the disk is full, the process dies, or the database is not what it should be."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from framedb.errors import StoreError, StoreFullError, StoreUnavailableError
from framedb.registry import open_engine, reading, sqlite_url, write
from framedb.stores.base import SourceStats
from framedb.stores.sql import SQLStore
from tests.contracts.frame_store import SOURCE, camera_frame, patterned, plain_bytes
from tests.engines import free_port

MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database will be."""
    return tmp_path / "frames.db"


@pytest.fixture
def full(path: Path) -> Iterator[SQLStore]:
    """A store on a file that may not grow beyond 16 MiB, and that holds a frame of 5 MiB."""
    engine = open_engine(sqlite_url(path), page_size=65536, pool_size=1)
    with SQLStore(engine) as store:
        store.put(camera_frame(0, patterned(5 * MIB)))
        with reading(engine) as connection:  # the limit is one of the connection, and there is one
            connection.execute(text("PRAGMA max_page_count = 256"))
        yield store


@pytest.mark.parametrize("size", [7 * MIB, 8 * MIB, 13 * MIB, 40 * MIB])
def test_a_frame_that_does_not_fit_on_the_disk_leaves_nothing(full: SQLStore, size: int) -> None:
    with pytest.raises(StoreFullError, match="is full"):
        full.put_many([camera_frame(n, patterned(size)) for n in range(1, 4)])
    held = list(full.scan())
    full.delete_many([key for key in held if key != camera_frame(0).key])

    assert plain_bytes(full.get(camera_frame(0).key)) == patterned(5 * MIB)
    assert full.stats(SOURCE) == SourceStats(count=1, bytes=5 * MIB)
    full.sweep(0)
    full.put(camera_frame(9, patterned(7 * MIB)))  # the room is there again
    assert plain_bytes(full.get(camera_frame(9).key)) == patterned(7 * MIB)


def test_a_frame_whose_successor_does_not_fit_stands(full: SQLStore) -> None:
    with pytest.raises(StoreFullError):
        full.write_stream(camera_frame(0, b""), (bytes(MIB) for _ in range(40)))
    assert plain_bytes(full.get(camera_frame(0).key)) == patterned(5 * MIB)


_WRITER = """
import sys
from dataclasses import replace
from framedb.frame import Frame
from framedb.stores.sql import SQLStore

with SQLStore.open(sys.argv[1]) as store:
    n = 0
    while True:
        n += 1
        data = bytes([n % 256]) * (9 * 1024 * 1024 + n)
        store.put(Frame("k", data, width=len(data), height=n % 256))
        print(n, flush=True)
"""


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_writer_that_is_killed_leaves_the_last_whole_frame(
    kind: str, path: Path, request: pytest.FixtureRequest
) -> None:
    url = sqlite_url(path) if kind == "sqlite" else request.getfixturevalue("mariadb_url")
    for kills in range(1, 3):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, url], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        for _ in range(kills):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged = kills + len(writer.stdout.read().split())
        writer.wait()
        writer.stdout.close()

        with SQLStore.open(url) as store:
            frame = store.get("k")
            assert frame is not None
            data = plain_bytes(frame)
            assert frame.height is not None
            assert frame.height >= acknowledged
            assert (len(data), data[0]) == (frame.width, frame.height)
            assert data.count(data[0]) == len(data)

    with SQLStore.open(url) as store:
        store.sweep(-1)  # the last write may have been begun this very moment
    engine = open_engine(url)
    with reading(engine) as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM frame_chunks")) == 10
        assert connection.scalar(text("SELECT COUNT(*) FROM frame_loose_versions")) == 0
    engine.dispose()


def test_many_processes_may_open_a_new_store_at_once(path: Path, mariadb_url: str) -> None:
    program = (
        "import sys; from framedb.frame import Frame; from framedb.stores.sql import SQLStore\n"
        "sys.stdin.readline()\n"
        "with SQLStore.open(sys.argv[1]) as store: store.put(Frame(sys.argv[2], b'data'))"
    )
    for url in (sqlite_url(path), mariadb_url):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, url, f"k{n}"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
            )
            for n in range(2)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors.decode()
        with SQLStore.open(url) as store:
            assert list(store.scan()) == [f"k{n}" for n in range(2)]


def test_frames_kept_by_a_newer_release_are_left_alone(path: Path) -> None:
    SQLStore.open(sqlite_url(path)).close()
    engine = open_engine(sqlite_url(path))
    write(engine, lambda connection: connection.execute(text("UPDATE frame_schema SET version = 99")))
    with pytest.raises(StoreError, match="install a newer FrameDB"):
        SQLStore(engine)
    engine.dispose()


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"this is no database, but text" * 100)
    with pytest.raises(StoreUnavailableError, match=r"frames\.db"):
        SQLStore.open(sqlite_url(path))


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1") as caught:
        SQLStore.open(f"mysql://user:hidden-pass@127.0.0.1:{free_port()}/framedb")
    assert "hidden-pass" not in str(caught.value)


def test_a_store_made_by_sqlite_has_large_pages_and_is_private(path: Path) -> None:
    with SQLStore.open(sqlite_url(path)) as store:
        store.put(camera_frame())
        files = sorted(path.parent.glob("frames.db*"))
        assert [file.name for file in files] == ["frames.db", "frames.db-shm", "frames.db-turn", "frames.db-wal"]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA page_size").fetchone() == (65536,)
    connection.close()
