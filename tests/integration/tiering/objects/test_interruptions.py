"""A write that is cut short is never seen, and leaves nothing for long."""

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from framedb.errors import StoreUnavailableError
from framedb.frame import Frame
from framedb.registry import open_engine, reading, sqlite_url
from framedb.resp import Endpoint, MasterClient, Redis
from framedb.stores.memory import MemoryStore
from framedb.stores.sql import SQLStore
from framedb.stores.sql_tables import chunks, loose_versions
from framedb.tiering.object_memory import MemoryObjects
from framedb.tiering.object_places import ObjectPlace, StoredObjects
from tests.contracts.object_place import MIB
from tests.engines.mariadb import MariaDB
from tests.engines.valkey import PASSWORD

WRITER = [sys.executable, "-m", "tests.integration.tiering.objects.writer_program"]


def kill_writers(place: ObjectPlace, *arguments: str, kills: int) -> None:
    """Kill as many writers at random moments of theirs; after each the object is whole, and none older than acknowledged."""
    chance = random.Random(7)
    for _ in range(kills):
        process = subprocess.Popen([*WRITER, *arguments], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.random() * 0.5)  # seconds: as long as a write or two take
        process.kill()
        acknowledged = 1 + len(process.stdout.read().split())
        process.wait()
        process.stdout.close()

        pieces = place.read("k")
        assert pieces is not None
        data = b"".join(bytes(piece) for piece in pieces)
        n = pieces.stored.frame.height
        assert n is not None
        assert n >= acknowledged
        assert data.count(n % 256) == len(data) == pieces.stored.size
        assert (len(data) - n) % MIB == 0


def test_a_killed_writer_into_memory_leaves_a_whole_object(valkey: Endpoint, redis: Redis, soak: int) -> None:
    redis.config_set("maxmemory", "1gb")
    with MemoryStore(MasterClient.fixed(valkey)) as store:
        kill_writers(MemoryObjects(store), "memory", str(valkey.port), PASSWORD, kills=soak or 2)

    versions: dict[bytes, list[int]] = {}
    for key in redis.scan_iter("fdb:part:*"):
        assert isinstance(key, bytes)
        versions.setdefault(key.split(b":")[2], []).append(int(redis.pttl(key)))
    assert sum(set(lives) == {-1} for lives in versions.values()) == 1  # the object itself
    assert all(0 < life <= 900_000 for lives in versions.values() for life in lives if life != -1)


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_killed_writer_into_a_database_leaves_a_whole_object_and_the_sweep_the_rest(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, soak: int
) -> None:
    url = sqlite_url(tmp_path / "objects.db") if kind == "sqlite" else request.getfixturevalue("mariadb_url")
    with SQLStore.open(url) as store:
        kill_writers(StoredObjects(store), "sql", url, kills=soak or 2)
        store.sweep(-1)  # the last write may have been begun this very moment
    engine = open_engine(url)
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(chunks)) == 11
        assert connection.scalar(select(func.count()).select_from(loose_versions)) == 0
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_an_object_of_hundreds_of_mebibytes_passes_through_a_server_with_its_default_limits(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, soak: int
) -> None:
    url = sqlite_url(tmp_path / "objects.db") if kind == "sqlite" else request.getfixturevalue("mariadb_url")
    mebibytes = 256 if soak else 24
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for n in range(mebibytes):
            piece = random.Random(n).randbytes(MIB)
            digest.update(piece)
            yield piece

    with SQLStore.open(url) as store:
        store.write_stream(Frame("k", b""), pieces())
        stream = store.read_stream("k")
        assert stream is not None
        read = hashlib.sha256()
        for piece in stream:
            read.update(piece)
    assert read.digest() == digest.digest()


def test_a_database_that_goes_away_in_the_middle_of_a_read_is_an_error_that_names_it(
    mariadb: MariaDB, mariadb_url: str
) -> None:
    with SQLStore.open(mariadb_url) as store:
        place = StoredObjects(store)
        place.write(Frame("k", b""), [bytes(12 * MIB)])
        pieces = place.read("k")
        assert pieces is not None
        next(pieces)
        mariadb.cut(mariadb_url)
        with pytest.raises(StoreUnavailableError, match=mariadb_url.rpartition("/")[2]) as caught:
            for _ in pieces:
                pass
        assert "p@ss" not in str(caught.value)
        pieces.close()
        assert place.stat("k") is not None


def test_a_database_that_goes_away_in_the_middle_of_a_write_leaves_the_earlier_object(
    mariadb: MariaDB, mariadb_url: str
) -> None:
    def breaking() -> Iterator[bytes]:
        for n in range(20):
            if n == 12:
                mariadb.cut(mariadb_url)
            yield bytes(MIB)

    with SQLStore.open(mariadb_url) as store:
        place = StoredObjects(store)
        place.write(Frame("k", b""), [b"earlier"])
        # A connection that was cut between two transactions is noticed, and another one opened: such a write may well end.
        try:
            size = place.write(Frame("k", b""), breaking()).size
        except StoreUnavailableError:
            size = 7
        stored = place.stat("k")
        assert stored is not None
        assert stored.size == size
