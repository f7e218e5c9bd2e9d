"""Whoever writes a route learns what it replaced, so that copies nobody names any more can be taken away."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from framedb.errors import InvalidInputError, InvalidKeyError
from framedb.routing import Copy, ObjectRoute, SQLLocator

HERE = Copy("local", "storage")


def route(key: str = "k", framedb_id: str = "local", **more: object) -> ObjectRoute:
    """A route to one persistent instance."""
    return ObjectRoute(key, framedb_id, "storage", (Copy(framedb_id, "storage"),), **more)  # type: ignore[arg-type]


def test_a_route_is_exchanged_for_the_one_there_was(locator: SQLLocator) -> None:
    first, second = route(size=3, metadata={"n": 1}), route(framedb_id="other")

    assert locator.exchange_object(first) is None
    assert locator.object("k") == first
    locator.add_copy("k", "mem", "in-memory")
    replaced = locator.exchange_object(second)

    assert replaced is not None
    assert replaced.copies == (HERE, Copy("mem", "in-memory"))
    assert locator.object("k") == second


def test_what_no_row_can_hold_changes_nothing(locator: SQLLocator) -> None:
    locator.exchange_object(route(size=3))
    for wrong in (route("fdb:k"), route(framedb_id="a b"), route(metadata=[]), route(size=-1)):
        with pytest.raises((InvalidInputError, InvalidKeyError)):
            locator.exchange_object(wrong)
    assert locator.list_objects() == [route(size=3)]


def test_of_many_exchanges_at_once_each_is_replaced_by_one_other(locator: SQLLocator) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(locator.exchange_object, route(framedb_id=f"i{n}")) for n in range(12)]
        replaced = [old.framedb_id if (old := each.result()) is not None else None for each in done]
    left = locator.object("k")
    assert left is not None
    assert sorted([left.framedb_id, *(name for name in replaced if name)]) == sorted(f"i{n}" for n in range(12))
    assert replaced.count(None) == 1


def test_a_lapsed_route_is_forgotten_unless_it_was_written_since(locator: SQLLocator) -> None:
    locator.exchange_object(route())
    seen = locator.object("k")
    assert seen is not None
    assert seen.updated_at is not None
    locator.exchange_object(route())
    assert locator.forget_lapsed(seen) is False
    now = locator.object("k")
    assert now is not None
    assert locator.forget_lapsed(now)
    assert locator.forget_lapsed(now) is False
    assert locator.object("k") is None
