"""`FrameDBWriter`: writes objects straight into the instance that is to hold them, and registers where they are."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Annotated, Any, Protocol, Self, cast

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from typing_extensions import Buffer
from uuid_utils import uuid7

from framedb.compat.calls import why_of
from framedb.compat.opened import Instances, Kind, OpenInstances
from framedb.compat.services import Answer
from framedb.errors import (
    ConflictError,
    FrameDBError,
    InvalidInputError,
    InvalidSettingError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from framedb.frame import NO_SOURCE, Frame, check_key, guess_encoding, source_of
from framedb.redaction import redacted
from framedb.stores.streams import Streams, check_policy
from framedb.tiering.object_memory import MemoryObjects
from framedb.tiering.object_places import ObjectPlace, StoredObjects

logger = logging.getLogger(__name__)

_FIRST = "local"
"""The instance an empty framedb_id means, and the cluster of keys that belong to no source."""

_TYPES = ("in-memory", "storage", "stream")

Place = tuple[str, Kind]
"""A framedb_id, and which of the two instances of that name."""


class WriterSettings(BaseSettings):
    """What a writer is told by the environment and `.env`."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    connections: Annotated[int, Field(alias="CONNECTIONS_CACHE_ENV_SIZE", ge=1)] = 100
    """Instances that are kept open. Each takes a connection or two, here and there."""


class ObjectRoutes(Protocol):
    """Writes down where objects are: `ObjectRoutingClient`, or something like it."""

    def create_object(
        self,
        object_id: str,
        framedb_id: str,
        framedb_type: str,
        copies: Any = None,
        size: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Over any earlier row."""

    def get_object(self, object_id: str) -> Answer:
        """404 for an unknown one."""


class StreamRoutes(Protocol):
    """Writes down where streams are: `StreamRoutingClient`, or something like it."""

    def register_stream(self, queue_name: str, framedb_id: str, metadata: Mapping[str, Any] | None = None) -> Answer:
        """Over any earlier row."""

    def get_stream(self, queue_name: str) -> Answer:
        """404 for an unknown one."""


class NotRoutedError(Exception):
    """The data were written, and the routing service did not take down where."""


class FrameDBWriter:
    """Writes data by framedb_id. Thread-safe; it keeps connections open, so close it, or use it in a `with`."""

    def __init__(
        self,
        cluster_client: Instances,
        object_routing_client: ObjectRoutes | None = None,
        stream_routing_client: StreamRoutes | None = None,
    ) -> None:
        """Without a routing client nothing is registered. Raises InvalidSettingError for a setting that cannot be used."""
        try:
            size = WriterSettings().connections
        except ValidationError as exc:
            raise InvalidSettingError(f"CONNECTIONS_CACHE_ENV_SIZE: {exc.errors()[0]['msg']}") from None
        self._instances = OpenInstances(cluster_client, size=size)
        self._clients = (cluster_client, object_routing_client, stream_routing_client)
        self._objects = object_routing_client
        self._streams = stream_routing_client

    def write(
        self,
        key: Any,
        framedb_id: str,
        data: Buffer,
        type_: str,
        metadata: Mapping[str, Any] | None = None,
        update_routing: bool = True,
    ) -> dict[str, Any]:
        """Write an object (`in-memory`, `storage`), or an item of the `stream` called `key`: `{"success", "message", "key"}`.

        A blank key gets a generated one. Success means that it is written and, unless `update_routing` is off, found by
        everyone. A write that could not be registered is taken back.
        """
        key = str(uuid7()) if key is None or key == "" else key
        try:
            if not isinstance(key, str):
                raise InvalidInputError("a key is text, or None for a generated one")
            check_key(key)
            document, view = _document(metadata), _flat(data)
            if type_ not in _TYPES:
                raise InvalidInputError(f"Unsupported type: {type_}")
            if type_ == "stream":
                routed = self._push(key, framedb_id or _FIRST, view, document, register=update_routing)
            else:
                place = (framedb_id or _FIRST, cast(Kind, type_))
                routed = self._put(key, place, view, document, register=update_routing)
        except NotRoutedError as exc:
            return _result(key, f"Routing failed: {exc}")
        except (InvalidInputError, NotFoundError) as exc:
            return _result(key, str(exc))
        except FrameDBError as exc:
            return _result(key, f"Write failed: {exc}")
        message = "Object stored and routed successfully" if routed else "Object stored successfully"
        return {"success": True, "message": message, "key": key}

    def close(self) -> None:
        """Close every connection, those of the clients too."""
        self._instances.close()
        for client in self._clients:
            if close := getattr(client, "close", None):
                close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Objects

    def _put(self, key: str, here: Place, data: memoryview, metadata: Mapping[str, Any], *, register: bool) -> bool:
        routes = self._objects if register else None
        known = None if routes is None else _known(routes.get_object(key))
        with self._opened(here) as (here, place):
            place.write(Frame(key, b"", encoding=guess_encoding(data)), [data], size=data.nbytes)
            if routes is None:
                return False
            try:
                _registered(routes.create_object(key, *here, size=data.nbytes, metadata=metadata))
            except NotRoutedError as exc:
                if here in _places_of(known):
                    raise NotRoutedError(f"{exc}; the data stand in {here[0]}, where its earlier route leads") from exc
                with suppress(FrameDBError):
                    place.delete(key)
                raise NotRoutedError(f"{exc}; the data were written to {here[0]}, and taken back") from exc
        self._supersede(key, here, known)
        return True

    def _supersede(self, key: str, here: Place, known: Mapping[str, Any] | None) -> None:
        """Remove what else there is of the key. Raises StoreError while something is in the way of readers."""
        in_front = [place for place in self._of_source(source_of(key)) if place != here]
        for place in in_front:  # it is read before the row
            try:
                with suppress(NotFoundError):
                    self._delete(place, key)
            except FrameDBError as exc:
                raise StoreError(
                    f"{key} is written to {here[0]} and registered, but readers look in {place[0]} first, where an earlier "
                    f"one may be: write it again once that answers ({exc})"
                ) from exc
        for place in _places_of(known):
            if place != here and place not in in_front:
                try:
                    with suppress(NotFoundError):
                        self._delete(place, key)
                except FrameDBError as exc:
                    logger.warning("a replaced object stays where it was: %s", exc, extra={"key": key, "id": place[0]})

    def _delete(self, place: Place, key: str) -> None:
        with self._opened(place) as (_, opened):
            opened.delete(key)

    def _of_source(self, source: str) -> list[Place]:
        """The clusters where a reader looks first."""
        if source == NO_SOURCE:
            return [(_FIRST, "in-memory")]
        clusters_of = getattr(self._objects, "clusters_of", None)
        return [] if clusters_of is None else [(cluster, "in-memory") for cluster in clusters_of(source)]

    @contextmanager
    def _opened(self, place: Place) -> Iterator[tuple[Place, ObjectPlace]]:
        """The instance, with its own name: that of a member means its cluster."""
        framedb_id, kind = place
        if kind == "storage":
            with self._instances.storage(framedb_id) as store:
                yield place, StoredObjects(store)
        else:
            with self._instances.memory(framedb_id) as memory:
                yield (memory.master.connection.cluster or framedb_id, kind), MemoryObjects(memory)

    # Streams

    def _push(
        self, name: str, framedb_id: str, item: memoryview, metadata: Mapping[str, Any], *, register: bool
    ) -> bool:
        routes = self._streams if register else None
        known = None if routes is None else _known(routes.get_stream(name))
        in_force = metadata or (known or {}).get("metadata") or {}
        cap, policy = check_policy(in_force.get("max_length"), in_force.get("policy"))
        with self._instances.memory(framedb_id) as memory:
            cluster = memory.master.connection.cluster or framedb_id
            if known is not None and known["framedb_id"] != cluster:
                raise ConflictError(f"stream {name} is in instance {known['framedb_id']}: put items there")
            stream = Streams(memory.master)
            stream.push(name, item, max_length=cap, policy=policy)
            if routes is None:
                return False
            if known is not None and known.get("metadata", {}) == in_force:
                return True
            try:
                _registered(routes.register_stream(name, cluster, in_force))
            except NotRoutedError as exc:
                if known is not None:
                    raise NotRoutedError(f"{exc}; the item is in the stream, whose metadata stay as they were") from exc
                with suppress(FrameDBError):
                    stream.take_back(name, item)
                raise NotRoutedError(f"{exc}; the item was written to {cluster}, and taken back") from exc
        return True


def _document(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata as JSON can say them. Raises InvalidInputError."""
    if metadata is None:
        return {}
    try:
        document = json.loads(json.dumps(metadata, allow_nan=False))
    except (TypeError, ValueError) as exc:
        raise InvalidInputError(f"metadata is nothing JSON can say: {exc}") from exc
    if not isinstance(document, dict):
        raise InvalidInputError("metadata must be a JSON object: give a dictionary")
    return document


def _flat(data: Buffer) -> memoryview:
    try:
        view = memoryview(data)
        return view.cast("B") if view.nbytes else memoryview(b"")
    except TypeError as exc:
        raise InvalidInputError(f"data must be bytes, in one piece: not {type(data).__name__}") from exc


def _known(answered: Answer) -> Mapping[str, Any] | None:
    """The row there is; None for none. Raises StoreUnavailableError where nobody tells."""
    status, answer = answered
    if status == 200 and isinstance(answer, dict) and answer.get("success") and answer.get("data"):
        found: dict[str, Any] = answer["data"]
        return found
    if status == 404 or (status == 200 and why_of(answered).startswith("No document found")):
        return None
    raise StoreUnavailableError(f"the routing service does not tell what there is: {redacted(why_of(answered))}")


def _registered(answered: Answer) -> None:
    status, answer = answered
    if status not in (200, 201) or not isinstance(answer, dict) or not answer.get("success"):
        raise NotRoutedError(redacted(why_of(answered)))


def _places_of(known: Mapping[str, Any] | None) -> list[Place]:
    if known is None:
        return []
    copies = [known, *known.get("copies", ())]
    return list(dict.fromkeys((copy["framedb_id"], copy["framedb_type"]) for copy in copies))


def _result(key: Any, why: str) -> dict[str, Any]:
    return {"success": False, "message": redacted(why), "key": key}
