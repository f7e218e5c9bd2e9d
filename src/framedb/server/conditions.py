"""Conditional and partial requests, as RFC 9110 has them: entity tags and byte ranges."""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

_TAG = re.compile(r'(W/)?"([^"]*)"')
_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Some bytes of an object."""

    offset: int
    length: int


def entity_tag(version: str) -> str:
    """A version as an ETag."""
    return f'"{version}"'


def check_match(headers: Headers, version: str | None) -> None:
    """Raises HTTPException 412 unless the object, of this version or (None) not there, is what a writer asks for.

    `If-Match: "version"` or `*`: this very object, or any; `If-None-Match: *`: none at all.
    """
    if_match, if_none_match = headers.get("if-match"), headers.get("if-none-match")
    if if_match is not None and not _names(if_match, version, strong=True):
        raise HTTPException(412, "the object is not the one that If-Match names: read it again, and decide anew")
    if if_none_match is not None and _names(if_none_match, version):
        raise HTTPException(412, "there is such an object already, and If-None-Match says that there must be none")


def is_unmodified(headers: Headers, version: str) -> bool:
    """Whether the reader has this version already: 304. Raises HTTPException 412 where If-Match names another one."""
    if_match = headers.get("if-match")
    if if_match is not None and not _names(if_match, version, strong=True):
        raise HTTPException(412, "the object is not the one that If-Match names")
    if_none_match = headers.get("if-none-match")
    return if_none_match is not None and _names(if_none_match, version)


def wanted_span(headers: Headers, size: int, version: str) -> Span | None:
    """The part of an object that is asked for; None for all of it, also where several parts are, or the unit is unknown.

    Raises HTTPException 416 for a part that lies behind the end.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or not any(match.groups()):
        return None
    if_range = headers.get("if-range")
    if if_range is not None and not _names(if_range, version, strong=True):
        return None  # it has changed: the whole of it helps the reader, a part does not
    first, last = match.groups()
    if not first:
        offset = max(0, size - int(last))
        stop = size if int(last) else 0
    else:
        offset = int(first)
        stop = min(size, int(last) + 1) if last else size
        if last and int(last) < offset:
            return None  # no range at all
    if offset >= size or stop <= offset:
        raise HTTPException(416, f"the object has {size} bytes", {"Content-Range": f"bytes */{size}"})
    return Span(offset, stop - offset)


def _names(header: str, version: str | None, *, strong: bool = False) -> bool:
    """Whether a list of tags has that of the object. A weak tag is never the very same."""
    if version is None:
        return False
    if header.strip() == "*":
        return True
    return any(tag == version and not (strong and weak) for weak, tag in _TAG.findall(header))
