"""Many clients place, move and remove sources at once: what clusters have to carry equals the mappings."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, select

from framedb.errors import AlreadyExistsError, NotFoundError
from framedb.registry import reading
from framedb.registry.tables import routes
from framedb.routing import SQLLocator
from tests.integration.routing.conftest import Register

CLUSTERS = ["a", "b", "c", "d", "e"]


def test_sources_placed_at_once_are_spread_evenly(engine: Engine, register: Register, soak: int) -> None:
    register(*CLUSTERS)
    number = 1000 if soak else 100

    def place(n: int) -> str | None:
        return SQLLocator(engine).create_mapping(f"s{n}", "local").cluster

    with ThreadPoolExecutor(16) as pool:
        placed = Counter(pool.map(place, range(number)))

    assert placed == dict.fromkeys(CLUSTERS, number // len(CLUSTERS))
    _assert_counts_equal_mappings(engine, number)


def test_sources_created_moved_and_removed_at_once_are_all_counted(
    engine: Engine, register: Register, soak: int
) -> None:
    register(*CLUSTERS)
    register("north-a", "north-b", node_tag="north")
    number = 1000 if soak else 60

    def client(seed: int) -> None:
        chance, locator = random.Random(seed), SQLLocator(engine)  # every client a locator of its own, like a process
        for n in chance.sample(range(number), number // 2):
            source, tag = f"s{n}", chance.choice(["local", "local", "north"])
            try:
                match chance.randrange(6):
                    case 0 | 1 | 2:
                        locator.create_mapping(source, tag)
                    case 3 | 4:
                        locator.move(
                            source, tag, chance.choice([None, chance.choice(CLUSTERS)]) if tag == "local" else None
                        )
                    case 5:
                        locator.unplace(source, tag)
            except (AlreadyExistsError, NotFoundError):
                pass

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(client, range(16)))

    _assert_counts_equal_mappings(engine)


def test_one_source_mapped_by_many_at_once_is_mapped_once(engine: Engine, register: Register) -> None:
    register(*CLUSTERS)

    def place(_: int) -> bool:
        try:
            SQLLocator(engine).create_mapping("s", "local")
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(place, range(32))) == 1
    _assert_counts_equal_mappings(engine, 1)


def test_a_source_mapped_on_one_node_survives_its_removal_from_another(engine: Engine, register: Register) -> None:
    register("a", node_tag="north")
    register("b", node_tag="south")
    locator = SQLLocator(engine)
    for turn in range(20):
        source = f"s{turn}"
        locator.create_mapping(source, "north")
        with ThreadPoolExecutor(2) as pool:
            created = pool.submit(locator.create_mapping, source, "south")
            assert pool.submit(locator.unplace, source, "north").result()
            created.result()
        assert [route.node_tag for route in locator.mapping(source)] == ["south"]


def _assert_counts_equal_mappings(engine: Engine, expected: int | None = None) -> None:
    with reading(engine) as connection:
        rows = connection.execute(select(routes.c.source, routes.c.node_tag, routes.c.cluster)).all()
    if expected is not None:
        assert len(rows) == expected
    locator = SQLLocator(engine)
    counted = {load.cluster: set(load.sources) for tag in ("local", "north") for load in locator.loads(tag)}
    mapped: dict[str, set[str]] = {cluster: set() for cluster in counted}
    for row in rows:
        mapped[row.cluster].add(row.source)
    assert counted == mapped
    assert sum(map(len, counted.values())) == len(rows)
