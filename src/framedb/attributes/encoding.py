"""Attributes as bytes, and bytes as attributes: the AttributeSet of Savant's wire."""

from collections.abc import Iterable

from google.protobuf.message import DecodeError

from framedb.attributes.record import Record
from framedb.attributes.wire import read
from framedb.errors import InvalidInputError
from framedb.proto import kvs_pb2 as pb


def encode(records: Iterable[Record]) -> bytes:
    """The AttributeSet of all of them, in this order; each is encoded at most once in its life."""
    return b"".join([record.encoded_set() for record in records])


def decode(data: bytes | bytearray | memoryview, *, max_attributes: int | None = None) -> list[Record]:
    """What an AttributeSet says, in its order.

    Raises InvalidInputError, a ValueError, unless all of it can be read, and for more than `max_attributes`: one takes
    some hundred bytes of memory, but as few as two on the wire.
    """
    try:
        message = pb.AttributeSet.FromString(data)  # type: ignore[arg-type]
    except DecodeError as exc:
        raise InvalidInputError(f"these {len(data)} bytes are no AttributeSet, or not all of it: {exc}") from exc
    if max_attributes is not None and len(message.attributes) > max_attributes:
        raise InvalidInputError(
            f"{len(message.attributes)} attributes in one set: send at most {max_attributes} in one"
        )
    return [_record(attribute) for attribute in message.attributes]


def _record(attribute: pb.Attribute) -> Record:
    try:
        values = tuple([read(value) for value in attribute.values])
    except InvalidInputError as exc:
        raise InvalidInputError(f"attribute {attribute.namespace!r} {attribute.name!r}: {exc}") from exc
    hint = attribute.hint if attribute.HasField("hint") else None
    return Record(attribute.namespace, attribute.name, values, hint, attribute.is_persistent, attribute.is_hidden)
