"""Numbers and text that the wire can carry: less than Python's."""

from array import array
from collections.abc import Iterable
from math import copysign, inf
from operator import index
from struct import Struct

from framedb.errors import InvalidInputError

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1

_SINGLE = Struct("f")


def int64(number: int) -> int:
    """The number, as a plain int. Raises InvalidInputError beyond 64 bits, TypeError for what is no integer."""
    if not INT64_MIN <= index(number) <= INT64_MAX:
        raise InvalidInputError("an integer has to fit into 64 bits: the wire carries int64")
    return int(number)


def int64s(numbers: Iterable[int]) -> tuple[int, ...]:
    """The numbers, as plain ints. Raises as `int64` does."""
    try:
        return tuple(array("q", numbers))
    except OverflowError as exc:
        raise InvalidInputError("each integer has to fit into 64 bits: the wire carries int64") from exc


def uint64(number: int) -> int:
    """The number, as a plain int. Raises InvalidInputError if negative or beyond 64 bits, TypeError for what is no integer."""
    if not 0 <= index(number) <= UINT64_MAX:
        raise InvalidInputError("an edge's id has to be a non-negative integer of at most 64 bits")
    return int(number)


def float64(number: float) -> float:
    """The number, as a plain float. Raises InvalidInputError for an integer too large, TypeError for what is no number."""
    return float64s((number,))[0]


def float64s(numbers: Iterable[float]) -> tuple[float, ...]:
    """The numbers, as plain floats. Raises as `float64` does."""
    try:
        return tuple(array("d", numbers))
    except OverflowError as exc:
        raise InvalidInputError("an integer is too large for a number in double precision") from exc


def float32(number: float) -> float:
    """The nearest number in single precision, infinite beyond its range. Raises as `float64` does."""
    number = float64(number)
    try:
        (single,) = _SINGLE.unpack(_SINGLE.pack(number))
    except OverflowError:
        return copysign(inf, number)
    return single  # type: ignore[no-any-return]


def text(string: str) -> str:
    """The string. Raises InvalidInputError for one that UTF-8 cannot carry, TypeError for what is no string."""
    if not isinstance(string, str):
        raise TypeError(f"a str is needed, not {type(string).__name__}")
    try:
        string.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInputError("a lone surrogate is no text: the wire carries UTF-8") from exc
    return string if type(string) is str else str(string)


def optional_text(string: str | None) -> str | None:
    """The string, or None as it is. Raises as `text` does."""
    return None if string is None else text(string)
