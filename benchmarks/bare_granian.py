"""The least that granian can do: `granian --interface rsgi benchmarks.bare_granian:handler`."""

from typing import Any

_BODY = bytes(30)


async def handler(scope: Any, protocol: Any) -> None:
    """Answers a constant of the size of a small attribute."""
    protocol.response_bytes(200, [("content-type", "application/x-protobuf")], _BODY)
