"""The import path that stands for Savant's `primitives`."""

import savant_rs
from savant_rs import primitives as savant

import framedb.primitives
import framedb.primitives.geometry
from framedb.attributes.encoding import decode, encode
from framedb.primitives import Attribute, AttributeValue

SHARED = {"Attribute", "AttributeValue", "AttributeValueType", "AttributeValuesView"}


def test_attributes_are_where_savant_has_them() -> None:
    assert set(dir(savant)) >= SHARED
    assert set(framedb.primitives.__all__) >= SHARED


def test_every_shape_is_where_savant_has_it() -> None:
    shapes = {name for name in dir(vars(savant_rs)["geometry"]) if not name.startswith("_")}
    assert set(framedb.primitives.geometry.__all__) == shapes
    assert set(framedb.primitives.__all__) == SHARED | shapes
    for name in shapes:
        assert getattr(framedb.primitives, name) is getattr(framedb.primitives.geometry, name)


def test_an_attribute_is_made_as_with_savant() -> None:
    made = [
        package.Attribute.persistent(
            namespace="ns",
            name="name",
            values=[
                package.AttributeValue.string("x"),
                package.AttributeValue.integer(1, confidence=0.5),
                package.AttributeValue.bytes(dims=[3], blob=b"abc"),
            ],
            hint=None,
            is_hidden=False,
        )
        for package in (framedb.primitives, savant)
    ]
    own, other = made
    assert own.json == other.json
    assert [value.as_integer() for value in own.values] == [None, 1, None]


def test_what_is_read_off_the_wire_is_of_these_classes() -> None:
    made = Attribute.temporary("ns", "name", [AttributeValue.float(0.5)])
    (record,) = decode(encode([framedb.attributes.attribute.record_of(made)]))
    assert framedb.attributes.attribute.attribute_of(record) == made
