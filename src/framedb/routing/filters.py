"""Flat filters: `{field: value}` on published fields, and nothing that a database could take for an instruction."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement

from framedb.errors import InvalidInputError
from framedb.frame import check_key
from framedb.routing.checks import check_name

Field = tuple[ColumnElement[Any], Callable[[str, Any], Any]]
"""A column, and what makes a filter's value fit to be compared with it (or raises InvalidInputError)."""


def conditions(filters: Mapping[str, Any] | None, fields: Mapping[str, Field]) -> list[ColumnElement[bool]]:
    """What a row must meet: to equal every value given.

    Raises InvalidInputError for a field that is not listed, or a value that is an operator.
    """
    found = []
    for name, value in (filters or {}).items():
        if name not in fields:
            raise InvalidInputError(f"cannot filter by {name!r}: give one of {', '.join(fields)}")
        column, fit = fields[name]
        found.append(column == fit(name, value))
    return found


def key(name: str, value: Any) -> str:
    """A key, as it is."""
    if not isinstance(value, str):
        raise InvalidInputError(f"filter {name} must be a string: {{{name!r}: value}}, without operators")
    return check_key(value)


def label(name: str, value: Any) -> str:
    """A name, as it is."""
    return check_name(f"filter {name}", value)


def number(name: str, value: Any) -> int:
    """A whole number, or its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise InvalidInputError(f"filter {name} must be a whole number: {{{name!r}: value}}, without operators")
    return value
