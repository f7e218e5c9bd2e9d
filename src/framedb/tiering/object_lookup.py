"""`ObjectLookup`: where the object of a key is, of all the places it may be in."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from framedb.errors import FrameDBError, InvalidKeyError, NotFoundError, StoreUnavailableError
from framedb.frame import NO_SOURCE, check_key, source_of, utc_now
from framedb.routing import Copy, ObjectRoute, SQLLocator
from framedb.routing.locator import InstanceType
from framedb.tiering.instances import Instances
from framedb.tiering.object_places import ObjectPlace, naming
from framedb.tiering.stored_object import instance_type

logger = logging.getLogger(__name__)
T = TypeVar("T")


class ObjectLookup:
    """Looks for objects: at the clusters of their source, where their row leads, and in the durable tier, in this order."""

    def __init__(self, routing: SQLLocator, instances: Instances, is_near: Callable[[Copy], bool]) -> None:
        """`is_near` says which of several copies to look at first."""
        self._routing = routing
        self._instances = instances
        self._is_near = is_near

    def first(
        self,
        key: str,
        framedb_id: str | None,
        type: str | None,  # noqa: A002
        look: Callable[[ObjectPlace], T | None],
    ) -> tuple[Copy, T, Mapping[str, Any]] | None:
        """What `look` finds at the first place where it finds anything, and the metadata of the key.

        With a `framedb_id`: at the instance of that name (and type, if given). Raises NotFoundError if there is none.
        """
        if not is_legal(key):
            return None
        with naming(key):
            return self._first(key, framedb_id, type, look)

    def places_of(self, key: str, route: ObjectRoute | None) -> Sequence[Copy]:
        """Where a key may be, in the order of who wins: memory at its source hides the row, which hides the durable tier."""
        copies: Sequence[Copy] = () if route is None else route.copies
        if len(copies) > 1:
            copies = sorted(copies, key=lambda copy: not self._is_near(copy))
        return list(dict.fromkeys([*self.of_source(source_of(key)), *copies, self._instances.durable_tier]))

    def of_source(self, source: str) -> Sequence[Copy]:
        """The clusters that have, or may still have, frames of the source; the one it goes to from here comes first."""
        if source == NO_SOURCE:
            return [self._instances.of_no_source]
        now = utc_now()
        routes = sorted(self._routing.mapping(source), key=lambda route: route.node_tag != self._routing.node_tag)
        clusters = [route.cluster for route in routes]
        clusters += [
            place.cluster for route in routes for place in route.previous if not place.until or place.until > now
        ]
        return [Copy(cluster, "in-memory") for cluster in dict.fromkeys(clusters) if cluster is not None]

    def living(self, routes: Sequence[ObjectRoute]) -> Sequence[ObjectRoute]:
        """Those of the routes that lead to something; where an instance does not answer, those that name it."""
        keys: dict[Copy, list[str]] = {}
        for route in routes:
            for copy in route.copies:
                keys.setdefault(copy, []).append(route.key)
        living: set[str] = set()
        for copy, asked in keys.items():
            try:
                living |= self._instances.place(copy).present(asked)
            except NotFoundError:
                continue
            except FrameDBError as exc:
                logger.warning("cannot look for objects: %s", exc, extra={"id": copy.framedb_id})
                living.update(asked)
        return [route for route in routes if route.key in living]

    def _first(
        self,
        key: str,
        framedb_id: str | None,
        type: str | None,  # noqa: A002
        look: Callable[[ObjectPlace], T | None],
    ) -> tuple[Copy, T, Mapping[str, Any]] | None:
        # The row before the bytes: those it tells of may be newer then, never older.
        route = self._routing.object(key)
        while True:
            places = self._called(framedb_id, type) if framedb_id else self.places_of(key, route)
            found = self._first_of(places, route, look)
            if found is not None or framedb_id:
                return found
            before, route = route, self._routing.object(key)
            if route is None or _same(route, before):
                return None
            # It was written elsewhere, and taken away where we looked.

    def _first_of(
        self, places: Sequence[Copy], route: ObjectRoute | None, look: Callable[[ObjectPlace], T | None]
    ) -> tuple[Copy, T, Mapping[str, Any]] | None:
        copies = route.copies if route is not None else ()
        away: StoreUnavailableError | None = None
        for copy in places:
            try:
                found = look(self._instances.place(copy))
            except NotFoundError:
                continue  # removed, with all it held
            except StoreUnavailableError as exc:
                if copy not in copies:
                    raise
                away = exc  # another copy may answer
                continue
            if found is not None:
                return copy, found, route.metadata if route is not None and copy in copies else {}
        if away is not None:
            raise away
        return None

    def _called(self, framedb_id: str, type: str | None) -> Sequence[Copy]:  # noqa: A002
        kinds: Sequence[InstanceType] = ("in-memory", "storage") if type is None else (instance_type(type),)
        return self._instances.called(framedb_id, kinds)


def is_legal(key: str) -> bool:
    """Whether there can be an object of the key. What cannot be written is absent; FrameDB's own keys are nobody's objects."""
    try:
        check_key(key)
    except InvalidKeyError:
        return False
    return True


def _same(route: ObjectRoute, before: ObjectRoute | None) -> bool:
    return before is not None and (route, route.updated_at) == (before, before.updated_at)
