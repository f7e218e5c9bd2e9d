"""Writers of one key at once, in processes of their own, leave one whole object, in the one place its row tells of."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from sqlalchemy import func, select

from framedb.config import MiB
from framedb.registry import open_engine, reading, sqlite_url, upgrade
from framedb.resp import Endpoint, Redis, close_redis, open_redis
from framedb.routing import Copy, ObjectRoute
from framedb.stores.sql_tables import chunks, frames, loose_versions
from framedb.tiering.objects import Objects
from tests.engines.valkey import PASSWORD

from .rivals import KEYS, PLACES, Rivals, Setup, opened


@pytest.fixture(scope="module")
def rivals() -> Iterator[Rivals]:
    """Two writers."""
    rivals = Rivals()
    yield rivals
    rivals.close()


@pytest.fixture(params=["sqlite", "mariadb"])
def setup(
    request: pytest.FixtureRequest, tmp_path: Path, valkey: Endpoint, redis: Redis, second_valkey: Endpoint
) -> Iterator[Setup]:
    """A registry and empty instances, on either kind of database."""
    second = open_redis(second_valkey)
    second.flushall()
    close_redis(second)
    url = sqlite_url(tmp_path / "metadata.db") if request.param == "sqlite" else request.getfixturevalue("mariadb_url")
    registry = open_engine(url)
    upgrade(registry)
    registry.dispose()
    ports = {"local": valkey.port, "mem-db-1": second_valkey.port}
    setup = Setup(url, str(tmp_path), None if request.param == "sqlite" else url, PASSWORD, ports)
    with opened(setup) as (_, _, instances):
        instances.create("storage-db-1")
        yield setup
        instances.remove("storage-db-1")


def held(objects: Objects, key: str) -> list[tuple[str, str]]:
    """Where there are bytes under the key, asked of each instance itself."""
    return [place for place in PLACES if objects.stat(key, framedb_id=place[0], type=place[1]) is not None]


def left_over(setup: Setup) -> int:
    """Chunks that no object needs, in persistent instances, after a sweep."""
    left = 0
    with opened(setup) as (_, _, instances):
        for framedb_id in ("local", "storage-db-1"):
            store = instances.store(framedb_id)
            store.sweep(-1)
            engine = open_engine(instances.url(framedb_id))
            with reading(engine) as connection:
                left += connection.scalar(select(func.count()).select_from(chunks)) or 0
                left += connection.scalar(select(func.count()).select_from(loose_versions)) or 0
                left -= sum(-(-size // MiB) for size in connection.scalars(select(frames.c.size)))
            engine.dispose()
    return left


@pytest.mark.parametrize("place", [None, 0, 2], ids=["anywhere", "in memory", "in a database"])
def test_the_row_that_stands_leads_to_the_bytes_it_was_written_for(
    setup: Setup, rivals: Rivals, place: int | None, soak: int
) -> None:
    rivals.race(setup, "replace", turns=soak or 4 * KEYS, place=place)

    with opened(setup) as (objects, routing, _):
        for key in (f"k{n}" for n in range(KEYS)):
            found, route = objects.get(key), routing.object(key)
            assert found is not None
            assert route is not None
            stored, data = found[0], bytes(found[1])
            assert route.copies == (Copy(stored.framedb_id, stored.type),)  # type: ignore[arg-type]
            assert len(data) == stored.size == route.size == stored.metadata["size"]
            assert data.count((16 * stored.metadata["number"] + stored.metadata["turn"]) % 256) == len(data)
            assert held(objects, key) == [(stored.framedb_id, stored.type)]
    assert left_over(setup) == 0


@pytest.mark.parametrize(
    ("first", "second", "when"), [(0, 0, "before"), (2, 2, "before"), (1, 3, "after"), (3, 1, "after")]
)
def test_nobody_comes_between_the_bytes_the_row_and_the_taking_away_of_what_was_there(
    setup: Setup, first: int, second: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(setup) as (ours, routing, _), opened(setup) as (theirs, _, _), ThreadPoolExecutor(1) as pool:
        ours.set("k", PLACES[second][0], b"earlier", PLACES[second][1])
        exchange = routing.exchange_object

        def overtaken(route: ObjectRoute) -> ObjectRoute | None:
            """Another service writes the key meanwhile: it finishes, or waits for us."""
            replaced = exchange(route) if when == "after" else None
            other = pool.submit(theirs.set, "k", PLACES[second][0], b"theirs", PLACES[second][1], metadata={"n": 2})
            wait([other], timeout=0.5)
            return exchange(route) if when == "before" else replaced

        monkeypatch.setattr(routing, "exchange_object", overtaken)
        ours.set("k", PLACES[first][0], b"ours", PLACES[first][1], metadata={"n": 1})
        pool.shutdown()

        found = ours.get("k")
        assert found is not None
        assert (bytes(found[1]), found[0].metadata) == (b"theirs", {"n": 2})
        assert held(ours, "k") == [PLACES[second]]


def test_of_those_who_may_write_what_is_not_there_one_does(setup: Setup, rivals: Rivals, soak: int) -> None:
    turns = soak or 16
    results = rivals.race(setup, "create", turns=turns)

    assert sorted(turn for written in results for turn in written) == list(range(turns))
    with opened(setup) as (objects, _, _):
        for number, written in enumerate(results):
            for turn in written:
                found = objects.get(f"k{turn}")
                assert found is not None
                assert bytes(found[1]) == b"%d" % number
                assert held(objects, f"k{turn}") == [(found[0].framedb_id, found[0].type)]


def test_no_write_on_condition_is_lost(setup: Setup, rivals: Rivals, soak: int) -> None:
    with opened(setup) as (objects, _, _):
        objects.set("k", "local", b"0", "storage")

    done = rivals.race(setup, "count", turns=soak or 20)

    with opened(setup) as (objects, _, _):
        found = objects.get("k")
        assert found is not None
        assert int(bytes(found[1])) == sum(done) > 0


def test_what_is_removed_while_it_is_written_is_there_as_a_whole_or_not_at_all(
    setup: Setup, rivals: Rivals, soak: int
) -> None:
    rivals.race(setup, "come_and_go", turns=soak or 21)

    with opened(setup) as (objects, routing, _):
        found, route = objects.get("k0"), routing.object("k0")
        expected = [] if route is None else [(route.framedb_id, str(route.framedb_type))]
        assert held(objects, "k0") == expected
        assert (found is None) == (route is None)
    assert left_over(setup) == 0
