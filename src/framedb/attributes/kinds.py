"""The kinds of values there are, and the plain form a value is kept in."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from framedb.attributes.boxes import BoxContent
from framedb.attributes.geometry import IntersectionContent, PointContent
from framedb.attributes.polygons import PolygonContent

Value = tuple[int, Any, float | None, int]
"""What a value says, never changed: the number of its kind, its data, its confidence, about the bytes it takes in memory.

The data are numbers, text, bytes, and tuples of them; a shape's are the tuple it holds.
"""

SCALAR_SIZE = 120
"""Bytes that any value takes, a number in it and its encoding included."""


class AttributeValueType(IntEnum):
    """The kinds of values; the numbers are Savant's."""

    Bytes = 0
    String = 1
    StringList = 2
    Integer = 3
    IntegerList = 4
    Float = 5
    FloatList = 6
    Boolean = 7
    BooleanList = 8
    BBox = 9
    BBoxList = 10
    Point = 11
    PointList = 12
    Polygon = 13
    PolygonList = 14
    Intersection = 15
    TemporaryValue = 16
    None_ = 17

    def __repr__(self) -> str:
        return self.name


# As plain numbers: to look at a member of the enumeration costs as much as to make a value.
BYTES, STRING, STRINGS, INTEGER, INTEGERS, FLOAT, FLOATS, BOOLEAN, BOOLEANS = range(9)
BBOX, BBOXES, POINT, POINTS, POLYGON, POLYGONS, INTERSECTION, TEMPORARY, NONE = range(9, 18)


def value(kind: int, data: Any, confidence: float | None) -> Value:
    """The value in its plain form; `data` are as they are to be kept."""
    size = _SIZES.get(kind)
    return (kind, data, confidence, SCALAR_SIZE if size is None else SCALAR_SIZE + size(data))


def _text_size(string: str) -> int:
    return 60 + (2 if string.isascii() else 8) * len(string)


def _bytes_size(data: tuple[tuple[int, ...], bytes]) -> int:
    dims, blob = data
    return 100 + 48 * len(dims) + 2 * len(blob)


def _polygon_size(content: PolygonContent) -> int:
    points, tags = content
    return 150 + 125 * len(points) + (0 if tags is None else sum(map(_tag_size, tags)))


def _intersection_size(content: IntersectionContent) -> int:
    return 110 + sum([110 + _tag_size(tag) for _, tag in content[1]])


def _tag_size(tag: str | None) -> int:
    return 12 if tag is None else 12 + _text_size(tag)


def _points_size(points: tuple[PointContent, ...]) -> int:
    return 125 * len(points)


def _boxes_size(boxes: tuple[BoxContent, ...]) -> int:
    return 250 * len(boxes)


_SIZES: dict[int, Callable[[Any], int]] = {
    BYTES: _bytes_size,
    STRING: _text_size,
    STRINGS: lambda strings: sum(map(_text_size, strings)),
    INTEGERS: lambda integers: 48 * len(integers),
    FLOATS: lambda floats: 40 * len(floats),
    BOOLEANS: lambda booleans: 9 * len(booleans),
    BBOX: lambda _: 250,
    BBOXES: _boxes_size,
    POINT: lambda _: 125,
    POINTS: _points_size,
    POLYGON: _polygon_size,
    POLYGONS: lambda polygons: sum(map(_polygon_size, polygons)),
    INTERSECTION: _intersection_size,
}
