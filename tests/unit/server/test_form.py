"""Forms that carry files, in pieces of any size."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3 import encode_multipart_formdata

from framedb.errors import InvalidInputError
from framedb.server.extractor.form import parts

_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\\r\n\0', exclude_categories=["C", "Z"]), min_size=1
)
_FIELDS = st.lists(st.tuples(_NAMES, st.one_of(st.text(max_size=50), st.binary(max_size=3000))), max_size=6)


@settings(max_examples=100, deadline=None)
@given(fields=_FIELDS, size=st.integers(1, 700), read=st.integers(0, 3))
def test_parts_come_out_as_they_went_in_however_the_body_is_cut(
    fields: list[tuple[str, str | bytes]], size: int, read: int
) -> None:
    given = [(name, value if isinstance(value, str) else ("a.mp4", value)) for name, value in fields]
    body, content_type = encode_multipart_formdata(given, boundary="edge")
    if not fields:
        return
    found = []
    for number, part in enumerate(parts(cut(body, size), content_type)):
        # A part may be read whole, or left alone: the next one comes all the same.
        data = b"".join(part.pieces) if number % 4 >= read else None
        found.append((part.name, part.filename, data))
    assert [(name, filename) for name, filename, _ in found] == [
        (name, "a.mp4" if isinstance(value, bytes) else None) for name, value in fields
    ]
    for (_, value), (_, _, data) in zip(fields, found, strict=True):
        assert data is None or data == (value if isinstance(value, bytes) else value.encode())


def cut(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_a_form_that_ends_early_is_refused_at_every_place() -> None:
    body, content_type = encode_multipart_formdata(
        [("file", ("a.mp4", b"x" * 100)), ("interval", "5")], boundary="edge"
    )
    for end in range(len(body) - 4):  # the last dashes and the line's end
        with pytest.raises(InvalidInputError):
            read(body[:end], content_type)


def read(body: bytes, content_type: str) -> list[bytes]:
    """What is in each part."""
    return [b"".join(part.pieces) for part in parts([body], content_type)]


def test_what_is_no_form_is_refused() -> None:
    for body, content_type in (
        (b"anything", "multipart/form-data; boundary=edge"),
        (b"--edge--", "multipart/form-data"),
        (b"--edge\r\nA" + b"B" * 100_000, "multipart/form-data; boundary=edge"),
    ):
        with pytest.raises(InvalidInputError, match="the form cannot be read"):
            list(parts([body], content_type))


def test_a_form_has_a_bounded_number_of_fields_and_texts_a_bounded_length() -> None:
    many, content_type = encode_multipart_formdata([("a", "1")] * 65, boundary="edge")
    with pytest.raises(InvalidInputError, match="more than 64 fields"):
        list(parts([many], content_type))
    long, content_type = encode_multipart_formdata([("a", "x" * 70_000)], boundary="edge")
    with pytest.raises(InvalidInputError, match="longer than"):
        [part.text() for part in parts(cut(long, 1000), content_type)]
