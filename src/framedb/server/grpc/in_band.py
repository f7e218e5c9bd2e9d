"""The two calls that answer their errors in-band, for clients that have spoken them all along.

Their texts are compared by clients: they never change.
"""

import logging

from uuid_utils import uuid7

from framedb.config import MiB
from framedb.errors import FrameDBError, InvalidInputError, NotFoundError
from framedb.proto import objects_pb2 as pb
from framedb.redaction import redacted
from framedb.server.grpc.messages import metadata_of, metadata_text
from framedb.server.grpc.replies import TooLargeError
from framedb.tiering.objects import TYPES, NotRegisteredError, Objects, StoredObject

logger = logging.getLogger(__name__)

LARGEST_UNARY_BYTES = 64 * MiB
"""Of the data in one message. Each side holds it several times over while it is on its way."""


def set_object(objects: Objects, given: pb.Object) -> pb.SetObjectResponse:
    """Store an object, or add an item to a stream. Raises TooLargeError, which no caller of old can have met."""
    key = given.key if given.key.strip() else str(uuid7())
    if len(given.data) > LARGEST_UNARY_BYTES:
        advice = "put it as an object, and push its key" if given.type == "stream" else "send it with PutObject"
        raise TooLargeError(
            f"{key!r} has {len(given.data)} bytes, and one message carries at most {LARGEST_UNARY_BYTES}: {advice}"
        )
    try:
        if given.type not in TYPES:
            raise InvalidInputError(f"Unsupported type: {given.type}")
        objects.set(key, given.framedb_id, given.data, given.type, metadata=metadata_of(given.metadata))
    except NotRegisteredError as exc:
        why = f"Routing failed: {exc}"
    except (InvalidInputError, NotFoundError) as exc:
        why = str(exc)
    except FrameDBError as exc:
        why = f"Write failed: {exc}"
    else:
        return pb.SetObjectResponse(success=True, message=f"Object stored and routed successfully (key={key})", key=key)
    logger.warning("an object was not stored: %s", why, extra={"key": key})
    return pb.SetObjectResponse(success=False, message=redacted(f"{why} (key={key})"), key=key)


def get_object(objects: Objects, wanted: pb.GetObjectRequest) -> pb.GetObjectResponse:
    """Read an object, or take an item of a stream."""
    try:
        found = _read(objects, wanted.key, wanted.framedb_id or None)
        if found is not None:
            return found
        if wanted.framedb_id or objects.is_registered(wanted.key):
            return _nothing(f"No data found for key '{wanted.key}'")
        return _nothing(f"Object/stream '{wanted.key}' not found in routing service")
    except (InvalidInputError, NotFoundError) as exc:
        return _nothing(str(exc))
    except FrameDBError as exc:
        logger.warning("an object was not read: %s", exc, extra={"key": wanted.key})
        return _nothing(redacted(f"Read failed: {exc}"))


def _read(objects: Objects, key: str, framedb_id: str | None) -> pb.GetObjectResponse | None:
    stream = objects.read(key, framedb_id=framedb_id)
    if stream is None:
        item = objects.get(key, framedb_id=framedb_id, type="stream")
        return None if item is None else _found(item[0], bytes(item[1]))
    with stream:
        if stream.stored.size > LARGEST_UNARY_BYTES:
            return _nothing(
                f"'{key}' has {stream.stored.size} bytes, and one message carries at most {LARGEST_UNARY_BYTES}: read it "
                f"with ReadObject"
            )
        return _found(stream.stored, b"".join(stream))


def _found(stored: StoredObject, data: bytes) -> pb.GetObjectResponse:
    return pb.GetObjectResponse(
        found=True,
        object=pb.Object(
            key=stored.key,
            framedb_id=stored.framedb_id,
            data=data,
            metadata=metadata_text(stored.metadata),
            type=stored.type,
        ),
    )


def _nothing(why: str) -> pb.GetObjectResponse:
    return pb.GetObjectResponse(found=False, message=why)
