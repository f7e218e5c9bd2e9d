"""Values of attributes as people type and read them."""

from pathlib import Path

import pytest

from framedb.attributes.kinds import AttributeValueType
from framedb.cli.attribute_values import shown, typed
from framedb.errors import InvalidInputError

TYPED = [
    ("42", AttributeValueType.Integer, "42"),
    ("int:-5", AttributeValueType.Integer, "-5"),
    ("1.5", AttributeValueType.Float, "1.5"),
    ("float:2", AttributeValueType.Float, "2.0"),
    ("true", AttributeValueType.Boolean, "true"),
    ("bool:false", AttributeValueType.Boolean, "false"),
    ("hello", AttributeValueType.String, "hello"),
    ("str:42", AttributeValueType.String, "42"),
    ("", AttributeValueType.String, ""),
    ("http://a/b", AttributeValueType.String, "http://a/b"),
    ("none:", AttributeValueType.None_, "none"),
]


@pytest.mark.parametrize(("text", "kind", "line"), TYPED)
def test_a_typed_value_has_its_kind_and_is_shown_as_it_was_typed(
    text: str, kind: AttributeValueType, line: str
) -> None:
    value = typed(text)
    assert value.value_type == kind
    assert shown(value) == line


def test_lists_have_commas_between() -> None:
    assert typed("ints:1,-2,3").as_integers() == [1, -2, 3]
    assert typed("floats:0.5,2").as_floats() == [0.5, 2.0]
    assert typed("bools:true,false").as_booleans() == [True, False]
    assert typed("strs:a,b c").as_strings() == ["a", "b c"]
    assert typed("ints:").as_integers() == []


def test_points_and_boxes_are_their_numbers() -> None:
    point, box = typed("point:1.5,2").as_point(), typed("bbox:10,20,30,40,45").as_bbox()
    assert point is not None
    assert (point.x, point.y) == (1.5, 2.0)
    assert box is not None
    assert (box.xc, box.yc, box.width, box.height, box.angle) == (10, 20, 30, 40, 45)


def test_bytes_are_those_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "blob"
    file.write_bytes(b"\0\1\2")
    assert typed(f"bytes:{file}").as_bytes() == ([3], b"\0\1\2")


def test_any_value_can_be_given_as_the_json_it_is_shown_as() -> None:
    value = typed("bbox:1,2,3,4")
    assert typed(f"json:{shown(value)}") == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("int:1.5", "give a whole number"),
        ("int:99999999999999999999", "64"),
        ("float:much", "give a number"),
        ("bool:yes", "give true or false"),
        ("ints:1,,2", "give whole numbers with commas between"),
        ("point:1", "give x,y"),
        ("bbox:1,2,3", "give xc,yc,width,height"),
        ("none:x", "give nothing"),
        ("json:{", "JSON"),
        ("bytes:/no/such/file", "cannot read /no/such/file"),
    ],
)
def test_what_is_no_value_of_its_type_is_refused_with_what_to_give(text: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        typed(text)
