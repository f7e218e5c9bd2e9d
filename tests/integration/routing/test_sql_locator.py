"""Routes of sources and objects, in the registry's tables."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from framedb.errors import InvalidInputError, InvalidKeyError
from framedb.frame import utc_now
from framedb.routing import Copy, Locator, ObjectRoute, Previous, Route, SQLLocator

LATER = datetime(2126, 1, 1, tzinfo=UTC)


def test_it_is_a_locator(locator: SQLLocator) -> None:
    asked: Locator = locator
    assert asked.route("plant-a:gate") is None
    assert asked.object("k") is None


def test_a_placed_source_has_a_route(locator: SQLLocator) -> None:
    policy = {"policy": "drop-oldest", "ttl_s": 3600, "sizes": ["416x416"]}

    placed = locator.place("plant-a:gate", "local", metadata=policy, durable=True)

    assert placed == Route("plant-a:gate", "local", 1, "local", True, (), policy)
    assert locator.route("plant-a:gate") == placed
    assert locator.route("plant-a:Gate") is None


def test_placing_it_there_again_changes_nothing(locator: SQLLocator) -> None:
    placed = locator.place("s", "local", metadata={"ttl_s": 60})

    assert locator.place("s", "local") == placed
    assert locator.place("s", "local", metadata={"ttl_s": 60}, durable=False) == placed
    assert locator.route("s") == placed


def test_new_metadata_raise_the_epoch_and_move_nothing(locator: SQLLocator) -> None:
    locator.place("s", "local", metadata={"ttl_s": 60})

    changed = locator.place("s", "local", metadata={"ttl_s": 90})

    assert changed == Route("s", "local", 2, metadata={"ttl_s": 90})
    assert locator.place("s", "local", durable=True).epoch == 3
    assert locator.route("s") == Route("s", "local", 3, durable=True, metadata={"ttl_s": 90})


def test_a_moved_source_remembers_where_its_frames_still_live(locator: SQLLocator) -> None:
    locator.place("s", "one", metadata={"ttl_s": 60})

    assert locator.place("s", "two", until=LATER).previous == (Previous("one", LATER),)
    moved = locator.place("s", "three")

    assert moved == Route(
        "s", "three", 3, previous=(Previous("two", None), Previous("one", LATER)), metadata={"ttl_s": 60}
    )
    assert locator.route("s") == moved
    back = locator.place("s", "one", until=LATER)
    assert back.previous == (Previous("three", LATER), Previous("two", None))


def test_a_place_whose_frames_are_gone_is_forgotten_with_the_next_move(locator: SQLLocator) -> None:
    locator.place("s", "one")
    locator.place("s", "two", until=utc_now() - timedelta(seconds=1))
    assert locator.place("s", "three", until=LATER).previous == (Previous("two", LATER),)


def test_an_illegal_source_is_refused(locator: SQLLocator) -> None:
    with pytest.raises(InvalidKeyError):
        locator.place("a b", "local")
    assert locator.sources_of("local") == []


def test_each_node_tag_has_routes_of_its_own(engine: Engine) -> None:
    here, there = SQLLocator(engine, node_tag="here"), SQLLocator(engine, node_tag="there")
    here.place("s", "one")
    there.place("s", "two")
    here.place("t", "one")

    assert [route and route.cluster for route in (here.route("s"), there.route("s"), there.route("t"))] == [
        "one", "two", None,
    ]  # fmt: skip
    assert here.sources_of("one") == ["s", "t"]
    assert there.sources_of("one") == []
    assert here.unplace("s")
    assert here.route("s") is None
    assert there.route("s") == Route("s", "two", 1, "there")


def test_a_forgotten_source_begins_anew(locator: SQLLocator) -> None:
    locator.place("s", "one")
    assert locator.unplace("s")
    assert locator.unplace("s") is False
    assert locator.place("s", "two") == Route("s", "two", 1)


def test_of_many_moves_at_once_none_is_lost(locator: SQLLocator) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(locator.place, "s", f"c{n}") for n in range(12)]
        epochs = sorted(move.result().epoch for move in done)

    assert epochs == list(range(1, 13))
    route = locator.route("s")
    assert route is not None
    assert {route.cluster, *(place.cluster for place in route.previous)} == {f"c{n}" for n in range(12)}


def test_an_object_is_found_where_it_was_registered(locator: SQLLocator) -> None:
    assert locator.register_object("a/é", "local", "storage", size=7, metadata={"why": "test", "n": [1, None]})

    assert locator.object("a/é") == ObjectRoute(
        "a/é", "local", "storage", (Copy("local", "storage"),), 7, {"why": "test", "n": [1, None]}
    )
    assert locator.object("A/é") is None


def test_registering_an_object_again_replaces_its_row(locator: SQLLocator) -> None:
    locator.register_object("k", "local", "storage", size=7, metadata={"a": 1})
    copies = [Copy("other", "storage")]

    assert locator.register_object("k", "mem", "in-memory", copies=copies) is False

    assert locator.object("k") == ObjectRoute("k", "mem", "in-memory", (Copy("mem", "in-memory"), *copies))


def test_a_removed_object_is_gone(locator: SQLLocator) -> None:
    locator.register_object("k", "local", "storage")
    assert locator.remove_object("k")
    assert locator.remove_object("k") is False
    assert locator.object("k") is None


def test_an_object_of_unknown_type_or_illegal_key_is_refused(locator: SQLLocator) -> None:
    with pytest.raises(InvalidInputError, match="Unsupported type: tape"):
        locator.register_object("k", "local", "tape")  # type: ignore[arg-type]
    with pytest.raises(InvalidKeyError):
        locator.register_object("fdb:k", "local", "storage")
    assert locator.list_objects() == []


def test_objects_are_listed_by_prefix_a_page_at_a_time(locator: SQLLocator) -> None:
    keys = ["a", "a/", "a/1", "a/2", "a/é", "a0", "b", "A/1", "a/_", "a/%"]
    for key in keys:
        locator.register_object(key, "local", "storage")
    expected = sorted((key for key in keys if key.startswith("a/")), key=str.encode)

    seen: list[str] = []
    while page := locator.list_objects("a/", after=seen[-1] if seen else "", limit=2):
        assert len(page) <= 2
        seen += [item.key for item in page]

    assert seen == expected
    assert [item.key for item in locator.list_objects()] == sorted(keys, key=str.encode)
    assert locator.list_objects("zzz") == []


def test_many_who_register_one_object_at_once_all_succeed(locator: SQLLocator) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(locator.register_object, "k", f"i{n}", "storage") for n in range(12)]
        assert sum(registered.result() for registered in done) == 1
    assert len(locator.list_objects()) == 1
