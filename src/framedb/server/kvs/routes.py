"""Which call a path means."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from framedb.server.kvs.answers import Answer, failed

Call = Callable[[Sequence[bytes], bytes], Awaitable[Answer]]
"""Gets the parts of the path that the route leaves open, still encoded, and the body."""


class Route(NamedTuple):
    """One call."""

    method: str
    """The only one it has."""
    path: str
    """As documented, with the open parts at the end: `/kvs/get/{ns}/{name}`."""
    call: Call
    """What it does."""
    needs_token: bool = True
    """Whether only those may call it who are let in; an orchestrator's probes carry no token."""


async def _nowhere(names: Sequence[bytes], body: bytes) -> Answer:
    return failed(404, "there is nothing here: see docs/reference/kvs.md, and write a `/` within a name as %2F")


UNMATCHED = Route("", "unmatched", _nowhere)
"""What is meant by a path that no route has."""


class Routes:
    """Routes by their path. One part or two say which, others are open."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = {
            tuple(part.encode() for part in fixed): (route, len(parts) - len(fixed))
            for route in routes
            for parts in [route.path[1:].split("/")]
            for fixed in [[part for part in parts if not part.startswith("{")]]
        }

    def find(self, path: bytes) -> tuple[Route, Sequence[bytes]]:
        """The route of a raw path, and what it leaves open; UNMATCHED if there is none."""
        parts = tuple(path[1:].split(b"/"))
        for number in (2, 1):
            route, names = self._routes.get(parts[:number], (None, 0))
            if route is not None and len(parts) == number + names:
                return route, parts[number:]
        return UNMATCHED, ()
