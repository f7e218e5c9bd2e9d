"""Keys without a size, which stand for a frame in each of the required ones."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from framedb.errors import InvalidInputError
from framedb.stores.references import COUNT

_WITH_SIZE = re.compile(r".+__[0-9]+x[0-9]+", re.DOTALL)


def in_sizes(keys: Sequence[Any], sizes: Sequence[str]) -> list[str]:
    """Keys as they are read: `P` as `P__S` of each size, those with a size and those of other forms as they are."""
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
        raise InvalidInputError("give a list of keys")
    wanted: list[str] = []
    for key in map(_as_text, keys):
        sized = _WITH_SIZE.fullmatch(key) or any(key.endswith(f"__{size}") for size in sizes)
        if not sizes or sized or key.startswith(("frame:", COUNT)):
            wanted.append(key)
        else:
            wanted += [f"{key}__{size}" for size in sizes]
    return wanted


def _as_text(key: Any) -> str:
    try:
        text = key.decode() if isinstance(key, bytes) else key
    except UnicodeDecodeError as exc:
        raise InvalidInputError(f"{key!r} is no key: keys are UTF-8") from exc
    if not isinstance(text, str):
        raise InvalidInputError(f"{key!r} is no key: give text")
    return text
