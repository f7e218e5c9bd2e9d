"""What cannot be meant is refused before anything is sent: no node runs here."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from framedb import Frame, connect
from framedb.client import FrameDB
from framedb.client.arguments import as_frame
from framedb.errors import InvalidFrameError, InvalidInputError, InvalidKeyError

NAIVE = datetime(2026, 1, 1)
CAMERA_KEY = "frame:plant-a:gate:20260101T000000.000000Z"


@pytest.fixture
def db() -> Iterator[Any]:
    """A database whose node is not there: whatever is sent fails otherwise. Untyped, for calls that a type checker stops."""
    with connect("http://127.0.0.1:9") as database:
        yield database


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("text", "encode"),
        ([1, 2], "not list"),
        (None, "not None"),
        (np.array([{}, 1], dtype=object), "array of object"),
        (np.zeros(2, dtype=[("a", "u1"), ("b", "f4")]), "plain numbers"),
    ],
)
def test_a_value_that_is_nothing_to_keep_is_refused_by_what_it_is(db: Any, value: Any, why: str) -> None:
    with pytest.raises(InvalidFrameError, match=f"some-key: .*{why}"):
        db.put("some-key", value)


@pytest.mark.parametrize("key", [7, b"bytes", None, ["a"], "", "fdb:x", "k" * 1025, "\ud800"])
def test_what_is_no_key_is_refused_by_every_call(db: Any, key: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: db.put(key, b"x"),
        lambda: db.get(key),
        lambda: db.get_many(["a", key]),
        lambda: db.get_into(key, bytearray(1)),
        lambda: db.delete(key),
    ]
    for call in calls:
        with pytest.raises(InvalidKeyError):
            call()


def test_one_key_where_a_list_belongs_is_not_taken_letter_by_letter(db: Any) -> None:
    with pytest.raises(InvalidInputError, match="give a list of keys, not str"):
        db.get_many("abc")
    with pytest.raises(InvalidInputError, match="give frames, not bytes"):
        db.put_many([b"x"])


@pytest.mark.parametrize(
    ("buffer", "why"),
    [
        (b"read-only", "can only be read"),
        (np.zeros(8, "u1")[::2], "does not lie in one piece"),
        ([0, 0], "not into list"),
    ],
)
def test_a_buffer_that_cannot_be_read_into_is_refused(db: Any, buffer: Any, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        db.get_into("a", buffer)


@pytest.mark.parametrize(("time", "why"), [(NAIVE, "has no time zone"), ("2026-01-01", "not str"), (0, "not int")])
def test_a_time_without_a_zone_is_refused_at_once(db: Any, time: Any, why: str) -> None:
    now = datetime.now(UTC)
    calls: list[Callable[[], Any]] = [
        lambda: db.put("a", b"x", captured_at=time),
        lambda: db.at("source", time),
        lambda: db.range("source", time, now),
        lambda: db.range("source", now, time),
        lambda: db.stream("source", since=time),
    ]
    for call in calls:
        with pytest.raises(InvalidInputError, match=why):
            call()


@pytest.mark.parametrize("source", ["", "a b", 7, b"bytes"])
def test_what_is_no_source_is_refused_at_once(db: Any, source: Any) -> None:
    now = datetime.now(UTC)
    calls: list[Callable[[], Any]] = [
        lambda: db.latest(source),
        lambda: db.at(source, now),
        lambda: db.range(source, now, now),
        lambda: db.stream(source),
        lambda: db.stats(source),
        lambda: db.get("a", source=source),
        lambda: db.put("a", b"x", source=source),
        lambda: db.scan(source=source),
    ]
    for call in calls:
        with pytest.raises(InvalidKeyError, match="source"):
            call()


@pytest.mark.parametrize("span", ["5 s", True, float("nan")])
def test_a_span_of_time_is_seconds_or_a_timedelta(db: Any, span: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: db.put("a", b"x", ttl=span),
        lambda: db.at("source", datetime.now(UTC), tolerance=span),
        lambda: db.stream("source", interval=span),
    ]
    for call in calls:
        with pytest.raises(InvalidInputError, match="a number of seconds, or a timedelta"):
            call()


def test_a_database_that_was_closed_says_so_instead_of_opening_anew(db: FrameDB) -> None:
    stream = db.stream("source")
    db.close()
    db.close()
    calls: list[Callable[[], Any]] = [
        lambda: db.get("a"),
        lambda: db.put("a", b"x"),
        lambda: db.scan(),
        lambda: db.sources(),
        lambda: db.connection(),
        lambda: next(stream),
    ]
    for call in calls:
        with pytest.raises(InvalidInputError, match="closed"):
            call()


def test_a_frame_put_under_another_key_goes_by_that_key() -> None:
    frame = Frame(CAMERA_KEY, b"x", captured_at=datetime(2026, 1, 1, tzinfo=UTC), width=3)
    assert as_frame(CAMERA_KEY, frame) is frame
    copy = as_frame("reference:gate", frame)
    assert (copy.key, copy.source, copy.captured_at, copy.width) == ("reference:gate", "_", frame.captured_at, 3)
    assert as_frame("other", frame, source="line-3").source == "line-3"
    assert as_frame("frame:plant-b:door:20260101T000000.000000Z", frame).source == "plant-b:door"
    later = frame.captured_at + timedelta(seconds=1)
    assert as_frame(CAMERA_KEY, frame, captured_at=later).captured_at == later


@pytest.mark.parametrize("dtype", ["u1", ">u2", "<f4", "c16", "?", "M8[us]", "U3", "f2"])
def test_an_array_of_any_plain_dtype_keeps_shape_dtype_and_values(dtype: str) -> None:
    for array in (np.zeros((2, 3), dtype), np.zeros((0, 3), dtype), np.zeros((), dtype), np.zeros(6, dtype)[::2]):
        frame = as_frame("a", array)
        again = frame.array()
        assert (again.shape, again.dtype, frame.nbytes) == (array.shape, array.dtype, array.nbytes)
        assert np.array_equal(again, array)
