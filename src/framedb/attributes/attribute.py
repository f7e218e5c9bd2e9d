"""An attribute: values under a namespace and a name, the one thing the store holds."""

from collections.abc import Iterable
from typing import final

from framedb.attributes import json_form
from framedb.attributes.record import Record
from framedb.attributes.scalars import optional_text, text
from framedb.attributes.values import AttributeValue, AttributeValuesView, contents_of, value_of

_new = object.__new__


@final
class Attribute:
    """Values under a namespace and a name. It is the caller's own: to change it changes nothing that a store holds."""

    __slots__ = ("_record",)
    _record: Record

    def __init__(
        self,
        namespace: str,
        name: str,
        values: Iterable[AttributeValue],
        hint: str | None = None,
        is_persistent: bool = True,
        is_hidden: bool = False,
    ) -> None:
        """Raises TypeError for what is of another type, InvalidInputError for text that UTF-8 cannot carry."""
        self._record = _record(namespace, name, values, hint, is_persistent, is_hidden)

    @staticmethod
    def persistent(
        namespace: str,
        name: str,
        values: Iterable[AttributeValue],
        hint: str | None = None,
        is_hidden: bool = False,
    ) -> "Attribute":
        """An attribute that is meant to leave the process with its frame. Raises as the constructor does."""
        return attribute_of(_record(namespace, name, values, hint, True, is_hidden))

    @staticmethod
    def temporary(
        namespace: str,
        name: str,
        values: Iterable[AttributeValue],
        hint: str | None = None,
        is_hidden: bool = False,
    ) -> "Attribute":
        """An attribute that is meant to stay within the process. Raises as the constructor does."""
        return attribute_of(_record(namespace, name, values, hint, False, is_hidden))

    @staticmethod
    def from_json(json: str) -> "Attribute":
        """The attribute that Savant's JSON says. Raises InvalidInputError for anything else."""
        return attribute_of(json_form.record_from_json(json))

    @property
    def namespace(self) -> str:
        """What it belongs to."""
        return self._record.namespace

    @property
    def name(self) -> str:
        """What it is called there."""
        return self._record.name

    @property
    def values(self) -> list[AttributeValue]:
        """Its values, as copies: to change one, set them all."""
        return [value_of(content) for content in self._record.values]

    @values.setter
    def values(self, values: Iterable[AttributeValue]) -> None:
        old = self._record
        contents = contents_of(values)
        self._record = Record(old.namespace, old.name, contents, old.hint, old.is_persistent, old.is_hidden)

    @property
    def values_view(self) -> AttributeValuesView:
        """Its values, each copied only when it is looked at."""
        return AttributeValuesView(self._record.values)

    @property
    def hint(self) -> str | None:
        """What its maker says about it, for people."""
        return self._record.hint

    @hint.setter
    def hint(self, hint: str | None) -> None:
        old = self._record
        hint = optional_text(hint)
        self._record = Record(old.namespace, old.name, old.values, hint, old.is_persistent, old.is_hidden)

    @property
    def json(self) -> str:
        """The attribute as JSON, in Savant's form."""
        return json_form.record_to_json(self._record)

    def is_persistent(self) -> bool:
        """Whether it is meant to leave the process."""
        return self._record.is_persistent

    def is_temporary(self) -> bool:
        """Whether it is meant to stay within the process."""
        return not self._record.is_persistent

    def is_hidden(self) -> bool:
        """Whether it is meant to be left out where attributes are listed."""
        return self._record.is_hidden

    def make_persistent(self) -> None:
        """From now on it is meant to leave the process."""
        self._set_persistent(True)

    def make_temporary(self) -> None:
        """From now on it is meant to stay within the process."""
        self._set_persistent(False)

    def _set_persistent(self, is_persistent: bool) -> None:
        old = self._record
        self._record = Record(old.namespace, old.name, old.values, old.hint, is_persistent, old.is_hidden)

    def __eq__(self, other: object) -> bool:
        return self._record == other._record if isinstance(other, Attribute) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        record = self._record
        return (
            f"Attribute({record.namespace!r}, {record.name!r}, {self.values!r}, hint={record.hint!r}, "
            f"is_persistent={record.is_persistent}, is_hidden={record.is_hidden})"
        )


def attribute_of(record: Record) -> Attribute:
    """A handle of the caller's own on what the record says."""
    attribute = _new(Attribute)
    attribute._record = record
    return attribute


def record_of(attribute: Attribute) -> Record:
    """What the attribute says at this moment; it never changes. Raises TypeError for anything else."""
    if type(attribute) is not Attribute:
        raise TypeError(f"an Attribute is needed, not {type(attribute).__name__}")
    return attribute._record


def _record(
    namespace: str,
    name: str,
    values: Iterable[AttributeValue],
    hint: str | None,
    is_persistent: bool,
    is_hidden: bool,
) -> Record:
    if type(namespace) is not str or not namespace.isascii():
        namespace = text(namespace)
    if type(name) is not str or not name.isascii():
        name = text(name)
    return Record(namespace, name, contents_of(values), None if hint is None else text(hint), is_persistent, is_hidden)
