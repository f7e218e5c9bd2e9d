"""What we say is understood by Savant's own package, and the other way round.

Its `UserData` holds attributes as an `AttributeSet` does, but under field 2 instead of 1: one byte before each of them.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
import savant_rs
from savant_rs import primitives as savant

from framedb import primitives as ours
from framedb.attributes.attribute import attribute_of, record_of
from framedb.attributes.encoding import decode, encode

GEOMETRY = vars(savant_rs)["geometry"]

Make = Callable[[Any], Any]
"""Makes the same value with either package: it is given a namespace with the names of `framedb.primitives`."""


def holding(make: Make) -> Make:
    """An attribute with the value alone."""
    return lambda p: p.Attribute("camera", "value", [make(p)])


MAKERS: dict[str, Make] = {
    "bytes": lambda p: p.AttributeValue.bytes([2, 2], b"\x00\x01\x02\xff", 0.5),
    "bytes without a shape": lambda p: p.AttributeValue.bytes([], b""),
    "bytes from a list": lambda p: p.AttributeValue.bytes_from_list([-1, 2**63 - 1], [0, 255]),
    "string": lambda p: p.AttributeValue.string("né\0🎥", confidence=0.1),
    "empty string": lambda p: p.AttributeValue.string(""),
    "strings": lambda p: p.AttributeValue.strings(["a", "", "ü"]),
    "no strings": lambda p: p.AttributeValue.strings([]),
    "integer": lambda p: p.AttributeValue.integer(-5, 1.0),
    "integer 0": lambda p: p.AttributeValue.integer(0),
    "largest integer": lambda p: p.AttributeValue.integer(2**63 - 1),
    "smallest integer": lambda p: p.AttributeValue.integer(-(2**63)),
    "integers": lambda p: p.AttributeValue.integers([1, -1, 0, 2**63 - 1, -(2**63)]),
    "no integers": lambda p: p.AttributeValue.integers([]),
    "float": lambda p: p.AttributeValue.float(0.1, 0.0),
    "float 0": lambda p: p.AttributeValue.float(0.0),
    "floats": lambda p: p.AttributeValue.floats([1.5, -2.25, 1e308, 5e-324]),
    "no floats": lambda p: p.AttributeValue.floats([]),
    "boolean": lambda p: p.AttributeValue.boolean(True),
    "boolean false": lambda p: p.AttributeValue.boolean(False),
    "booleans": lambda p: p.AttributeValue.booleans([True, False]),
    "no booleans": lambda p: p.AttributeValue.booleans([]),
    "rotated box": lambda p: p.AttributeValue.bbox(p.RBBox(1, 2.1, 3, 4, 0.1), 0.25),
    "box at angle 0": lambda p: p.AttributeValue.bbox(p.RBBox(0, 0, 0, 0, 0)),
    "upright box": lambda p: p.AttributeValue.bbox(p.RBBox(1, 2, 3, 4)),
    "boxes": lambda p: p.AttributeValue.bboxes([p.RBBox(1, 2, 3, 4), p.RBBox(5, 6, 7, 8, -90)]),
    "no boxes": lambda p: p.AttributeValue.bboxes([]),
    "point": lambda p: p.AttributeValue.point(p.Point(1.1, -2)),
    "point at the origin": lambda p: p.AttributeValue.point(p.Point(0, 0)),
    "points": lambda p: p.AttributeValue.points([p.Point(0, 0), p.Point(1e30, 3)]),
    "no points": lambda p: p.AttributeValue.points([]),
    "polygon": lambda p: p.AttributeValue.polygon(triangle(p, None)),
    "polygon with tags": lambda p: p.AttributeValue.polygon(triangle(p, ["a", None, ""]), 0.75),
    "polygon without points": lambda p: p.AttributeValue.polygon(p.PolygonalArea([])),
    "polygons": lambda p: p.AttributeValue.polygons([triangle(p, None), triangle(p, [None, None, "c"])]),
    "no polygons": lambda p: p.AttributeValue.polygons([]),
    "intersection": lambda p: p.AttributeValue.intersection(
        p.Intersection(p.IntersectionKind.Cross, [(1, "a"), (0, None), (2**64 - 1, "")])
    ),
    "intersection of kind 0": lambda p: p.AttributeValue.intersection(p.Intersection(p.IntersectionKind.Enter, [])),
    "none": lambda p: p.AttributeValue.none(),
    "temporary": lambda p: p.AttributeValue.temporary_python_object({"an": "object"}),
}

ATTRIBUTES: dict[str, Make] = {
    **{name: holding(make) for name, make in MAKERS.items()},
    "of several values": lambda p: p.Attribute.persistent("n", "m", [make(p) for make in MAKERS.values()]),
    "without values": lambda p: p.Attribute.persistent("n", "m", []),
    "without names": lambda p: p.Attribute.persistent("", "", []),
    "with a hint": lambda p: p.Attribute.persistent("n", "m", [], "for people"),
    "with an empty hint": lambda p: p.Attribute.persistent("n", "m", [], hint=""),
    "hidden": lambda p: p.Attribute.persistent("n", "m", [], None, True),
    "by position": lambda p: p.Attribute("n", "m", [], "hint", True, True),
    "temporary attribute": lambda p: p.Attribute.temporary("n", "m", [p.AttributeValue.integer(1)], "hint", True),
}

each_attribute = pytest.mark.parametrize("make", ATTRIBUTES.values(), ids=ATTRIBUTES)
each_value = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


class Theirs:
    """Savant's classes under one roof: those of `primitives`, and those of `geometry` where its package puts them."""

    def __getattr__(self, name: str) -> Any:
        return getattr(savant, name, None) or getattr(GEOMETRY, name)


theirs = Theirs()


@each_attribute
def test_it_makes_the_bytes_that_savant_makes(make: Make) -> None:
    assert encode([record_of(make(ours))]) == encoded_by_savant(make(theirs))


@each_attribute
def test_it_reads_what_savant_writes(make: Make) -> None:
    (record,) = decode(encoded_by_savant(make(theirs)))
    assert json.loads(attribute_of(record).json) == json.loads(make(theirs).json)


@each_attribute
def test_it_says_in_json_what_savant_says(make: Make) -> None:
    assert json.loads(make(ours).json) == json.loads(make(theirs).json)


@each_attribute
def test_savant_reads_its_json(make: Make) -> None:
    assert json.loads(savant.Attribute.from_json(make(ours).json).json) == json.loads(make(theirs).json)


@each_attribute
def test_it_reads_savants_json(make: Make) -> None:
    assert ours.Attribute.from_json(make(theirs).json).json == make(ours).json


@each_value
def test_savant_reads_what_it_writes(make: Make) -> None:
    read = read_by_savant(encode([record_of(ours.Attribute("n", "m", [make(ours)]))]))
    assert read.values[0].json == make(theirs).json


@each_value
def test_every_accessor_answers_as_savants_does(make: Make) -> None:
    own, other = make(ours), make(theirs)
    assert own.confidence == other.confidence
    assert int(own.value_type) == int(other.value_type)
    assert repr(own.value_type) == repr(other.value_type)
    assert own.is_none() == other.is_none()
    for accessor in [name for name in dir(other) if name.startswith("as_")]:
        assert plain(getattr(own, accessor)()) == plain(getattr(other, accessor)()), accessor


def test_all_18_kinds_are_among_them() -> None:
    kinds = {make(ours).value_type for make in MAKERS.values()}
    assert kinds == set(ours.AttributeValueType)
    assert {kind.name: int(kind) for kind in kinds} == {
        name: int(getattr(savant.AttributeValueType, name)) for name in public(savant.AttributeValueType)
    }


@pytest.mark.parametrize(
    "name",
    [
        "Attribute",
        "AttributeValue",
        "AttributeValuesView",
        "BBox",
        "Intersection",
        "Point",
        "PolygonalArea",
        "RBBox",
        "Segment",
    ],
)
def test_nothing_that_savants_classes_offer_is_missing(name: str) -> None:
    drawing = {"get_visual_box", "new_padded"}  # they take Savant's drawing specifications
    addresses = {"memory_handle"}
    assert public(getattr(theirs, name)) - drawing - addresses <= public(getattr(ours, name))


def triangle(p: Any, tags: list[str | None] | None) -> Any:
    return p.PolygonalArea([p.Point(0, 0), p.Point(4, 0.5), p.Point(4, 4)], tags)


def encoded_by_savant(attribute: Any) -> bytes:
    user_data = savant.UserData("")
    user_data.set_attribute(attribute)
    encoded = user_data.to_protobuf()
    assert encoded[:1] == b"\x12"
    return b"\x0a" + encoded[1:]


def read_by_savant(encoded: bytes) -> Any:
    assert encoded[:1] == b"\x0a"
    user_data = savant.UserData.from_protobuf(b"\x12" + encoded[1:])
    ((namespace, name),) = user_data.attributes
    return user_data.get_attribute(namespace, name)


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def plain(answer: Any) -> Any:
    """An answer as plain values, whichever package's objects it holds."""
    if isinstance(answer, list | tuple):
        return [plain(each) for each in answer]
    kind = type(answer).__name__
    if kind == "RBBox":
        return [answer.as_xcycwh(), answer.angle]
    if kind == "Point":
        return [answer.x, answer.y]
    if kind == "PolygonalArea":
        return [
            [tag(answer, edge) for edge in range(4)],
            answer.contains(like(answer, 3, 1)),
            answer.contains(like(answer, 1, 3)),
        ]
    if kind == "Intersection":
        return [repr(answer.kind), [list(edge) for edge in answer.edges]]
    return answer


def like(answer: Any, x: float, y: float) -> Any:
    return (ours if isinstance(answer, ours.PolygonalArea) else theirs).Point(x, y)


def tag(area: Any, edge: int) -> str | None:
    try:
        return area.get_tag(edge)  # type: ignore[no-any-return]
    except ValueError:
        return "no such edge"
