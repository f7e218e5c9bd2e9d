"""`ItemStreams`: items by the name of their stream, in whichever cluster of memory it is."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from typing_extensions import Buffer
from uuid_utils import uuid7

from framedb.errors import ConflictError, FrameDBError, NotFoundError, NotRegisteredError
from framedb.frame import check_key
from framedb.routing import SQLLocator, StreamRoute
from framedb.routing.checks import MAX_OBJECT_DOCUMENT_BYTES, check_document
from framedb.stores.streams import StreamPolicy, check_policy
from framedb.tiering.instances import Instances, named
from framedb.tiering.object_lookup import is_legal
from framedb.tiering.object_places import naming
from framedb.tiering.stored_object import StoredObject, item_of

logger = logging.getLogger(__name__)


class ItemStreams:
    """Streams of items, first in and first out; each is where its first item was put."""

    def __init__(self, routing: SQLLocator, instances: Instances) -> None:
        self._routing = routing
        self._instances = instances

    def push(
        self,
        queue_name: str | None,
        data: Buffer,
        framedb_id: str | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        max_length: int | None = None,
        policy: StreamPolicy | None = None,
    ) -> StoredObject:
        """Add an item to a stream; a blank name gets a generated one. A stream is where its first item was put.

        It holds at most `max_length` items: then the oldest goes (policy `drop-oldest`), or the new one is turned away with
        StoreFullError (`drop-newest`; `wait`), counted except under `wait`. Not given, both are what the stream's metadata say
        under these names; else there is no cap but the server's memory. `metadata` are the stream's, not the item's.

        Raises ConflictError for a stream that is in another instance; else as `set`. An item that a dying server did not
        acknowledge may come twice.
        """
        name = check_key(queue_name or str(uuid7()))
        route = self._routing.stream(name)
        given = None if metadata is None else check_document("metadata", metadata, max_bytes=MAX_OBJECT_DOCUMENT_BYTES)
        wanted = self._instances.cluster(framedb_id) if framedb_id or route is None else route.framedb_id
        if route is not None and route.framedb_id != wanted:
            raise ConflictError(
                f"stream {name} is in instance {route.framedb_id}: put items there, or delete the stream first"
            )
        known = dict(route.metadata) if route is not None else {}
        in_force = known if given is None else given
        cap, full = check_policy(
            in_force.get("max_length") if max_length is None else max_length,
            in_force.get("policy") if policy is None else policy,
        )
        with naming(name):
            self._instances.streams(wanted).push(name, data, max_length=cap, policy=full)
        if route is None or in_force != known:
            try:
                self._routing.register_stream(name, wanted, in_force)
            except FrameDBError as exc:
                if route is None:
                    self._take_back_item(name, wanted, data)
                    raise NotRegisteredError(f"stream {name} could not be registered: {exc}") from exc
                raise
        return item_of(name, wanted, data, in_force)

    def pop(self, queue_name: str, *, framedb_id: str | None = None, wait: float = 0.0) -> bytes | None:
        """Take the oldest item of a stream, waiting up to that many seconds for one; None if none came.

        Raises NotFoundError for a stream nobody registered, unless its instance is named.
        """
        if framedb_id:
            cluster = self._instances.cluster(framedb_id)
        else:
            route = self._stream(queue_name)
            if route is None:
                raise NotFoundError(
                    f"there is no stream {queue_name!r}: push an item, or name the instance that holds it"
                )
            cluster = route.framedb_id
        with named(cluster), naming(queue_name):
            return self._instances.streams(cluster).pop(queue_name, wait=wait)

    def stream_length(self, queue_name: str, *, framedb_id: str | None = None) -> int | None:
        """Items that wait in the stream; None for one nobody registered, unless its instance is named."""
        cluster = self._stream_cluster(queue_name, framedb_id)
        if cluster is None:
            return None
        with named(cluster):
            return self._instances.streams(cluster).length(queue_name)

    def stream_drops(self, queue_name: str, *, framedb_id: str | None = None) -> dict[str, int]:
        """Items of the stream that nobody took, by reason."""
        cluster = self._stream_cluster(queue_name, framedb_id)
        if cluster is None:
            return {}
        with named(cluster):
            return self._instances.streams(cluster).drops(queue_name)

    def delete_stream(self, queue_name: str) -> bool:
        """Remove the stream with the items it holds; whether there was one."""
        route = self._stream(queue_name)
        if route is None:
            return False
        with suppress(NotFoundError):
            self._instances.streams(route.framedb_id).delete(queue_name)
        return self._routing.remove_stream(queue_name)

    def take_item(self, name: str, framedb_id: str | None) -> tuple[StoredObject, Buffer] | None:
        """The next item of a stream, and what is known about it; None if there is none. A persistent instance holds none."""
        if not is_legal(name):
            return None
        route = self._stream(name)
        if framedb_id:
            try:
                cluster = self._instances.cluster(framedb_id)
            except NotFoundError:
                return None  # a persistent instance: it was looked at, and holds no streams
        elif route is not None:
            cluster = route.framedb_id
        else:
            return None
        with named(cluster), naming(name):
            data = self._instances.streams(cluster).pop(name)
        if data is None:
            return None
        metadata = route.metadata if route is not None and route.framedb_id == cluster else {}
        return item_of(name, cluster, data, metadata), data

    def _stream(self, queue_name: str) -> StreamRoute | None:
        return self._routing.stream(queue_name) if is_legal(queue_name) else None

    def _stream_cluster(self, queue_name: str, framedb_id: str | None) -> str | None:
        if framedb_id:
            return self._instances.cluster(framedb_id)
        route = self._stream(queue_name)
        return None if route is None else route.framedb_id

    def _take_back_item(self, name: str, cluster: str, data: Buffer) -> None:
        try:
            self._instances.streams(cluster).take_back(name, data)
        except FrameDBError as exc:
            logger.warning("an item of a stream that could not be registered stays: %s", exc, extra={"stream": name})
