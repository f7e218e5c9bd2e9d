"""Entity tags and byte ranges, as RFC 9110 has them."""

import pytest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from framedb.server.conditions import Span, check_match, is_unmodified, wanted_span

SIZE = 1000


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=10-19", Span(10, 10)),
        ("bytes=990-", Span(990, 10)),
        ("bytes=990-5000", Span(990, 10)),
        ("bytes=-10", Span(990, 10)),
        ("bytes=-5000", Span(0, 1000)),
        ("bytes=0-999", Span(0, 1000)),
    ],
)
def test_one_range_is_a_part(asked: str, span: Span) -> None:
    assert wanted_span(Headers({"Range": asked}), SIZE, "v") == span


@pytest.mark.parametrize(
    "asked", ["bytes=-", "bytes=5-4", "bytes=0-1,5-6", "lines=1-2", "bytes", "bytes=a-b", f"bytes={'9' * 5000}-"]
)
def test_what_is_no_single_range_of_bytes_asks_for_all_of_it(asked: str) -> None:
    assert wanted_span(Headers({"Range": asked}), SIZE, "v") is None


@pytest.mark.parametrize(
    ("asked", "size"), [("bytes=1000-", SIZE), ("bytes=-0", SIZE), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_a_range_behind_the_end_is_a_416_that_tells_the_size(asked: str, size: int) -> None:
    with pytest.raises(HTTPException) as caught:
        wanted_span(Headers({"Range": asked}), size, "v")
    assert caught.value.status_code == 416
    assert (caught.value.headers or {})["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize(("tag", "whole"), [('"v"', False), ('"w"', True), ('W/"v"', True)])
def test_a_part_of_another_version_is_of_no_use(tag: str, whole: bool) -> None:
    found = wanted_span(Headers({"Range": "bytes=0-0", "If-Range": tag}), SIZE, "v")
    assert (found is None) == whole


@pytest.mark.parametrize(
    ("headers", "version", "passes"),
    [
        ({}, None, True),
        ({"If-Match": '"v"'}, "v", True),
        ({"If-Match": '"u", "v"'}, "v", True),
        ({"If-Match": "*"}, "v", True),
        ({"If-Match": "*"}, None, False),
        ({"If-Match": '"w"'}, "v", False),
        ({"If-Match": 'W/"v"'}, "v", False),
        ({"If-Match": '"v"'}, None, False),
        ({"If-None-Match": "*"}, None, True),
        ({"If-None-Match": "*"}, "v", False),
        ({"If-None-Match": '"w"'}, "v", True),
        ({"If-None-Match": '"v"'}, "v", False),
    ],
)
def test_a_writer_may_say_what_must_be_there(headers: dict[str, str], version: str | None, passes: bool) -> None:
    if passes:
        check_match(Headers(headers), version)
        return
    with pytest.raises(HTTPException) as caught:
        check_match(Headers(headers), version)
    assert caught.value.status_code == 412


def test_a_reader_who_has_it_already_is_told_so() -> None:
    assert is_unmodified(Headers({"If-None-Match": '"u", W/"v"'}), "v")
    assert is_unmodified(Headers({"If-None-Match": "*"}), "v")
    assert not is_unmodified(Headers({"If-None-Match": '"w"'}), "v")
    assert not is_unmodified(Headers({}), "v")
    with pytest.raises(HTTPException):
        is_unmodified(Headers({"If-Match": '"w"'}), "v")
