"""Attributes survive the way into bytes and back, and nothing else is taken for one."""

from math import inf, nan
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framedb.attributes.encoding import decode, encode
from framedb.attributes.record import Record
from framedb.errors import InvalidInputError
from framedb.proto import kvs_pb2 as pb
from tests.unit.attributes.examples import records


@given(st.lists(records()))
def test_what_was_encoded_is_read_back(attributes: list[Record]) -> None:
    assert decode(encode(attributes)) == attributes


@given(st.lists(records()))
def test_the_bytes_are_those_that_protobuf_itself_makes_of_them(attributes: list[Record]) -> None:
    encoded = encode(attributes)
    assert pb.AttributeSet.FromString(encoded).SerializeToString(deterministic=True) == encoded


@given(records())
def test_a_record_is_encoded_once(record: Record) -> None:
    assert record.encoded_set() is record.encoded_set()
    assert encode([record]) == record.encoded_set()


@given(records())
def test_the_size_covers_the_encoding(record: Record) -> None:
    assert record.size >= len(record.encoded_set())


@given(st.lists(records(), min_size=1, max_size=3), st.data())
def test_a_truncated_set_is_refused_or_holds_whole_attributes(attributes: list[Record], data: st.DataObject) -> None:
    encoded = encode(attributes)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    try:
        read = decode(encoded[:cut])
    except InvalidInputError:
        return
    assert encode(read) == encoded[:cut]


@settings(max_examples=400)
@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_refused_or_read(garbage: bytes) -> None:
    read_or_refused(garbage)


@settings(max_examples=400)
@given(records(), st.data())
def test_a_damaged_attribute_is_refused_or_read(record: Record, data: st.DataObject) -> None:
    damaged = bytearray(record.encoded_set())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(damaged)


def test_any_buffer_can_be_read() -> None:
    encoded = encode([Record("n", "m", (), None, True, False)])
    assert decode(bytearray(encoded)) == decode(memoryview(encoded)) == decode(encoded)


def test_nothing_is_a_set_of_none() -> None:
    assert decode(b"") == []
    assert encode([]) == b""


def test_sets_end_to_end_are_one_set() -> None:
    first, second = (Record("n", name, (), None, True, False) for name in "ab")
    assert decode(first.encoded_set() + second.encoded_set()) == [first, second]


def test_a_set_of_too_many_is_refused() -> None:
    assert len(decode(b"\x0a\x00" * 3, max_attributes=3)) == 3
    with pytest.raises(InvalidInputError, match="4 attributes in one set: send at most 3"):
        decode(b"\x0a\x00" * 4, max_attributes=3)


def test_fields_of_later_versions_are_left_out() -> None:
    plain = pb.Attribute(namespace="n", name="m", is_persistent=True).SerializeToString()
    later = plain + b"\xa2\x06\x03abc"
    (record,) = decode(in_a_set(later))
    assert record.encoded_set() == in_a_set(plain)


def test_the_last_of_several_arms_counts() -> None:
    string = pb.AttributeValue(string=pb.StringAttributeValueVariant(data="a")).SerializeToString()
    integer = pb.AttributeValue(integer=pb.IntegerAttributeValueVariant(data=1)).SerializeToString()
    value = pb.AttributeValue.FromString(string + integer)
    (record,) = decode(pb.AttributeSet(attributes=[pb.Attribute(values=[value])]).SerializeToString())
    assert [content[1] for content in record.values] == [1]


@pytest.mark.parametrize(
    "value",
    [
        pb.AttributeValue(),
        pb.AttributeValue(confidence=0.5),
        pb.AttributeValue(bounding_box=pb.BoundingBoxAttributeValueVariant()),
        pb.AttributeValue(point=pb.PointAttributeValueVariant()),
        pb.AttributeValue(polygon=pb.PolygonAttributeValueVariant()),
        pb.AttributeValue(intersection=pb.IntersectionAttributeValueVariant()),
    ],
    ids=lambda value: str(value.WhichOneof("value")),
)
def test_a_value_with_a_part_missing_is_refused_by_the_name_of_its_attribute(value: pb.AttributeValue) -> None:
    message = pb.AttributeSet(attributes=[pb.Attribute(namespace="camera", name="door", values=[value])])
    with pytest.raises(InvalidInputError, match="'camera' 'door'"):
        decode(message.SerializeToString())


@pytest.mark.parametrize("tags", [[], ["a"], ["a", "b", "c"]])
def test_a_polygon_with_too_few_or_too_many_tags_is_refused(tags: list[str]) -> None:
    area = pb.PolygonalArea(
        points=[pb.Point(), pb.Point()],
        tags=pb.PolygonalAreaTags(tags=[pb.PolygonalAreaTag(tag=tag) for tag in tags]),
    )
    with pytest.raises(InvalidInputError, match="2 vertices"):
        decode(of_one(pb.AttributeValue(polygon=pb.PolygonAttributeValueVariant(data=area))))


@pytest.mark.parametrize("kind", [5, -1, 2**31 - 1])
def test_an_intersection_of_an_unknown_kind_is_refused(kind: int) -> None:
    intersection = pb.Intersection(kind=kind)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="unknown kind"):
        decode(of_one(pb.AttributeValue(intersection=pb.IntersectionAttributeValueVariant(data=intersection))))


@pytest.mark.parametrize("place", ["namespace", "name", "hint", "string"])
def test_text_that_is_not_utf_8_is_refused(place: str) -> None:
    value = pb.AttributeValue(string=pb.StringAttributeValueVariant(data="@@" if place == "string" else ""))
    attribute = pb.Attribute(values=[value], hint="")
    if place != "string":
        setattr(attribute, place, "@@")
    encoded = pb.AttributeSet(attributes=[attribute]).SerializeToString()
    assert encoded.count(b"@@") == 1
    with pytest.raises(InvalidInputError, match="no AttributeSet"):
        decode(encoded.replace(b"@@", b"\xff\xfe"))


def test_bytes_of_another_kind_are_refused() -> None:
    for garbage in (b"<html>", b'{"namespace": "n"}', b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\x0a"):
        with pytest.raises(InvalidInputError, match="no AttributeSet"):
            decode(garbage)


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_numbers_that_are_none_pass_as_they_are(number: float) -> None:
    value = pb.AttributeValue(confidence=number, float=pb.FloatAttributeValueVariant(data=number))
    (record,) = decode(of_one(value))
    (content,) = record.values
    assert [repr(content[1]), repr(content[2])] == [repr(number)] * 2
    assert record.encoded_set() == of_one(value)


def test_threads_that_encode_at_once_get_the_same_bytes() -> None:
    record = Record("n", "m", tuple((3, number, None, 120) for number in range(2000)), None, True, False)
    got: list[bytes] = []
    threads = [Thread(target=lambda: got.append(record.encoded_set())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1


def read_or_refused(data: bytes | bytearray) -> None:
    """What is read has to make sense: it can be encoded, and read again."""
    try:
        attributes = decode(data)
    except InvalidInputError:
        return
    again = encode(attributes)
    assert encode(decode(again)) == again


def of_one(value: pb.AttributeValue) -> bytes:
    return pb.AttributeSet(attributes=[pb.Attribute(values=[value])]).SerializeToString()


def in_a_set(attribute: bytes) -> bytes:
    assert len(attribute) < 128
    return bytes([0x0A, len(attribute)]) + attribute
