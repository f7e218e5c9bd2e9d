"""When a database, a disk or a server gives up, one error names the key and the cause, and nothing is half there."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from sqlalchemy import Pool, event, func, select

from framedb.config import MiB
from framedb.errors import NotRegisteredError, StoreFullError, StoreUnavailableError
from framedb.registry import open_engine, reading, sqlite_url, upgrade
from framedb.resp import Endpoint, Redis
from framedb.stores.sql_tables import chunks, frames, loose_versions
from framedb.tiering.objects import Objects
from tests.engines.mariadb import MariaDB
from tests.engines.valkey import PASSWORD, running_valkey

from .rivals import Setup, opened

KEY = "videos/gate 7.mp4"


@pytest.fixture
def setup(tmp_path: Path, valkey: Endpoint, redis: Redis) -> Setup:
    """An empty cluster `local`; the registry and persistent instances are files."""
    registry = open_engine(sqlite_url(tmp_path / "metadata.db"))
    upgrade(registry)
    registry.dispose()
    return Setup(sqlite_url(tmp_path / "metadata.db"), str(tmp_path), None, PASSWORD, {"local": valkey.port})


def read(objects: Objects) -> bytes | None:
    """The object's bytes, if there is one."""
    found = objects.get(KEY)
    return None if found is None else bytes(found[1])


def orphans(url: str) -> int:
    """Chunks, and loose versions, that belong to no object."""
    engine = open_engine(url)
    with reading(engine) as connection:
        needed = sum(-(-size // MiB) for size in connection.scalars(select(frames.c.size)))
        there = connection.scalar(select(func.count()).select_from(chunks)) or 0
        loose = connection.scalar(select(func.count()).select_from(loose_versions)) or 0
    engine.dispose()
    return int(there - needed + loose)


# A database that goes away.


def test_a_database_that_goes_away_while_it_is_read(setup: Setup, mariadb: MariaDB, mariadb_url: str) -> None:
    data = bytes(range(256)) * 4096 * 12
    with opened(replace(setup, tidb_url=mariadb_url)) as (objects, _, _):
        objects.write(KEY, "local", "storage", [data])
        stream = objects.read(KEY)
        assert stream is not None
        with stream:
            next(stream)
            with mariadb.away(mariadb_url):
                with pytest.raises(StoreUnavailableError, match=rf"^{KEY}: mysql.*does not answer") as caught:
                    list(stream)
                with pytest.raises(StoreUnavailableError, match=rf"^{KEY}: mysql.*does not answer"):
                    objects.get(KEY)
                with pytest.raises(StoreUnavailableError, match=rf"^{KEY}: mysql.*does not answer"):
                    objects.delete(KEY)
        assert "p@ss" not in str(caught.value)
        assert read(objects) == data


@pytest.mark.parametrize("after", [0, 12, 20], ids=["at the first byte", "in the middle", "at the last byte"])
def test_a_database_that_goes_away_while_it_is_written(
    setup: Setup, mariadb: MariaDB, mariadb_url: str, after: int
) -> None:
    with opened(replace(setup, tidb_url=mariadb_url)) as (objects, routing, instances), ExitStack() as away:

        def pieces() -> Iterator[bytes]:
            for n in range(20):
                if n == after:
                    away.enter_context(mariadb.away(mariadb_url))
                yield bytes(MiB)
            if after == 20:
                away.enter_context(mariadb.away(mariadb_url))

        objects.set(KEY, "local", b"earlier", "storage")
        route = routing.object(KEY)
        with pytest.raises(StoreUnavailableError, match=rf"^{KEY}: mysql.*does not answer"):
            objects.write(KEY, "local", "storage", pieces())
        away.close()

        assert read(objects) == b"earlier"
        assert routing.object(KEY) == route
        instances.store("local").sweep(-1)
        assert orphans(mariadb_url) == 0
        assert objects.write(KEY, "local", "storage", [b"again"]).size == 5


def test_a_registry_that_goes_away_when_all_is_written(setup: Setup, mariadb: MariaDB, mariadb_url: str) -> None:
    registry = open_engine(mariadb_url)
    upgrade(registry)
    registry.dispose()
    with opened(replace(setup, registry=mariadb_url)) as (objects, routing, instances), ExitStack() as away:

        def pieces() -> Iterator[bytes]:
            yield bytes(9 * MiB)
            away.enter_context(mariadb.away(mariadb_url))

        instances.store("local")
        with pytest.raises(StoreUnavailableError, match=rf"^{KEY}: mysql.*does not answer"):
            objects.write(KEY, "local", "storage", pieces())
        away.close()

        assert read(objects) is None
        assert routing.object(KEY) is None
        assert orphans(instances.url("local")) == 0


# A disk that is full.


@contextmanager
def small(path: Path, pages: int) -> Iterator[None]:
    """The file may have no more pages than that: SQLite finds its disk full then."""

    def limit(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            (_, _, opened_path) = connection.execute("PRAGMA database_list").fetchone()
            if opened_path == str(path):
                connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(Pool, "connect", limit)
    try:
        yield
    finally:
        event.remove(Pool, "connect", limit)


@pytest.mark.parametrize("mebibytes", [7, 30])
def test_a_disk_that_is_full(setup: Setup, mebibytes: int) -> None:
    with opened(setup) as (objects, _, _):
        objects.set(KEY, "local", b"earlier", "storage")
    path = Path(setup.folder, "persistent", "local.db")
    with small(path, 80), opened(setup) as (objects, routing, instances):  # of 64 KiB each
        with pytest.raises(StoreFullError, match=rf"^{KEY}: sqlite:.*local\.db is full"):
            objects.write(KEY, "local", "storage", (bytes(MiB) for _ in range(mebibytes)))
        with pytest.raises(StoreFullError, match=r"^new: sqlite:.*local\.db is full"):
            objects.write("new", "local", "storage", (bytes(MiB) for _ in range(mebibytes)))

        assert read(objects) == b"earlier"
        assert [stored.key for stored in objects.list()] == [KEY]
        assert routing.object("new") is None
        instances.store("local").sweep(-1)
        assert orphans(instances.url("local")) == 0
        objects.write("new", "local", "storage", [bytes(2 * MiB)])  # there is room again
        assert objects.delete(KEY)


def test_a_disk_of_the_registry_that_is_full(setup: Setup) -> None:
    with opened(setup) as (objects, _, _):
        objects.set(KEY, "local", b"earlier", "in-memory", metadata={"n": 1})
    path = Path(setup.folder, "metadata.db")
    with small(path, 1), opened(setup) as (objects, _, instances):  # that is: not one more than it has
        with pytest.raises(NotRegisteredError, match=rf"^{KEY} could not be registered: .*metadata\.db is full"):
            objects.write(KEY, "local", "storage", [bytes(9 * MiB)], metadata={"text": "x" * 500_000})

        stored = objects.stat(KEY)
        assert stored is not None
        assert (stored.type, stored.metadata, read(objects)) == ("in-memory", {"n": 1}, b"earlier")
        assert objects.stat(KEY, framedb_id="local", type="storage") is None
        assert orphans(instances.url("local")) == 0


WRITER = """
import json, resource, sys
from framedb.errors import StoreError
from tests.integration.tiering.objects.rivals import Setup, opened

with opened(Setup(**json.loads(sys.argv[1]))) as (objects, _, _):
    objects.stat(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 * 1024 * 1024, resource.RLIM_INFINITY))
    try:
        objects.write(sys.argv[2], "local", "storage", (bytes(1024 * 1024) for _ in range(30)))
    except StoreError as exc:
        print(type(exc).__name__, exc)
"""


def test_a_file_that_may_not_grow(setup: Setup) -> None:
    """The system's own refusal, of a process that may write no longer files."""
    with opened(setup) as (objects, _, instances):
        objects.set(KEY, "local", b"earlier", "storage")
        program = [sys.executable, "-c", WRITER, json.dumps(asdict(setup)), KEY]
        answer = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60).stdout
        assert re.match(rf"StoreUnavailableError {KEY}: sqlite:.*local\.db does not answer: disk I/O error", answer)
        assert read(objects) == b"earlier"
        instances.store("local").sweep(-1)
        assert orphans(instances.url("local")) == 0


# A server of memory that is full, or dies.


@pytest.mark.parametrize("size", [30 * MiB, 66 * MiB])
def test_a_memory_that_is_full(setup: Setup, redis: Redis, size: int) -> None:
    with opened(setup) as (objects, routing, _):
        objects.set(KEY, "local", b"earlier", "in-memory")
        redis.config_set("maxmemory", "20mb")
        for key in (KEY, "new"):
            with pytest.raises(StoreFullError, match=rf"^{key}: .*cluster local.*maxmemory"):
                objects.write(key, "local", "in-memory", [bytes(size)], size=size)
        with pytest.raises(StoreFullError, match=r"^queue: .*cluster local.*maxmemory"):
            objects.push("queue", bytes(30 * MiB))

        assert read(objects) == b"earlier"
        assert routing.object("new") is None
        assert routing.stream("queue") is None
        assert redis.keys("fdb:part:*") + redis.keys("fdb:q:*") + redis.keys("new") == []
        redis.config_set("maxmemory", "256mb")
        objects.write("new", "local", "in-memory", [bytes(size)])


@pytest.mark.parametrize("size", [9 * MiB, 66 * MiB])
def test_a_server_of_memory_that_dies_while_it_is_written(setup: Setup, tmp_path: Path, size: int) -> None:
    with ExitStack() as running:
        server = running.enter_context(running_valkey(tmp_path))
        setup = replace(setup, ports={"local": server.port})
        with opened(setup) as (objects, routing, _):

            def pieces() -> Iterator[bytes]:
                yield bytes(size // 2)
                running.close()
                yield bytes(size // 2)

            with pytest.raises(StoreUnavailableError, match=rf"^{KEY}: cluster local .* does not answer"):
                objects.write(KEY, "local", "in-memory", pieces(), size=size)
            assert routing.object(KEY) is None
            assert objects.list() == []


def test_a_server_of_memory_that_dies_while_it_is_read(setup: Setup, tmp_path: Path) -> None:
    with ExitStack() as running:
        server = running.enter_context(running_valkey(tmp_path))
        setup = replace(setup, ports={"local": server.port})
        with opened(setup) as (objects, _, _):
            objects.write(KEY, "local", "in-memory", [bytes(66 * MiB)], size=66 * MiB)
            stream = objects.read(KEY)
            assert stream is not None
            with stream:
                next(stream)
                running.close()
                with pytest.raises(StoreUnavailableError, match=rf"^{KEY}: cluster local .* does not answer"):
                    list(stream)
            with pytest.raises(StoreUnavailableError, match=rf"^{KEY}: cluster local .* does not answer"):
                objects.get(KEY)
