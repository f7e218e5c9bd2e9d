"""`SQLLocator`: the routes in the registry's tables."""

from sqlalchemy import Engine

from framedb.routing.objects import ObjectRoutes
from framedb.routing.sources import SourceRoutes
from framedb.routing.streams import StreamRoutes


class SQLLocator(SourceRoutes, ObjectRoutes, StreamRoutes):
    """A `Locator` that also keeps what it answers. Every change is one transaction.

    `node_tag` names the machine that asks: of a source with routes on several, `route` answers that one's.
    """

    def __init__(self, engine: Engine, *, node_tag: str = "local") -> None:
        self._engine = engine
        self._node_tag = node_tag

    @property
    def node_tag(self) -> str:
        """The machine that asks."""
        return self._node_tag
