"""`Routes`: where sources go, remembered by whoever reads or writes them."""

import time
from typing import Protocol

from framedb.errors import StoreUnavailableError
from framedb.resp import ClusterConnection

ROUTE_AGE = 2.0
"""Seconds a route is believed by who needs a fresh one: since then the source may have moved, or become durable."""

_PAUSE = 0.1  # seconds between two attempts: short beside a failover of seconds


class Locator(Protocol):
    """Answers where frames are: from SQL in the node, over HTTP in a client."""

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """How to reach the cluster of a source, or of a name. A source nobody knows yet is placed."""


class Routes:
    """The routes of sources, as a locator told them last. A writer that has an old one is refused, and asks again."""

    def __init__(self, locator: Locator, *, wait: float) -> None:
        """`wait`: seconds at most for a cluster that has no master at this moment to find one."""
        self._locator = locator
        self._wait = wait
        self._known: dict[str, tuple[float, ClusterConnection]] = {}

    def of(self, source: str, *, max_age: float | None = None) -> ClusterConnection:
        """The route of the source; if it is older than `max_age` seconds, the one of now, or the old one if nobody answers."""
        known = self._known.get(source)
        if known is None:
            return self._first(source)
        asked, route = known
        began = time.monotonic()
        if max_age is None or began - asked <= max_age:
            return route
        try:
            return self.ask(source)
        except ConnectionError:
            now = time.monotonic()
            # Who waited in vain must not do so again at once: a node that hangs would hold up everything.
            self._known[source] = (now + 3 * (now - began), route)
            return route

    def ask(self, source: str) -> ClusterConnection:
        """The route of the source now. Raises NodeUnavailableError or StoreUnavailableError when nobody answers."""
        asked = time.monotonic()
        route = self._locator.connection(source=source)
        self._known[source] = (asked, route)
        return route

    def _first(self, source: str) -> ClusterConnection:
        deadline = time.monotonic() + self._wait
        while True:
            try:
                return self.ask(source)
            except StoreUnavailableError:  # its cluster is in the middle of a failover, or is being started again
                if time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)

    def forget(self, source: str) -> None:
        """Ask before it is used again."""
        self._known.pop(source, None)

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()
