"""`/v1/objects`: objects over HTTP, streamed both ways, for curl, players, and the client's durable tier."""

import json
import logging
import mimetypes
from collections.abc import Iterator
from email.utils import format_datetime
from itertools import islice
from typing import Annotated, Any

import anyio
from anyio import from_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from framedb.errors import FrameDBError, InvalidInputError, NotFoundError
from framedb.frame import Frame
from framedb.server import paths  # noqa: F401  - keys of any kind in paths
from framedb.server.conditions import Span, check_match, entity_tag, is_unmodified, wanted_span
from framedb.server.freed_memory import give_back
from framedb.server.naming import about
from framedb.server.replies import request_id
from framedb.stores.description import DESCRIPTION_HEADER, describe, described
from framedb.tiering.durable import DurableTier
from framedb.tiering.objects import Condition, Objects, ObjectStream, StoredObject

logger = logging.getLogger(__name__)

METADATA_HEADER = "X-FrameDB-Metadata"
"""The writer's own JSON object, in plain ASCII."""

_PAGE = 1000
_ATTEMPTS = 3  # of reading a part of an object that others keep replacing
_LARGEST_HEADER = 8 * 1024  # bytes; clients refuse answers with much more. Longer metadata are in listings
# Encodings that every browser shows, and nothing that could run in one.
_IMAGES = ("jpeg", "png", "webp")
_SHOWN = ("image/", "video/", "audio/", "text/plain")


def objects_router(objects: Objects, durable: DurableTier) -> APIRouter:
    """The routes. The durable tier lists what it has of one source."""
    router = APIRouter(prefix="/v1/objects", tags=["objects"])

    @router.put("/{key:any}", status_code=201)
    async def put(
        request: Request,
        response: Response,
        key: str,
        framedb_id: str = "",
        type: str = "storage",  # noqa: A002  - its name on the wire
        ttl: float | None = None,
    ) -> dict[str, str]:
        """Store the body under the key; answered when it is stored whole.

        `type` is `storage` or `in-memory`, `ttl` in seconds. `X-FrameDB-Metadata` carries a JSON object. `If-Match` and
        `If-None-Match: *` are heeded.
        """
        with about(key):
            frame = _description(request, key)
            metadata = _json_header(request, METADATA_HEADER)
        body = request.stream()

        async def following() -> bytes | None:
            return await anext(body, None)

        def pieces() -> Iterator[bytes]:
            while (piece := from_thread.run(following)) is not None:
                yield piece

        @about(key)
        def write() -> StoredObject:
            check = _condition(request)
            if check is not None:
                check(objects.stat(key))  # before the body is sent
            return objects.write(
                key,
                framedb_id,
                type,
                pieces(),
                metadata=metadata,
                ttl=ttl,
                size=_announced(request),
                frame=frame,
                condition=check,
            )

        stored = await run_in_threadpool(write)
        await run_in_threadpool(give_back, stored.size)
        response.headers["ETag"] = entity_tag(stored.version)
        return {"key": stored.key}

    @router.get("")
    def scan(
        prefix: str = "",
        after: str = "",
        source: str | None = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
        details: bool = False,
    ) -> dict[str, Any]:
        """Keys that begin with the prefix, in order of their bytes, a page at a time; `details` says more of each.

        With `source`: the durable frames of that source.
        """
        if source is not None:
            keys = list(islice(durable.scan(prefix, source=source, after=after), limit))
            return {"keys": keys, "next": keys[-1] if len(keys) == limit else None}
        found = objects.list(prefix, after=after, limit=limit)
        page: dict[str, Any] = {
            "keys": [stored.key for stored in found],
            "next": found[-1].key if len(found) == limit else None,
        }
        if details:
            page["objects"] = [_told(stored) for stored in found]
        return page

    @router.get("/{key:any}")
    def get(request: Request, key: str, framedb_id: str | None = None) -> Response:
        """The bytes under the key, or, with `Range`, some of them. `framedb_id`: as that very instance has them."""
        with about(key):
            return _read(request.headers, objects, key, framedb_id)

    @router.head("/{key:any}")
    def head(request: Request, key: str, framedb_id: str | None = None) -> Response:
        """What is known about the key, without the bytes."""
        with about(key):
            stored = _there(objects.stat(key, framedb_id=framedb_id), key)
        if is_unmodified(request.headers, stored.version):
            return Response(status_code=304, headers=_headers(stored))
        headers = {**_headers(stored), "Content-Length": str(stored.size)}
        return Response(headers=headers, media_type=media_type(stored))

    @router.delete("/{key:any}")
    def delete(request: Request, key: str) -> dict[str, int]:
        """Remove the key, and every copy; how many there were, 0 or 1. `If-Match` is heeded."""
        with about(key):
            return {"deleted": int(objects.delete(key, condition=_condition(request)))}

    return router


class ObjectResponse(StreamingResponse):
    """An object on its way out. The stream is closed however the answer ends: it may hold a connection to a database."""

    def __init__(self, stream: ObjectStream, **options: Any) -> None:
        super().__init__(map(bytes, stream), **options)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        except FrameDBError as exc:
            # The status is sent: the reader learns from the connection's end that this is no whole object.
            extra = {"key": self._stream.stored.key, "left": self._stream.remaining, "request_id": request_id(scope)}
            logger.error("an object was cut off in the middle of an answer: %s", exc, extra=extra)  # noqa: TRY400
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._close)

    def _close(self) -> None:
        self._stream.close()
        give_back(self._stream.stored.size)


def media_type(stored: StoredObject) -> str:
    """What a browser or player is told of the bytes: by the frame's encoding, else by the ending of the key."""
    if stored.encoding in _IMAGES:
        return f"image/{stored.encoding}"
    guessed, packed = mimetypes.guess_type(stored.key, strict=True)
    # A page or drawing with a script in it would run as if it were the node's own.
    if guessed and not packed and guessed.startswith(_SHOWN) and guessed != "image/svg+xml":
        return guessed
    return "application/octet-stream"


def _read(asked: Headers, objects: Objects, key: str, framedb_id: str | None) -> Response:
    for _ in range(_ATTEMPTS):
        if "range" not in asked:
            return _answer(asked, objects.read(key, framedb_id=framedb_id), None, key)
        stored = _there(objects.stat(key, framedb_id=framedb_id), key)
        span = wanted_span(asked, stored.size, stored.version)
        offset, length = (span.offset, span.length) if span else (0, None)
        stream = objects.read(key, offset=offset, length=length, framedb_id=framedb_id)
        if stream is None or stream.stored.version == stored.version:
            return _answer(asked, stream, span, key)
        stream.close()
    raise InvalidInputError(f"{key!r} is replaced faster than a part of it can be read: read the whole of it")


def _answer(asked: Headers, stream: ObjectStream | None, span: Span | None, key: str) -> Response:
    if stream is None:
        raise _nothing(key)
    stored = stream.stored
    try:
        unmodified = is_unmodified(asked, stored.version)
        headers = _headers(stored)
    except BaseException:
        stream.close()
        raise
    if unmodified:
        stream.close()
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(stored.size if span is None else span.length)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.offset}-{span.offset + span.length - 1}/{stored.size}"
    return ObjectResponse(
        stream, status_code=200 if span is None else 206, headers=headers, media_type=media_type(stored)
    )


def _headers(stored: StoredObject) -> dict[str, str]:
    headers = {
        DESCRIPTION_HEADER: json.dumps(describe(stored.frame)),
        "ETag": entity_tag(stored.version),
        "Accept-Ranges": "bytes",
        "Last-Modified": format_datetime(stored.stored_at.replace(microsecond=0), usegmt=True),
        "Cache-Control": "private, no-cache",  # may be kept, and is asked for again with its ETag
        "X-Content-Type-Options": "nosniff",
        "X-FrameDB-Id": stored.framedb_id,
        "X-FrameDB-Type": stored.type,
    }
    if stored.expires_at is not None:
        headers["X-FrameDB-Expires-At"] = stored.expires_at.isoformat()
    metadata = json.dumps(dict(stored.metadata))
    if stored.metadata and len(metadata) <= _LARGEST_HEADER:
        headers[METADATA_HEADER] = metadata
    return headers


def _told(stored: StoredObject) -> dict[str, Any]:
    return {
        "key": stored.key,
        "framedb_id": stored.framedb_id,
        "type": stored.type,
        "size": stored.size,
        "metadata": dict(stored.metadata),
        "stored_at": stored.stored_at.isoformat(),
    }


def _there(stored: StoredObject | None, key: str) -> StoredObject:
    if stored is None:
        raise _nothing(key)
    return stored


def _nothing(key: str) -> NotFoundError:
    return NotFoundError(f"there is nothing under the key {key!r}")


def _announced(request: Request) -> int | None:
    """Bytes of the body, where its sender knows."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else None


def _condition(request: Request) -> Condition | None:
    """What the writer asks of the object that is there; None for nothing."""
    if not {"if-match", "if-none-match"} & set(request.headers):
        return None

    def check(stored: StoredObject | None) -> None:
        check_match(request.headers, None if stored is None else stored.version)

    return check


def _description(request: Request, key: str) -> Frame | None:
    """The frame the request describes, still without bytes; None where it describes none."""
    if DESCRIPTION_HEADER not in request.headers:
        return None
    return described({**(_json_header(request, DESCRIPTION_HEADER) or {}), "key": key}, b"")


def _json_header(request: Request, name: str) -> dict[str, Any] | None:
    given = request.headers.get(name)
    if not given:
        return None
    try:
        fields = json.loads(given)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError(f"{name} holds no JSON: {exc}") from exc
    if not isinstance(fields, dict):
        raise InvalidInputError(f"{name} must hold a JSON object")
    return fields
