"""Attributes of every kind, for hypothesis to choose among."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from framedb.attributes.attribute import Attribute, record_of
from framedb.attributes.boxes import RBBox
from framedb.attributes.geometry import Intersection, IntersectionKind, Point
from framedb.attributes.polygons import PolygonalArea
from framedb.attributes.record import Record
from framedb.attributes.values import AttributeValue as Value

NUMBERS = st.floats(allow_nan=False)


def records() -> st.SearchStrategy[Record]:
    """What attributes say, of any kind; without NaN, which is not equal to itself."""
    return attributes().map(record_of)


def attributes() -> st.SearchStrategy[Attribute]:
    """Attributes of any kind, without NaN."""
    names = st.text(max_size=20)
    return st.builds(
        Attribute, names, names, st.lists(values(), max_size=4), st.none() | names, st.booleans(), st.booleans()
    )


def values(floats: st.SearchStrategy[float] = NUMBERS) -> st.SearchStrategy[Value]:
    """Values of every kind that goes over the wire."""
    texts = st.text(max_size=20)
    integers = st.integers(-(2**63), 2**63 - 1)
    dims = st.lists(integers, max_size=3)
    points = st.builds(Point, floats, floats)
    boxes = st.builds(RBBox, floats, floats, floats, floats, st.none() | floats)
    confidences = st.none() | floats
    kinds: list[tuple[Callable[..., Value], st.SearchStrategy[Any]]] = [
        (Value.integer, integers),
        (Value.integers, st.lists(integers)),
        (Value.float, floats),
        (Value.floats, st.lists(floats)),
        (Value.boolean, st.booleans()),
        (Value.booleans, st.lists(st.booleans())),
        (Value.string, texts),
        (Value.strings, st.lists(texts)),
        (Value.bbox, boxes),
        (Value.bboxes, st.lists(boxes, max_size=3)),
        (Value.point, points),
        (Value.points, st.lists(points, max_size=3)),
        (Value.polygon, polygons(floats)),
        (Value.polygons, st.lists(polygons(floats), max_size=2)),
        (Value.intersection, intersections()),
        (Value.temporary_python_object, st.none()),
    ]
    made = [st.builds(make, data, confidences) for make, data in kinds]
    blobs = st.builds(Value.bytes, dims, st.binary(max_size=50), confidences)
    return st.one_of(st.builds(Value.none), blobs, *made)


def polygons(floats: st.SearchStrategy[float]) -> st.SearchStrategy[PolygonalArea]:
    """Areas, with tags and without."""
    tagged = st.lists(st.tuples(st.builds(Point, floats, floats), st.none() | st.text(max_size=5)), max_size=4)
    return st.builds(_polygon, tagged, st.booleans())


def intersections() -> st.SearchStrategy[Intersection]:
    """Intersections, with tags and without."""
    edges = st.tuples(st.integers(0, 2**64 - 1), st.none() | st.text(max_size=5))
    return st.builds(Intersection, st.sampled_from(IntersectionKind), st.lists(edges, max_size=3))


def _polygon(tagged: list[tuple[Point, str | None]], with_tags: bool) -> PolygonalArea:
    return PolygonalArea([point for point, _ in tagged], [tag for _, tag in tagged] if with_tags else None)
