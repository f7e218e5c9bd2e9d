"""Attributes as JSON, in Savant's form, for people and logs; what goes over the wire is protobuf (`encoding.py`)."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite, nan
from typing import Any

from framedb.attributes import kinds
from framedb.attributes.boxes import BoxContent
from framedb.attributes.geometry import IntersectionContent, IntersectionKind, PointContent
from framedb.attributes.kinds import Value, value
from framedb.attributes.polygons import PolygonContent, polygon_content
from framedb.attributes.record import Record
from framedb.attributes.scalars import float32, float64, int64, optional_text, text, uint64
from framedb.errors import InvalidInputError

_NO_ANGLE = 3.4028235e38
"""What stands for no angle: Savant's reader does not take null. It is the largest number in single precision."""


def value_to_json(content: Value) -> str:
    """The value as a JSON object."""
    return _dumps(_value_form(content))


def value_from_json(string: str) -> Value:
    """The value that a JSON object says. Raises InvalidInputError for anything else."""
    with _reading("value"):
        return _value_content(json.loads(string))


def record_to_json(record: Record) -> str:
    """The attribute as a JSON object."""
    return _dumps(
        {
            "namespace": record.namespace,
            "name": record.name,
            "values": [_value_form(content) for content in record.values],
            "hint": record.hint,
            "is_persistent": record.is_persistent,
            "is_hidden": record.is_hidden,
        }
    )


def record_from_json(string: str) -> Record:
    """The attribute that a JSON object says. Raises InvalidInputError for anything else."""
    with _reading("attribute"):
        form = json.loads(string)
        return Record(
            text(form["namespace"]),
            text(form["name"]),
            tuple([_value_content(each) for each in _array(form["values"])]),
            optional_text(form.get("hint")),
            _boolean(form["is_persistent"]),
            _boolean(form["is_hidden"]),
        )


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except KeyError as exc:
        raise InvalidInputError(f"the JSON of this {what} lacks {exc}: it has to be as `json` makes it") from exc
    except (AttributeError, TypeError, ValueError, RecursionError) as exc:
        raise InvalidInputError(f"this is not the JSON of an {what}: {exc}; it has to be as `json` makes it") from exc


def _dumps(form: object) -> str:
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))


def _value_form(content: Value) -> dict[str, object]:
    kind, data, confidence, _ = content
    name, make_form = _WRITE[kind]
    form = "None" if kind == kinds.NONE else {name: make_form(data)}
    return {"confidence": None if confidence is None else _single_form(confidence), "value": form}


def _value_content(form: Any) -> Value:
    confidence = form.get("confidence")
    confidence = None if confidence is None else float32(confidence)
    if form["value"] in ("None", {"None": None}):
        return value(kinds.NONE, None, confidence)
    ((name, data),) = form["value"].items()
    kind, read_form = _READ[name]
    return value(kind, read_form(data), confidence)


def _float_form(number: float) -> float | None:
    return number if isfinite(number) else None


def _single_form(number: float) -> float | None:
    """The number with the fewest digits that single precision takes for this one: 0.1, not 0.10000000149011612."""
    if not isfinite(number):
        return None
    short = (float(f"{number:.{digits}g}") for digits in range(1, 9))
    return next((each for each in short if float32(each) == number), number)


def _point_form(content: PointContent) -> dict[str, object]:
    x, y = content
    return {"x": _single_form(x), "y": _single_form(y)}


def _box_form(content: BoxContent) -> dict[str, object]:
    xc, yc, width, height, angle = content
    return {
        "xc": _single_form(xc),
        "yc": _single_form(yc),
        "width": _single_form(width),
        "height": _single_form(height),
        "angle": _NO_ANGLE if angle is None else _single_form(angle),
        "has_modifications": False,
    }


def _polygon_form(content: PolygonContent) -> dict[str, object]:
    points, tags = content
    return {"vertices": [_point_form(point) for point in points], "tags": tags}


def _intersection_form(content: IntersectionContent) -> dict[str, object]:
    kind, edges = content
    return {"kind": IntersectionKind(kind).name, "edges": edges}


def _boolean(form: Any) -> bool:
    if not isinstance(form, bool):
        raise TypeError(f"{form!r} is neither true nor false")
    return form


def _array(form: Any) -> list[Any]:
    if not isinstance(form, list):
        raise TypeError(f"an array is needed, not {type(form).__name__}")
    return form


def _integer(form: Any) -> int:
    if isinstance(form, bool):
        raise TypeError("an integer is needed, not true or false")
    return int64(form)


def _float(form: Any) -> float:
    return nan if form is None else float64(form)


def _single(form: Any) -> float:
    return nan if form is None else float32(form)


def _bytes(form: Any) -> tuple[tuple[int, ...], bytes]:
    dims, blob = form
    return tuple([_integer(dim) for dim in _array(dims)]), bytes(_array(blob))


def _point(form: Any) -> PointContent:
    return _single(form["x"]), _single(form["y"])


def _box(form: Any) -> BoxContent:
    angle = form.get("angle")
    has_angle = angle is not None and float32(angle) != float32(_NO_ANGLE)
    xc, yc, width, height = (_single(form[side]) for side in ("xc", "yc", "width", "height"))
    return xc, yc, width, height, float32(angle) if has_angle else None


def _polygon(form: Any) -> PolygonContent:
    points = tuple([_point(point) for point in _array(form["vertices"])])
    tags = form["tags"]
    return polygon_content(points, None if tags is None else _array(tags))


def _intersection(form: Any) -> IntersectionContent:
    edges = tuple([(uint64(number), optional_text(tag)) for number, tag in _array(form["edges"])])
    return int(IntersectionKind[form["kind"]]), edges


def _each(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda several: [convert(each) for each in several]


def _tuple(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda form: tuple([read(each) for each in _array(form)])


def _as_it_is(data: Any) -> Any:
    return data


_WRITE: dict[int, tuple[str, Callable[[Any], Any]]] = {
    kinds.BYTES: ("Bytes", lambda data: [data[0], list(data[1])]),
    kinds.STRING: ("String", _as_it_is),
    kinds.STRINGS: ("StringVector", _as_it_is),
    kinds.INTEGER: ("Integer", _as_it_is),
    kinds.INTEGERS: ("IntegerVector", _as_it_is),
    kinds.FLOAT: ("Float", _float_form),
    kinds.FLOATS: ("FloatVector", _each(_float_form)),
    kinds.BOOLEAN: ("Boolean", _as_it_is),
    kinds.BOOLEANS: ("BooleanVector", _as_it_is),
    kinds.BBOX: ("BBox", _box_form),
    kinds.BBOXES: ("BBoxVector", _each(_box_form)),
    kinds.POINT: ("Point", _point_form),
    kinds.POINTS: ("PointVector", _each(_point_form)),
    kinds.POLYGON: ("Polygon", _polygon_form),
    kinds.POLYGONS: ("PolygonVector", _each(_polygon_form)),
    kinds.INTERSECTION: ("Intersection", _intersection_form),
    kinds.TEMPORARY: ("TemporaryValue", lambda _: {}),
    kinds.NONE: ("None", _as_it_is),
}

_READ: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "Bytes": (kinds.BYTES, _bytes),
    "String": (kinds.STRING, text),
    "StringVector": (kinds.STRINGS, _tuple(text)),
    "Integer": (kinds.INTEGER, _integer),
    "IntegerVector": (kinds.INTEGERS, _tuple(_integer)),
    "Float": (kinds.FLOAT, _float),
    "FloatVector": (kinds.FLOATS, _tuple(_float)),
    "Boolean": (kinds.BOOLEAN, _boolean),
    "BooleanVector": (kinds.BOOLEANS, _tuple(_boolean)),
    "BBox": (kinds.BBOX, _box),
    "BBoxVector": (kinds.BBOXES, _tuple(_box)),
    "Point": (kinds.POINT, _point),
    "PointVector": (kinds.POINTS, _tuple(_point)),
    "Polygon": (kinds.POLYGON, _polygon),
    "PolygonVector": (kinds.POLYGONS, _tuple(_polygon)),
    "Intersection": (kinds.INTERSECTION, _intersection),
    "TemporaryValue": (kinds.TEMPORARY, lambda _: None),
}
