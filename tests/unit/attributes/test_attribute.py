"""An attribute is the caller's own: what the store holds and what others hold never changes with it."""

import copy

import pytest
from hypothesis import given

from framedb.attributes.attribute import Attribute, attribute_of, record_of
from framedb.attributes.values import AttributeValue as Value
from framedb.errors import InvalidInputError
from tests.unit.attributes.examples import attributes


def counter() -> Attribute:
    return Attribute.persistent("camera", "frames", [Value.integer(1)], "counted since the start")


def test_it_says_what_it_was_made_of() -> None:
    attribute = Attribute("camera", "frames", [Value.integer(1), Value.string("a")], "hint", False, True)
    assert (attribute.namespace, attribute.name, attribute.hint) == ("camera", "frames", "hint")
    assert attribute.values == [Value.integer(1), Value.string("a")]
    assert attribute.is_temporary()
    assert not attribute.is_persistent()
    assert attribute.is_hidden()


def test_made_by_name_it_is_persistent_or_temporary() -> None:
    persistent = Attribute.persistent(namespace="n", name="m", values=[], hint="h", is_hidden=True)
    temporary = Attribute.temporary(namespace="n", name="m", values=[], hint="h", is_hidden=True)
    assert persistent == Attribute("n", "m", [], hint="h", is_persistent=True, is_hidden=True)
    assert temporary == Attribute("n", "m", [], hint="h", is_persistent=False, is_hidden=True)


def test_changing_a_handle_changes_neither_the_record_nor_another_handle() -> None:
    record = record_of(counter())
    mine, another = attribute_of(record), attribute_of(record)
    mine.values = [Value.integer(2)]
    mine.hint = None
    mine.make_temporary()
    assert another == counter()
    assert record == record_of(counter())
    assert mine == Attribute.temporary("camera", "frames", [Value.integer(2)])
    mine.make_persistent()
    assert mine.is_persistent()


def test_a_record_taken_earlier_keeps_its_encoding() -> None:
    attribute = counter()
    earlier = record_of(attribute)
    encoded = earlier.encoded_set()
    attribute.values = [Value.integer(2)]
    assert earlier.encoded_set() == encoded
    assert record_of(attribute).encoded_set() != encoded


def test_changing_the_values_that_came_out_changes_nothing() -> None:
    attribute = counter()
    attribute.values.append(Value.none())
    attribute.values[0].confidence = 0.5
    attribute.values_view[0].confidence = 0.5
    assert attribute == counter()


def test_changing_the_values_that_went_in_changes_nothing() -> None:
    value = Value.integer(1)
    values = [value]
    attribute = Attribute.persistent("n", "m", values)
    value.confidence = 0.5
    values.clear()
    assert attribute.values == [Value.integer(1)]


def test_a_view_is_a_sequence_of_the_values_at_that_time() -> None:
    attribute = Attribute.persistent("n", "m", [Value.integer(1), Value.string("a")])
    view = attribute.values_view
    attribute.values = []
    assert len(view) == 2
    assert list(view) == [Value.integer(1), Value.string("a")]
    assert view[-1] == view[1] == Value.string("a")
    assert view[1:] == [Value.string("a")]
    with pytest.raises(IndexError):
        view[2]


def test_its_names_are_not_changed() -> None:
    attribute = counter()
    with pytest.raises(AttributeError):
        attribute.name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        attribute.namespace = "other"  # type: ignore[misc]


def test_a_copy_is_of_its_own() -> None:
    for make in (copy.copy, copy.deepcopy):
        mine = make(counter())
        mine.hint = "mine"
        assert mine != counter()
        assert make(counter()) == counter()


@given(attributes())
def test_json_says_all_of_it(attribute: Attribute) -> None:
    read = Attribute.from_json(attribute.json)
    assert (read.namespace, read.name, read.hint) == (attribute.namespace, attribute.name, attribute.hint)
    assert read.is_persistent() == attribute.is_persistent()
    assert read.is_hidden() == attribute.is_hidden()
    assert [value.value_type for value in read.values] == [value.value_type for value in attribute.values]


@pytest.mark.parametrize("json", ["", "[]", "{}", '{"namespace":"n","name":"m","values":[]}', counter().json[:-1]])
def test_json_of_anything_else_is_refused(json: str) -> None:
    with pytest.raises(InvalidInputError):
        Attribute.from_json(json)


def test_what_is_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError):
        Attribute(1, "m", [])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Attribute("n", b"m", [])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Attribute("n", "m", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Attribute("n", "m", [1])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        Attribute("n", "m", [], 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        record_of("n")  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["namespace", "name", "hint"])
def test_text_that_utf_8_cannot_carry_is_refused(part: str) -> None:
    parts = {"namespace": "n", "name": "m", "hint": "h", part: "\ud800"}
    with pytest.raises(InvalidInputError):
        Attribute(values=[], **parts)  # type: ignore[arg-type]
    if part == "hint":
        attribute = counter()
        with pytest.raises(InvalidInputError):
            attribute.hint = "\ud800"
        assert attribute == counter()


def test_it_shows_itself() -> None:
    assert repr(counter()) == (
        "Attribute('camera', 'frames', [AttributeValue(Integer, 1, confidence=None)], "
        "hint='counted since the start', is_persistent=True, is_hidden=False)"
    )
