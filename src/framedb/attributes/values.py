"""The value of an attribute: one of 18 kinds, with Savant's constructors and accessors."""

import builtins
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, final

from typing_extensions import Buffer

from framedb.attributes import json_form
from framedb.attributes.boxes import RBBox, box_of
from framedb.attributes.geometry import Intersection, Point, intersection_of, point_of
from framedb.attributes.kinds import (
    BBOX,
    BBOXES,
    BOOLEAN,
    BOOLEANS,
    BYTES,
    FLOAT,
    FLOATS,
    INTEGER,
    INTEGERS,
    INTERSECTION,
    NONE,
    POINT,
    POINTS,
    POLYGON,
    POLYGONS,
    SCALAR_SIZE,
    STRING,
    STRINGS,
    TEMPORARY,
    AttributeValueType,
    Value,
    value,
)
from framedb.attributes.polygons import PolygonalArea, polygon_of
from framedb.attributes.scalars import INT64_MAX, INT64_MIN, float32, float64, float64s, int64, int64s, text
from framedb.errors import InvalidInputError

_T = TypeVar("_T")
_new = object.__new__


@final
class AttributeValue:
    """One value of an attribute, with the confidence it is held with.

    Its makers raise TypeError for what is of another kind; its `as_...` of another kind answer None.
    """

    __slots__ = ("_content",)
    _content: Value

    def __init__(self) -> None:
        raise TypeError(
            "an AttributeValue is made by its kind: AttributeValue.integer(1), AttributeValue.string('a'), ..."
        )

    @staticmethod
    def none() -> "AttributeValue":
        """Nothing: there, but without a value."""
        return value_of((NONE, None, None, SCALAR_SIZE))

    @staticmethod
    def integer(i: int, confidence: builtins.float | None = None) -> "AttributeValue":
        """An integer of 64 bits. Raises InvalidInputError beyond them."""
        if type(i) is not int or not INT64_MIN <= i <= INT64_MAX:
            i = int64(i)
        made = _new(AttributeValue)
        made._content = (INTEGER, i, None if confidence is None else float32(confidence), SCALAR_SIZE)
        return made

    @staticmethod
    def integers(ii: Iterable[int], confidence: builtins.float | None = None) -> "AttributeValue":
        """Integers of 64 bits. Raises InvalidInputError beyond them."""
        return _made(INTEGERS, int64s(_elements(ii)), confidence)

    @staticmethod
    def float(f: builtins.float, confidence: builtins.float | None = None) -> "AttributeValue":
        """A number in double precision."""
        return _made(FLOAT, float64(f), confidence)

    @staticmethod
    def floats(ff: Iterable[builtins.float], confidence: builtins.float | None = None) -> "AttributeValue":
        """Numbers in double precision."""
        return _made(FLOATS, float64s(_elements(ff)), confidence)

    @staticmethod
    def boolean(b: bool, confidence: builtins.float | None = None) -> "AttributeValue":
        """True or false."""
        return _made(BOOLEAN, _boolean(b), confidence)

    @staticmethod
    def booleans(bb: Iterable[bool], confidence: builtins.float | None = None) -> "AttributeValue":
        """Trues and falses."""
        return _made(BOOLEANS, tuple([_boolean(b) for b in _elements(bb)]), confidence)

    @staticmethod
    def string(s: str, confidence: builtins.float | None = None) -> "AttributeValue":
        """Text. Raises InvalidInputError for what UTF-8 cannot carry."""
        return _made(STRING, text(s), confidence)

    @staticmethod
    def strings(ss: Iterable[str], confidence: builtins.float | None = None) -> "AttributeValue":
        """Texts. Raises InvalidInputError for what UTF-8 cannot carry."""
        return _made(STRINGS, tuple([text(s) for s in _elements(ss)]), confidence)

    @staticmethod
    def bytes(dims: Iterable[int], blob: Buffer, confidence: builtins.float | None = None) -> "AttributeValue":
        """Bytes, and the shape of what they hold, which nobody compares with them."""
        data = blob if type(blob) is builtins.bytes else memoryview(blob).tobytes()
        return _made(BYTES, (int64s(_elements(dims)), data), confidence)

    @staticmethod
    def bytes_from_list(
        dims: Iterable[int], blob: Iterable[int], confidence: builtins.float | None = None
    ) -> "AttributeValue":
        """Bytes given as numbers, and the shape of what they hold. Raises InvalidInputError for a number beyond 0 to 255."""
        try:
            return AttributeValue.bytes(dims, builtins.bytes(_elements(blob)), confidence)
        except ValueError as exc:
            raise InvalidInputError("each byte has to be a number from 0 to 255") from exc

    @staticmethod
    def bbox(bbox: RBBox, confidence: builtins.float | None = None) -> "AttributeValue":
        """A box, which may be rotated."""
        return _made(BBOX, _shape(bbox, RBBox), confidence)

    @staticmethod
    def bboxes(bboxes: Iterable[RBBox], confidence: builtins.float | None = None) -> "AttributeValue":
        """Boxes, which may be rotated."""
        return _made(BBOXES, _shapes(bboxes, RBBox), confidence)

    @staticmethod
    def point(point: Point, confidence: builtins.float | None = None) -> "AttributeValue":
        """A point."""
        return _made(POINT, _shape(point, Point), confidence)

    @staticmethod
    def points(points: Iterable[Point], confidence: builtins.float | None = None) -> "AttributeValue":
        """Points."""
        return _made(POINTS, _shapes(points, Point), confidence)

    @staticmethod
    def polygon(polygon: PolygonalArea, confidence: builtins.float | None = None) -> "AttributeValue":
        """An area bounded by a polygon."""
        return _made(POLYGON, _shape(polygon, PolygonalArea), confidence)

    @staticmethod
    def polygons(polygons: Iterable[PolygonalArea], confidence: builtins.float | None = None) -> "AttributeValue":
        """Areas bounded by polygons."""
        return _made(POLYGONS, _shapes(polygons, PolygonalArea), confidence)

    @staticmethod
    def intersection(
        int: Intersection,  # noqa: A002 (Savant's name for it)
        confidence: builtins.float | None = None,
    ) -> "AttributeValue":
        """How a segment lies to an area."""
        return _made(INTERSECTION, _shape(int, Intersection), confidence)

    @staticmethod
    def temporary_python_object(pyobj: object, confidence: builtins.float | None = None) -> "AttributeValue":
        """Any object, shared as it is, which never leaves the process: on the wire there is only the fact of it."""
        return _made(TEMPORARY, pyobj, confidence)

    @staticmethod
    def from_json(json: str) -> "AttributeValue":
        """The value that Savant's JSON says. Raises InvalidInputError for anything else."""
        return value_of(json_form.value_from_json(json))

    @property
    def confidence(self) -> builtins.float | None:
        """How sure its maker is of it, in single precision, or None."""
        return self._content[2]

    @confidence.setter
    def confidence(self, confidence: builtins.float | None) -> None:
        kind, data, _, size = self._content
        self._content = (kind, data, None if confidence is None else float32(confidence), size)

    @property
    def value_type(self) -> AttributeValueType:
        """Its kind."""
        return AttributeValueType(self._content[0])

    @property
    def json(self) -> str:
        """The value as JSON, in Savant's form."""
        return json_form.value_to_json(self._content)

    def is_none(self) -> bool:
        """Whether it is there without a value."""
        return self._content[0] == NONE

    def as_integer(self) -> int | None:
        """The integer."""
        kind, data, _, _ = self._content
        return data if kind == INTEGER else None

    def as_integers(self) -> list[int] | None:
        """The integers."""
        return self._list(INTEGERS)

    def as_float(self) -> builtins.float | None:
        """The number."""
        kind, data, _, _ = self._content
        return data if kind == FLOAT else None

    def as_floats(self) -> list[builtins.float] | None:
        """The numbers."""
        return self._list(FLOATS)

    def as_boolean(self) -> bool | None:
        """Whether true or false."""
        kind, data, _, _ = self._content
        return data if kind == BOOLEAN else None

    def as_booleans(self) -> list[bool] | None:
        """The trues and falses."""
        return self._list(BOOLEANS)

    def as_string(self) -> str | None:
        """The text."""
        kind, data, _, _ = self._content
        return data if kind == STRING else None

    def as_strings(self) -> list[str] | None:
        """The texts."""
        return self._list(STRINGS)

    def as_bytes(self) -> tuple[list[int], builtins.bytes] | None:
        """The shape and the bytes."""
        kind, data, _, _ = self._content
        return (list(data[0]), data[1]) if kind == BYTES else None

    def as_bbox(self) -> RBBox | None:
        """The box, as a copy."""
        kind, data, _, _ = self._content
        return box_of(data) if kind == BBOX else None

    def as_bboxes(self) -> list[RBBox] | None:
        """The boxes, as copies."""
        kind, data, _, _ = self._content
        return [box_of(box) for box in data] if kind == BBOXES else None

    def as_point(self) -> Point | None:
        """The point, as a copy."""
        kind, data, _, _ = self._content
        return point_of(data) if kind == POINT else None

    def as_points(self) -> list[Point] | None:
        """The points, as copies."""
        kind, data, _, _ = self._content
        return [point_of(point) for point in data] if kind == POINTS else None

    def as_polygon(self) -> PolygonalArea | None:
        """The area."""
        kind, data, _, _ = self._content
        return polygon_of(data) if kind == POLYGON else None

    def as_polygons(self) -> list[PolygonalArea] | None:
        """The areas."""
        kind, data, _, _ = self._content
        return [polygon_of(polygon) for polygon in data] if kind == POLYGONS else None

    def as_intersection(self) -> Intersection | None:
        """How the segment lies to the area."""
        kind, data, _, _ = self._content
        return intersection_of(data) if kind == INTERSECTION else None

    def as_temporary_python_object(self) -> Any:
        """The object itself; None also for one that came over the wire."""
        kind, data, _, _ = self._content
        return data if kind == TEMPORARY else None

    def _list(self, wanted: int) -> list[Any] | None:
        kind, data, _, _ = self._content
        return list(data) if kind == wanted else None

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if isinstance(other, AttributeValue) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kind, data, confidence, _ = self._content
        return f"AttributeValue({AttributeValueType(kind)!r}, {data!r}, confidence={confidence})"


@final
class AttributeValuesView(Sequence[AttributeValue]):
    """The values of an attribute as they were when it was asked for, each copied only when it is looked at."""

    __slots__ = ("_contents",)

    def __init__(self, contents: tuple[Value, ...]) -> None:
        self._contents = contents

    def __len__(self) -> int:
        return len(self._contents)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [value_of(content) for content in self._contents[index]]
        return value_of(self._contents[index])


def value_of(content: Value) -> AttributeValue:
    """A value of the caller's own with this content."""
    made = _new(AttributeValue)
    made._content = content
    return made


def contents_of(values: Iterable[AttributeValue]) -> tuple[Value, ...]:
    """What the values say. Raises TypeError for anything else."""
    contents = []
    for each in values:
        if type(each) is not AttributeValue:
            raise TypeError(f"the values of an attribute are AttributeValues, not {type(each).__name__}")
        contents.append(each._content)
    return tuple(contents)


def _made(kind: int, data: Any, confidence: float | None) -> AttributeValue:
    return value_of(value(kind, data, None if confidence is None else float32(confidence)))


def _elements(several: Iterable[_T]) -> list[_T]:
    if isinstance(several, str):
        raise TypeError("a list is needed, not a str")
    return [*several]


def _boolean(truth: bool) -> bool:
    if not isinstance(truth, bool):
        raise TypeError(f"True or False is needed, not {type(truth).__name__}")
    return truth


def _shape(shape: Any, wanted: type[Any]) -> Any:
    if type(shape) is not wanted:
        raise TypeError(f"a {wanted.__name__} is needed, not {type(shape).__name__}")
    return shape._content


def _shapes(shapes: Iterable[Any], wanted: type[Any]) -> tuple[Any, ...]:
    return tuple([_shape(shape, wanted) for shape in _elements(shapes)])
