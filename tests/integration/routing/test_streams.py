"""Routes of streams."""

import pytest

from framedb.errors import InvalidInputError, InvalidKeyError, NotFoundError
from framedb.routing import SQLLocator, StreamRoute


def test_a_stream_is_found_where_it_was_registered_last(locator: SQLLocator) -> None:
    assert locator.stream("q/é") is None
    assert locator.register_stream("q/é", "mem-1", {"why": "test"})
    assert locator.stream("q/é") == StreamRoute("q/é", "mem-1", {"why": "test"})
    assert locator.register_stream("q/é", "mem-2") is False
    assert locator.stream("q/é") == StreamRoute("q/é", "mem-2", {})
    assert locator.remove_stream("q/é")
    assert locator.remove_stream("q/é") is False


def test_what_is_not_given_stays_as_it_was(locator: SQLLocator) -> None:
    locator.register_stream("q", "mem-1", {"a": 1})
    assert locator.update_stream("q", {"metadata": {"b": 2}}) == StreamRoute("q", "mem-1", {"b": 2})
    assert locator.update_stream("q", {"framedb_id": "mem-2"}) == StreamRoute("q", "mem-2", {"b": 2})
    with pytest.raises(InvalidInputError, match="no field 'queue_name'"):
        locator.update_stream("q", {"queue_name": "r"})
    with pytest.raises(NotFoundError, match="No document found"):
        locator.update_stream("r", {"framedb_id": "mem-2"})


def test_streams_are_found_by_listed_fields_a_page_at_a_time(locator: SQLLocator) -> None:
    for n in range(5):
        locator.register_stream(f"q{n}", f"mem-{n % 2}")
    assert [each.queue_name for each in locator.query_streams({"framedb_id": "mem-0"}, limit=2)] == ["q0", "q2"]
    assert [each.queue_name for each in locator.query_streams({"framedb_id": "mem-0"}, after="q2")] == ["q4"]
    assert [each.queue_name for each in locator.query_streams({"queue_name": "q3"})] == ["q3"]
    assert len(locator.query_streams()) == 5
    for filters in ({"metadata": "x"}, {"framedb_id": {"$ne": "mem-0"}}, {"framedb_id": ["mem-0"]}):
        with pytest.raises(InvalidInputError):
            locator.query_streams(filters)


def test_streams_of_a_removed_instance_are_forgotten(locator: SQLLocator) -> None:
    for n in range(4):
        locator.register_stream(f"q{n}", f"mem-{n % 2}")
    assert locator.forget_streams("mem-0") == 2
    assert [each.queue_name for each in locator.query_streams()] == ["q1", "q3"]


def test_an_illegal_stream_is_refused(locator: SQLLocator) -> None:
    with pytest.raises(InvalidKeyError):
        locator.register_stream("", "mem-1")
    with pytest.raises(InvalidInputError, match="framedb_id"):
        locator.register_stream("q", "mém")
    with pytest.raises(InvalidInputError, match="metadata"):
        locator.register_stream("q", "mem-1", [1])  # type: ignore[arg-type]
    assert locator.query_streams() == []
