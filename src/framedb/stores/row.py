"""What the memory store keeps beside a frame's bytes: a msgpack array.

It begins with three integers of fixed width (size, pin, captured_at), so that the server's functions can read and change
them in place, without a parser and without rounding what they do not touch.
"""

import struct
from fractions import Fraction
from typing import Any

import msgpack
from typing_extensions import Buffer

from framedb.frame import Frame, from_microseconds, guess_encoding, parse_key, to_microseconds, utc_now

# msgpack: an array of 12; uint64 size, uint64 pin (server ms until which a worker holds it), int64 captured_at (µs).
_HEAD = struct.Struct(">BBQBQBq")
_ARRAY_OF_12, _UINT64, _INT64 = 0x9C, 0xCF, 0xD3
_KEYFRAME, _CORRUPT = 1, 2


def pack_row(frame: Frame) -> bytes:
    """The row of a frame, not held by anyone."""
    head = _HEAD.pack(_ARRAY_OF_12, _UINT64, frame.nbytes, _UINT64, 0, _INT64, to_microseconds(frame.captured_at))
    time_base = frame.time_base
    rest = (
        frame.width,
        frame.height,
        frame.encoding,
        frame.pts,
        time_base.numerator if time_base is not None else None,
        time_base.denominator if time_base is not None else None,
        _KEYFRAME * frame.keyframe | _CORRUPT * frame.corrupt,
        frame.shape,
        frame.dtype,
    )
    return head + bytes(msgpack.packb(rest))[1:]  # without the byte that begins an array of its own


def size_of_row(row: bytes) -> int:
    """Bytes of the frame whose row that is."""
    return int(_HEAD.unpack_from(row)[2])


def unpack_row(key: str, source: str, data: Buffer, row: bytes | None) -> Frame:
    """The frame that bytes and row make. Without a row (somebody else's plain SET) the key and the bytes tell what they can."""
    if row is None:
        parsed = parse_key(key)
        captured_at = parsed.captured_at if parsed else utc_now()
        return Frame(key, data, source=source, captured_at=captured_at, encoding=guess_encoding(data))
    fields: list[Any] = msgpack.unpackb(row)
    _, _, captured, width, height, encoding, pts, numerator, denominator, flags, shape, dtype = fields
    return Frame(
        key,
        data,
        source=source,
        captured_at=from_microseconds(captured),
        encoding=encoding,
        width=width,
        height=height,
        pts=pts,
        time_base=Fraction(numerator, denominator) if denominator else None,
        keyframe=bool(flags & _KEYFRAME),
        corrupt=bool(flags & _CORRUPT),
        shape=tuple(shape) if shape is not None else None,
        dtype=dtype,
    )
