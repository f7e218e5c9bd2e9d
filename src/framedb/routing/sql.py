"""`SQLLocator`: the routes in the registry's tables."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Engine

from framedb.routing.key_locks import KeyLocks
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
        self._key_locks = KeyLocks(engine)

    @property
    def node_tag(self) -> str:
        """The machine that asks."""
        return self._node_tag

    def exclusively(self, keys: Sequence[str]) -> AbstractContextManager[None]:
        """Nobody else, in any process on this registry, writes or removes objects of these keys during the block.

        Whoever is in one must not ask for another. Raises ConflictError if others hold a key for over half a minute.
        """
        return self._key_locks.of(keys)
