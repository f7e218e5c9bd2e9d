"""What may stand in a row: names that the tables can hold, and JSON objects of bounded size."""

import json
import re
from collections.abc import Mapping
from typing import Any

from framedb.errors import InvalidInputError

MAX_DOCUMENT_BYTES = 64 * 1024
"""Of a mapping's metadata: every reader and writer of the source fetches them."""
MAX_OBJECT_DOCUMENT_BYTES = 1024 * 1024
"""Of an object's or stream's metadata: what a detector found, say."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


def check_name(kind: str, name: Any) -> str:
    """`name` itself, if a framedb_id or node tag can be called so. Raises InvalidInputError that begins with `kind`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInputError(f"{kind} {_shown(name)} is not legal: 1 to 128 of letters, digits and . _ -")
    return name


def check_document(kind: str, document: Any, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> dict[str, Any]:
    """`document` as a dict, if it is an object that JSON can hold in so many bytes; {} for None.

    Raises InvalidInputError that begins with `kind`.
    """
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise InvalidInputError(f"{kind} must be a JSON object, not {type(document).__name__}")
    try:
        size = len(json.dumps(dict(document), allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as exc:  # also text that is no Unicode, NaN, or nested without end
        raise InvalidInputError(f"{kind} cannot be kept as JSON: {exc}") from exc
    if size > max_bytes:
        raise InvalidInputError(f"{kind} has {size} bytes as JSON; at most {max_bytes} are possible")
    return dict(document)


def check_limit(limit: int) -> int:
    """`limit` itself, if it is the length of a page: 1 to 1000. Raises InvalidInputError otherwise."""
    if not 1 <= limit <= 1000:
        raise InvalidInputError(f"limit {limit} is not possible: give 1 to 1000, and ask for the next page")
    return limit


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
