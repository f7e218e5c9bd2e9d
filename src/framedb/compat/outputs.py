"""What a program writes: outputs as its serializer makes them, and the sources they go to."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from framedb.errors import InvalidInputError
from framedb.frame import source_of
from framedb.resp import Redis, translated
from framedb.stores.base import Put
from framedb.stores.references import References

Serializer = Callable[[dict[str, Any]], tuple[bool, dict[str, Any]]]
"""Makes of outputs what is written; False: nothing is."""

_OF_SOURCE = re.compile(r"(?:ref__)?(.+)\?[^?]*\?[^?]*__.*", re.DOTALL)


def serialized(outputs: dict[str, Any], serializer: Serializer | None) -> dict[str, Any]:
    """What is to be written. Raises InvalidInputError for outputs that are not."""
    if serializer is not None:
        try:
            accepted, outputs = serializer(outputs)
        except Exception as exc:  # of somebody else's code
            raise InvalidInputError(f"the output serializer failed: {exc}") from exc
        if not accepted:
            raise InvalidInputError("the output serializer refused the outputs: nothing was written")
    if not isinstance(outputs, Mapping):
        raise InvalidInputError("outputs are keys with their bytes: {'key': b'...'}")
    return dict(outputs)


def put_through(connection: Redis, values: Mapping[str, Any], *, default_ttl: float) -> list[Put]:
    """Written on a connection that somebody else made, each to the source that its key begins with."""

    def run(operation: Callable[[Redis], Any]) -> Any:
        with translated("the connection's server"):
            return operation(connection)

    references = References(run, default_ttl=default_ttl)
    return [put for source, own in _by_source(values) for put in references.put(source, own)]


def dropped(puts: list[Put]) -> str | None:
    """Which of them were turned away, in words; None: they all stand."""
    reasons = sorted({put.dropped for put in puts if put.dropped})
    if not reasons:
        return None
    number = sum(1 for put in puts if put.dropped)
    return f"{number} of {len(puts)} frames were turned away: {', '.join(reasons)}"


def _by_source(values: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    grouped: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        match = _OF_SOURCE.fullmatch(key) if isinstance(key, str) else None
        source = match[1] if match else source_of(str(key))
        grouped.setdefault(source, {})[key] = value
    yield from grouped.items()
