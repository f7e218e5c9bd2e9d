"""Values are what they were made of, of one kind only, and nobody else's."""

from collections.abc import Callable
from fractions import Fraction
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framedb import primitives as typed_primitives
from framedb.attributes.boxes import BBox, RBBox
from framedb.attributes.geometry import Intersection, IntersectionKind, Point
from framedb.attributes.kinds import AttributeValueType
from framedb.attributes.polygons import PolygonalArea
from framedb.attributes.values import AttributeValue as Value
from framedb.errors import InvalidInputError
from tests.unit.attributes.examples import values

primitives: Any = typed_primitives
AnyValue: Any = Value
"""To be given what its types forbid."""

ACCESSORS = [name for name in dir(Value) if name.startswith("as_")]


@given(values())
def test_only_the_accessor_of_its_own_kind_answers(value: Value) -> None:
    answers = [name for name in ACCESSORS if getattr(value, name)() is not None]
    assert len(answers) == (
        0 if value.value_type in (AttributeValueType.None_, AttributeValueType.TemporaryValue) else 1
    )


@given(values(floats=st.floats(-1e30, 1e30)))
def test_json_says_all_of_it(value: Value) -> None:
    assert Value.from_json(value.json) == value


def test_json_has_no_word_for_what_is_no_number() -> None:
    read = Value.from_json(Value.floats([nan, inf, 1.0]).json).as_floats()
    assert read
    assert [isnan(number) for number in read] == [True, True, False]


def test_a_number_is_taken_as_what_it_equals() -> None:
    assert Value.integer(np.int64(4)).as_integer() == 4  # type: ignore[arg-type]
    assert type(Value.integer(True).as_integer()) is int
    assert Value.float(1).as_float() == 1.0
    assert type(Value.float(1).as_float()) is float
    assert Value.float(Fraction(1, 2)).as_float() == 0.5  # type: ignore[arg-type]
    assert Value.integers(np.arange(3)).as_integers() == [0, 1, 2]
    assert Value.floats(np.array([0.5, 1], np.float32)).as_floats() == [0.5, 1.0]
    assert Value.bytes([2], bytearray(b"ab")).as_bytes() == ([2], b"ab")
    assert Value.bytes((2,), memoryview(b"abcd")[::2]).as_bytes() == ([2], b"ac")
    assert Value.integers(b"ab").as_integers() == [97, 98]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Value.integer(2**63),
        lambda: Value.integer(-(2**63) - 1),
        lambda: Value.integers([0, 2**63]),
        lambda: Value.float(10**400),
        lambda: Value.floats([10**400]),
        lambda: Value.integer(1, 10**400),
        lambda: Value.bytes([2**63], b""),
        lambda: Value.bytes_from_list([], [256]),
        lambda: Value.bytes_from_list([], [-1]),
        lambda: Value.string("\ud800"),
        lambda: Value.strings(["a", "\udfff"]),
        lambda: Intersection(IntersectionKind.Enter, [(-1, None)]),
        lambda: Intersection(IntersectionKind.Enter, [(2**64, None)]),
        lambda: Intersection(IntersectionKind.Enter, [(0, "\ud800")]),
        lambda: PolygonalArea([Point(0, 0)], []),
        lambda: PolygonalArea([Point(0, 0)], ["a", "b"]),
    ],
)
def test_what_the_wire_cannot_carry_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInputError):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: AnyValue(),
        lambda: AnyValue.integer(1.0),
        lambda: AnyValue.integer("1"),
        lambda: AnyValue.integer(None),
        lambda: AnyValue.integers("12"),
        lambda: AnyValue.integers([1.5]),
        lambda: AnyValue.integers(1),
        lambda: AnyValue.float("1"),
        lambda: AnyValue.float(b"1"),
        lambda: AnyValue.floats(["1"]),
        lambda: AnyValue.integer(1, "0.5"),
        lambda: AnyValue.boolean(1),
        lambda: AnyValue.booleans([1]),
        lambda: AnyValue.string(b"a"),
        lambda: AnyValue.strings("ab"),
        lambda: AnyValue.strings([b"a"]),
        lambda: AnyValue.bytes([1], "a"),
        lambda: AnyValue.bytes([1], 1),
        lambda: AnyValue.bytes([1.5], b""),
        lambda: AnyValue.bbox(BBox(1, 2, 3, 4)),
        lambda: AnyValue.bbox(None),
        lambda: AnyValue.point((1, 2)),
        lambda: AnyValue.points([Point(1, 2), (1, 2)]),
        lambda: AnyValue.polygon([Point(1, 2)]),
        lambda: AnyValue.intersection(IntersectionKind.Enter),
        lambda: primitives.Intersection(0, []),
        lambda: primitives.Point("1", 2),
        lambda: primitives.PolygonalArea([(1, 2)]),
        lambda: primitives.RBBox(1, 2, 3, None),
    ],
)
def test_what_is_of_another_type_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        make()


def test_a_confidence_is_in_single_precision_as_on_the_wire() -> None:
    value = Value.integer(1, 0.1)
    assert value.confidence == float(np.float32(0.1))
    value.confidence = 0.2
    assert value.confidence == float(np.float32(0.2))
    value.confidence = None
    assert value.confidence is None
    assert Value.integer(1, 1e300).confidence == inf
    assert Value.integer(1, -1e300).confidence == -inf
    assert isnan(Value.integer(1, nan).confidence or 0)


def test_changing_what_was_put_in_changes_nothing() -> None:
    numbers, box, point = [1, 2], RBBox(1, 2, 3, 4), Point(1, 2)
    several, boxed, pointed = Value.integers(numbers), Value.bbox(box), Value.point(point)
    numbers.append(3)
    box.xc, box.angle = 9, 45
    point.x = 9
    assert several.as_integers() == [1, 2]
    assert boxed.as_bbox() == RBBox(1, 2, 3, 4)
    assert pointed.as_point() == Point(1, 2)


def test_changing_what_was_handed_out_changes_nothing() -> None:
    several, boxed, pointed = Value.integers([1, 2]), Value.bboxes([RBBox(1, 2, 3, 4)]), Value.point(Point(1, 2))
    got = several.as_integers()
    boxes = boxed.as_bboxes()
    point = pointed.as_point()
    assert got
    assert boxes
    assert point
    got.append(3)
    boxes[0].width = 9
    point.y = 9
    assert several.as_integers() == [1, 2]
    assert boxed.as_bboxes() == [RBBox(1, 2, 3, 4)]
    assert pointed.as_point() == Point(1, 2)


def test_a_temporary_object_is_handed_out_itself() -> None:
    thing = {"any": "object"}
    assert Value.temporary_python_object(thing).as_temporary_python_object() is thing


def test_values_compare_by_what_they_say() -> None:
    assert Value.integer(1) == Value.integer(1)
    assert Value.integer(1) != Value.float(1)
    assert Value.integer(1) != Value.boolean(True)
    assert Value.integer(1) != Value.integer(1, 0.5)
    assert Value.integer(1) != 1
    with pytest.raises(TypeError):
        hash(Value.integer(1))


@pytest.mark.parametrize(
    "json",
    [
        "",
        "x",
        "null",
        "[]",
        "1",
        "{}",
        '{"confidence":null}',
        '{"value":null}',
        '{"value":{}}',
        '{"value":"Integer"}',
        '{"value":{"Integer":1,"Float":1.0}}',
        '{"value":{"Integer":1.5}}',
        '{"value":{"Integer":true}}',
        '{"value":{"Integer":9223372036854775808}}',
        '{"value":{"Unknown":1}}',
        '{"value":{"IntegerVector":1}}',
        '{"value":{"IntegerVector":"12"}}',
        '{"value":{"Float":"1"}}',
        '{"value":{"Boolean":1}}',
        '{"value":{"String":1}}',
        '{"value":{"String":"\\ud800"}}',
        '{"value":{"Bytes":[[1],[256]]}}',
        '{"value":{"Bytes":[[1]]}}',
        '{"value":{"Point":{"x":1}}}',
        '{"value":{"BBox":{"xc":1,"yc":2,"width":3}}}',
        '{"value":{"Polygon":{"vertices":[],"tags":["a"]}}}',
        '{"value":{"Intersection":{"kind":"Elsewhere","edges":[]}}}',
        '{"value":{"Intersection":{"kind":"Enter","edges":[[-1,null]]}}}',
        '{"confidence":"high","value":{"Integer":1}}',
        "[" * 100_000,
        '{"value":{"Integer":' + "1" * 10_000 + "}}",
    ],
)
def test_json_of_anything_else_is_refused(json: str) -> None:
    with pytest.raises(InvalidInputError):
        Value.from_json(json)


def test_json_may_say_that_there_is_no_angle_by_null_or_by_silence() -> None:
    for angle in ('"angle":null', '"height":4'):
        read = Value.from_json(f'{{"value":{{"BBox":{{"xc":1,"yc":2,"width":3,"height":4,{angle}}}}}}}')
        assert read.as_bbox() == RBBox(1, 2, 3, 4)
