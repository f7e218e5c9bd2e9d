"""`framedb.ObjectService`: each call decoded, handed to `tiering.Objects`, and encoded."""
# ruff: noqa: N802  - calls are named as they are published

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing

import grpc

from framedb.config import MiB
from framedb.errors import InvalidInputError, NotFoundError
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceServicer
from framedb.server.freed_memory import give_back
from framedb.server.grpc.in_band import get_object, set_object
from framedb.server.grpc.limits import Patience, Slots
from framedb.server.grpc.messages import expiry_of, metadata_of, optional_ttl, stat_of
from framedb.server.grpc.uploads import Upload
from framedb.server.naming import about
from framedb.tiering.objects import Objects

MAX_WAIT = 30.0
"""Seconds a `PopItem` may wait: proxies drop a call that is silent for a minute."""

_LARGEST_PAGE = 1000
_PAGE_BYTES = 2 * MiB  # of a listing: clients take messages of up to 4 MiB by default
_FETCHED = 100  # objects of a listing asked for at once
_BEHIND_EVERYTHING = 2**60  # no object has as many bytes, and the stores count in signed numbers of 64 bits
_LOOK = 1.0  # seconds after which a waiting `PopItem` looks whether its caller is still there


class ObjectService(ObjectServiceServicer):
    """The calls. Those but `SetObject` and `GetObject` raise FrameDB's errors, which an interceptor turns into statuses."""

    def __init__(self, objects: Objects, *, transfers: Slots, waits: Slots, patience: Patience) -> None:
        self._objects = objects
        self._transfers = transfers
        self._waits = waits
        self._patience = patience

    def SetObject(self, request: pb.SetObjectRequest, context: grpc.ServicerContext) -> pb.SetObjectResponse:
        """Store an object, or add an item to a stream."""
        return set_object(self._objects, request.object)

    def GetObject(self, request: pb.GetObjectRequest, context: grpc.ServicerContext) -> pb.GetObjectResponse:
        """Read an object, or take an item of a stream."""
        return get_object(self._objects, request)

    def PutObject(
        self, request_iterator: Iterator[pb.PutObjectRequest], context: grpc.ServicerContext
    ) -> pb.PutObjectResponse:
        """Store an object of any size."""
        with self._transfers.taken():
            upload = Upload(self._patience.incoming(request_iterator, context))
            header = upload.header
            with about(header.key):
                stored = self._objects.write(
                    header.key or None,
                    header.framedb_id,
                    header.type,
                    upload.pieces(),
                    metadata=metadata_of(header.metadata),
                    ttl=optional_ttl(header),
                    size=header.size if header.HasField("size") else None,
                )
        give_back(stored.size)
        return pb.PutObjectResponse(
            key=stored.key,
            framedb_id=stored.framedb_id,
            size=stored.size,
            sha256=upload.sha256,
            version=stored.version,
        )

    def ReadObject(
        self, request: pb.ReadObjectRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadObjectResponse]:
        """Read an object, or a part of it."""
        with self._transfers.taken(), about(request.key):
            yield from self._patience.outgoing(self._read(request), context)

    def _read(self, request: pb.ReadObjectRequest) -> Iterator[pb.ReadObjectResponse]:
        length = min(request.length, _BEHIND_EVERYTHING) if request.HasField("length") else None
        stream = self._objects.read(
            request.key,
            offset=min(request.offset, _BEHIND_EVERYTHING),
            length=length,
            framedb_id=request.framedb_id or None,
        )
        if stream is None:
            raise nothing(request.key)
        digest, size = hashlib.sha256(), 0
        with closing(stream):
            yield pb.ReadObjectResponse(stat=stat_of(stream.stored))
            for piece in stream:
                data = bytes(piece)
                digest.update(data)
                size += len(data)
                yield pb.ReadObjectResponse(data=data)
        yield pb.ReadObjectResponse(end=pb.ReadObjectEnd(size=size, sha256=digest.digest()))
        give_back(size)

    def StatObject(self, request: pb.StatObjectRequest, context: grpc.ServicerContext) -> pb.ObjectStat:
        """What is known about an object."""
        with about(request.key):
            stored = self._objects.stat(request.key, framedb_id=request.framedb_id or None)
        if stored is None:
            raise nothing(request.key)
        return stat_of(stored)

    def DeleteObject(self, request: pb.DeleteObjectRequest, context: grpc.ServicerContext) -> pb.DeleteObjectResponse:
        """Remove an object."""
        with about(request.key):
            return pb.DeleteObjectResponse(deleted=self._objects.delete(request.key))

    def ListObjects(self, request: pb.ListObjectsRequest, context: grpc.ServicerContext) -> pb.ListObjectsResponse:
        """A page of objects whose keys begin with a prefix; shorter than its limit where metadata are long."""
        limit = request.limit or _LARGEST_PAGE
        if limit > _LARGEST_PAGE:
            raise InvalidInputError(f"limit {limit} is not possible: give at most {_LARGEST_PAGE}")
        page = pb.ListObjectsResponse()
        after, size = request.after, 0
        while len(page.objects) < limit and size < _PAGE_BYTES:
            wanted = min(_FETCHED, limit - len(page.objects))
            found = self._objects.list(request.prefix, after=after, limit=wanted)
            for stored in found:
                stat = stat_of(stored)
                size += stat.ByteSize()
                page.objects.append(stat)
                after = stored.key
                if size >= _PAGE_BYTES:
                    break
            else:
                if len(found) < wanted:
                    return page
        page.next = after
        return page

    def ExpireObject(self, request: pb.ExpireObjectRequest, context: grpc.ServicerContext) -> pb.ExpireObjectResponse:
        """Keep an object for so long from now."""
        with about(request.key):
            return pb.ExpireObjectResponse(found=self._objects.expire(request.key, expiry_of(request)))

    def PushItem(self, request: pb.PushItemRequest, context: grpc.ServicerContext) -> pb.PushItemResponse:
        """Add an item to a stream."""
        with about(request.queue_name):
            self._objects.push(
                request.queue_name,
                request.data,
                request.framedb_id,
                metadata=metadata_of(request.metadata),
                max_length=request.max_length if request.HasField("max_length") else None,
            )
        return pb.PushItemResponse()

    def PopItem(self, request: pb.PopItemRequest, context: grpc.ServicerContext) -> pb.PopItemResponse:
        """Take the oldest item of a stream."""
        if not 0 <= request.wait <= MAX_WAIT:
            raise InvalidInputError(f"a wait of {request.wait} seconds is not possible: give 0 to {MAX_WAIT:g}")
        if request.wait == 0:
            return self._pop(request, 0.0)
        with self._waits.taken():
            until = time.monotonic() + request.wait
            # In short waits, so that a caller who is gone takes no item with him.
            while context.is_active():
                remaining = until - time.monotonic()
                answer = self._pop(request, min(_LOOK, max(0.0, remaining)))
                if answer.found or remaining <= _LOOK:
                    return answer
        return pb.PopItemResponse()

    def _pop(self, request: pb.PopItemRequest, wait: float) -> pb.PopItemResponse:
        with about(request.queue_name):
            item = self._objects.pop(request.queue_name, framedb_id=request.framedb_id or None, wait=wait)
        return pb.PopItemResponse() if item is None else pb.PopItemResponse(found=True, data=item)


def nothing(key: str) -> NotFoundError:
    """That there is no such object."""
    return NotFoundError(f"there is no object {key!r}: it was never written, was deleted, or has expired")
