"""Objects in several places: copies, updates, and finding them by their fields."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from framedb.errors import ConflictError, InvalidInputError, NotFoundError
from framedb.routing import Copy, ObjectRoute, SQLLocator

FIRST = Copy("db-1", "storage")
SECOND = Copy("mem-1", "in-memory")


def test_an_object_has_copies(locator: SQLLocator) -> None:
    locator.register_object("a/b", "db-1", "storage")

    assert locator.add_copy("a/b", "mem-1", "in-memory").copies == (FIRST, SECOND)
    assert locator.add_copy("a/b", "mem-1", "in-memory").copies == (FIRST, SECOND)
    assert locator.copy_exists("a/b", "mem-1")
    assert locator.copy_exists("a/b", "mem-1", "storage") is False
    assert locator.remove_copy("a/b", "mem-1").copies == (FIRST,)
    assert locator.copy_exists("a/b", "mem-1") is False
    with pytest.raises(NotFoundError, match="Copy does not exist"):
        locator.remove_copy("a/b", "mem-1")


def test_an_instance_in_memory_and_a_persistent_one_of_its_name_are_two(locator: SQLLocator) -> None:
    locator.register_object("k", "local", "storage")
    locator.add_copy("k", "local", "in-memory")
    assert locator.remove_copy("k", "local", "in-memory") == ObjectRoute(
        "k", "local", "storage", (Copy("local", "storage"),)
    )


def test_the_next_copy_takes_the_place_of_the_first(locator: SQLLocator) -> None:
    locator.register_object("k", "db-1", "storage", copies=[SECOND], size=3, metadata={"a": 1})
    assert locator.remove_copy("k", "db-1") == ObjectRoute("k", "mem-1", "in-memory", (SECOND,), 3, {"a": 1})
    with pytest.raises(ConflictError, match="delete the object instead"):
        locator.remove_copy("k", "mem-1")
    assert locator.object("k") is not None


def test_copies_of_an_unknown_object_are_an_error(locator: SQLLocator) -> None:
    with pytest.raises(NotFoundError, match="No document found"):
        locator.add_copy("k", "db-1", "storage")
    with pytest.raises(NotFoundError, match="No document found"):
        locator.remove_copy("k", "db-1")
    with pytest.raises(NotFoundError, match="No document found"):
        locator.update_object("k", {"size": 1})
    assert locator.copy_exists("k", "db-1") is False


def test_what_is_updated_changes_and_the_rest_stays(locator: SQLLocator) -> None:
    locator.register_object("k", "db-1", "storage", copies=[SECOND], size=3, metadata={"a": 1})
    assert locator.update_object("k", {"size": 9, "metadata": {"b": 2}}) == ObjectRoute(
        "k", "db-1", "storage", (FIRST, SECOND), 9, {"b": 2}
    )
    moved = locator.update_object("k", {"framedb_id": "db-2"})
    assert moved.copies == (Copy("db-2", "storage"), SECOND)
    assert locator.update_object("k", {"copies": [FIRST]}).copies == (Copy("db-2", "storage"), FIRST)
    assert locator.object("k") == ObjectRoute("k", "db-2", "storage", (Copy("db-2", "storage"), FIRST), 9, {"b": 2})


def test_an_object_is_not_updated_with_what_it_cannot_have(locator: SQLLocator) -> None:
    locator.register_object("k", "db-1", "storage", size=3)
    wrong: list[dict[str, Any]] = [
        {"key": "x"}, {"size": -1}, {"size": True}, {"size": "7"}, {"framedb_type": "tape"}, {"framedb_id": "é"},
        {"framedb_id": None}, {"copies": ["x"]}, {"metadata": [1]}, {"metadata": {"a": float("inf")}},
    ]  # fmt: skip
    for fields in wrong:
        with pytest.raises(InvalidInputError):
            locator.update_object("k", fields)
    assert locator.object("k") == ObjectRoute("k", "db-1", "storage", (FIRST,), 3)


def test_objects_are_found_by_listed_fields_a_page_at_a_time(locator: SQLLocator) -> None:
    for n in range(6):
        locator.register_object(f"k{n}", f"db-{n % 2}", "storage" if n % 3 else "in-memory", size=n)

    def found(filters: dict[str, Any], **page: Any) -> list[str]:
        return [each.key for each in locator.query_objects(filters, **page)]

    assert found({"framedb_id": "db-0"}) == ["k0", "k2", "k4"]
    assert found({"framedb_id": "db-0", "framedb_type": "storage"}) == ["k2", "k4"]
    assert found({"framedb_id": "db-0"}, limit=2) == ["k0", "k2"]
    assert found({"framedb_id": "db-0"}, limit=2, after="k2") == ["k4"]
    assert found({"size": 5}) == found({"size": "5"}) == found({"object_id": "k5"}) == ["k5"]
    assert found({"object_id": "k5", "size": 4}) == []
    assert len(found({})) == 6


def test_operators_and_unlisted_fields_are_refused(locator: SQLLocator) -> None:
    wrong: list[dict[str, Any]] = [
        {"metadata": "x"}, {"key": "k"}, {"size": {"$gt": 1}}, {"size": True}, {"size": 2**63}, {"size": "1 OR 1"},
        {"object_id": None}, {"framedb_id": {"$ne": ""}}, {"framedb_id": "' OR ''='"}, {"object_id": "\ud800"},
    ]  # fmt: skip
    for filters in wrong:
        with pytest.raises(InvalidInputError):
            locator.query_objects(filters)
    for limit in (0, -1, 1001):
        with pytest.raises(InvalidInputError, match="limit"):
            locator.query_objects(limit=limit)


def test_copies_in_a_removed_instance_are_forgotten(locator: SQLLocator) -> None:
    locator.register_object("only", "mem_1", "in-memory")
    locator.register_object("first", "mem_1", "in-memory", copies=[FIRST])
    locator.register_object("second", "db-1", "storage", copies=[Copy("mem_1", "in-memory")])
    locator.register_object("other", "memx1", "in-memory")
    locator.register_object("durable", "mem_1", "storage")

    assert locator.forget_copies("mem_1", "in-memory") == 3

    assert [(each.key, each.copies) for each in locator.query_objects()] == [
        ("durable", (Copy("mem_1", "storage"),)),
        ("first", (FIRST,)),
        ("other", (Copy("memx1", "in-memory"),)),
        ("second", (FIRST,)),
    ]


def test_copies_added_at_once_are_all_there(locator: SQLLocator) -> None:
    locator.register_object("k", "db-1", "storage")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: locator.add_copy("k", f"mem-{n}", "in-memory"), range(16)))
    route = locator.object("k")
    assert route is not None
    assert set(route.copies) == {FIRST, *(Copy(f"mem-{n}", "in-memory") for n in range(16))}
