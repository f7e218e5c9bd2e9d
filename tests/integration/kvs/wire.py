"""Protobuf by hand: what is sent and expected owes nothing to the code that is tested."""

import struct


def varint(number: int) -> bytes:
    """A base-128 number; a negative one as 64 bits of two's complement."""
    number &= 2**64 - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def number(field: int, value: int) -> bytes:
    """A field of a varint."""
    return varint(field << 3) + varint(value)


def double(field: int, value: float) -> bytes:
    """A field of a double."""
    return varint(field << 3 | 1) + struct.pack("<d", value)


def part(field: int, content: bytes | str) -> bytes:
    """A field of a string, bytes or a message."""
    raw = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def single(field: int, value: float) -> bytes:
    """A field of a float."""
    return varint(field << 3 | 5) + struct.pack("<f", value)


def attribute(
    ns: str, name: str, *values: bytes, hint: str | None = None, persistent: bool = True, hidden: bool = False
) -> bytes:
    """An AttributeSet of one: sets put end to end are one set."""
    fields = part(1, ns) * bool(ns) + part(2, name) * bool(name) + b"".join(part(3, value) for value in values)
    if hint is not None:
        fields += part(4, hint)
    return part(1, fields + number(5, 1) * persistent + number(6, 1) * hidden)


def integer(value: int, *, confidence: float | None = None) -> bytes:
    """A value: an integer."""
    return (b"" if confidence is None else single(1, confidence)) + part(5, number(1, value))


_BOX = single(1, 1.5) + single(2, 2.5) + single(3, 30) + single(4, 40)
_TURNED = _BOX + single(5, 45)
_POINT = single(1, 0.25) + single(2, -0.5)
_POLYGON = part(1, _POINT) + part(1, single(1, 1)) + part(2, part(1, part(1, "edge")) + part(1, b""))
_CROSSING = number(1, 3) + part(2, number(1, 7) + part(2, "gate")) + part(2, b"")

KINDS: dict[str, bytes] = {
    "bytes": part(2, part(1, varint(2) + varint(1)) + part(2, b"\x00\xff")),
    "string": part(3, part(1, "zażółć 🦊")),
    "strings": part(4, part(1, "a") + part(1, "") + part(1, "b")),
    "integer": integer(-(2**63)),
    "integers": part(6, part(1, varint(1) + varint(-1) + varint(2**63 - 1))),
    "float": part(7, double(1, 3.25)),
    "floats": part(8, part(1, struct.pack("<2d", 1.5, -2.5))),
    "boolean": part(9, number(1, 1)),
    "booleans": part(10, part(1, b"\x01\x00\x01")),
    "box": part(11, part(1, _BOX)),
    "turned box": part(11, part(1, _TURNED)),
    "boxes": part(12, part(1, _BOX) + part(1, _TURNED)),
    "point": part(13, part(1, _POINT)),
    "points": part(14, part(1, _POINT) + part(1, b"")),
    "polygon": part(15, part(1, _POLYGON)),
    "polygons": part(16, part(1, _POLYGON)),
    "intersection": part(17, part(1, _CROSSING)),
    "none": part(18, b""),
    "temporary": part(19, b""),
    "with confidence": integer(3, confidence=0.5),
    "false": part(9, b""),
    "zero": part(7, b""),
    "empty bytes": part(2, b""),
}
"""A value of every kind, in its one canonical form."""

MALFORMED: dict[str, bytes] = {
    "no bytes at all of what was promised": part(1, b"abc")[:-1],
    "text": b"hello, this is no protobuf",
    "a value without a kind": attribute("a", "b", b""),
    "a confidence alone": attribute("a", "b", single(1, 0.5)),
    "a box without data": attribute("a", "b", part(11, b"")),
    "a point without data": attribute("a", "b", part(13, b"")),
    "a polygon without data": attribute("a", "b", part(15, b"")),
    "an intersection without data": attribute("a", "b", part(17, b"")),
    "an unknown kind of intersection": attribute("a", "b", part(17, part(1, number(1, 9)))),
    "bad UTF-8 in a name": part(1, part(1, b"\xff") + part(2, "b")),
    "bad UTF-8 in a value": attribute("a", "b", part(3, part(1, b"\xc3"))),
    "a length beyond everything": b"\x0a" + varint(2**40),
    "a varint without an end": b"\x0a" + b"\xff" * 12,
}
"""Bodies that are no set of attributes."""
