"""How long an attribute is kept: as callers say it, as the store counts, and as a journal has it."""

import time
from operator import index

from framedb.errors import InvalidInputError

MAX_TTL = 2**63 - 1
"""Milliseconds: as many as clients in other languages can say."""


def milliseconds(ttl: int) -> int:
    """The ttl, as a plain int. Raises InvalidInputError unless it is an integer from 0 to `MAX_TTL`."""
    try:
        number = index(ttl)
    except TypeError as exc:
        raise InvalidInputError(f"a ttl is a number of milliseconds, not a {type(ttl).__name__}") from exc
    if not 0 <= number <= MAX_TTL:
        raise InvalidInputError(
            "a ttl is a number of milliseconds from 0 to 2**63 - 1; without one, it is kept for good"
        )
    return number


def wall_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def expires_at(ttl: int | None) -> int | None:
    """When what is set now expires, in milliseconds since 1970, UTC; None: never."""
    return None if ttl is None else min(wall_ms() + ttl, MAX_TTL)
