"""What an attribute says, in a form that is never changed and so can be shared."""

from typing import final

from framedb.attributes.kinds import Value
from framedb.attributes.wire import write
from framedb.proto import kvs_pb2 as pb

_SIZE = 400
"""Bytes a record takes besides text and values: itself, its key and place in a store, and the frame of its encoding."""


@final
class Record:
    """What an attribute says. It is never changed once made: a store and every handle share one.

    It checks nothing: names are `scalars.text`, values come out of an `AttributeValue` or off the wire.
    """

    __slots__ = ("_encoded", "hint", "is_hidden", "is_persistent", "name", "namespace", "size", "values")

    def __init__(
        self,
        namespace: str,
        name: str,
        values: tuple[Value, ...],
        hint: str | None,
        is_persistent: bool,
        is_hidden: bool,
    ) -> None:
        self.namespace = namespace
        self.name = name
        self.values = values
        self.hint = hint
        self.is_persistent = is_persistent
        self.is_hidden = is_hidden
        size = _SIZE + 4 * (len(namespace) + len(name))
        for value in values:
            size += value[3]
        self.size = size if hint is None else size + 4 * len(hint)
        """About the bytes it takes in memory, its encoding included."""
        self._encoded: bytes | None = None

    def encoded_set(self) -> bytes:
        """The AttributeSet of this attribute alone, as on the wire; made once. Sets put end to end are one set."""
        encoded = self._encoded
        if encoded is None:
            # Two threads may do it at once: both come to the same bytes.
            encoded = self._encoded = self._encode()
        return encoded

    def _encode(self) -> bytes:
        attributes = pb.AttributeSet()
        attribute = attributes.attributes.add()
        attribute.namespace = self.namespace
        attribute.name = self.name
        for value in self.values:
            write(value, attribute.values.add())
        if self.hint is not None:
            attribute.hint = self.hint
        if self.is_persistent:
            attribute.is_persistent = True
        if self.is_hidden:
            attribute.is_hidden = True
        return attributes.SerializeToString()

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.namespace, self.name))

    def _fields(self) -> tuple[object, ...]:
        return (self.namespace, self.name, self.values, self.hint, self.is_persistent, self.is_hidden)

    def __repr__(self) -> str:
        return f"Record{self._fields()!r}"
