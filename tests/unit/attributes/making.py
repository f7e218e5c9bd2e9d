"""Attributes for tests, what they say, and a clock that only moves when told."""

from collections.abc import Iterable

from framedb.attributes.attribute import Attribute
from framedb.attributes.values import AttributeValue


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(namespace: str, name: str, number: int = 0) -> Attribute:
    """An attribute of one integer."""
    return Attribute.persistent(namespace, name, [AttributeValue.integer(number)])


def number(attribute: Attribute | None) -> int | None:
    """The integer it holds; None if there is no attribute."""
    return None if attribute is None else attribute.values[0].as_integer()


def keys(attributes: Iterable[Attribute]) -> list[tuple[str, str]]:
    """Namespaces and names, in order."""
    return sorted((attribute.namespace, attribute.name) for attribute in attributes)
