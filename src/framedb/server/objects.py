"""`/v1/objects`: durable frames over HTTP, streamed both ways."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from anyio import from_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor

from framedb.errors import InvalidInputError, NotFoundError
from framedb.frame import Frame
from framedb.node import Backends
from framedb.stores.description import DESCRIPTION_HEADER, describe, described
from framedb.stores.sql_rows import Stored

_PAGE = 1000


class _AnyKey(PathConvertor):
    """The rest of the path, whatever is in it: Starlette's own stops before a newline at the end."""

    regex = "(?s:.*)"


register_url_convertor("any", _AnyKey())
_NOTHING = "there is nothing under the key {key!r}"


def objects_router(node: Backends) -> APIRouter:
    """The routes, over a node."""
    router = APIRouter(prefix="/v1/objects", tags=["objects"])

    @router.put("/{key:any}", status_code=201)
    async def put(request: Request, key: str, ttl: float | None = None) -> dict[str, str]:
        """Store the body under the key; answered when it is on disk."""
        frame = _description(request, key)
        body = request.stream()

        async def following() -> bytes | None:
            return await anext(body, None)

        def pieces() -> Iterator[bytes]:
            while (piece := from_thread.run(following)) is not None:
                yield piece

        await run_in_threadpool(node.durable.write_stream, frame, pieces(), ttl=ttl)
        return {"key": frame.key}

    @router.get("")
    def scan(
        prefix: str = "",
        after: str = "",
        source: str | None = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> dict[str, Any]:
        """Keys that begin with the prefix, in order of their bytes, a page at a time."""
        keys = list(islice(node.durable.scan(prefix, source=source, after=after), limit))
        return {"keys": keys, "next": keys[-1] if len(keys) == limit else None}

    @router.get("/{key:any}")
    def get(key: str) -> Response:
        """The bytes under the key."""
        stream = node.durable.read_stream(key)
        if stream is None:
            raise NotFoundError(_NOTHING.format(key=key))
        return StreamingResponse(stream, media_type=_media_type(stream.stored.frame), headers=_headers(stream.stored))

    @router.head("/{key:any}")
    def head(key: str) -> Response:
        """What is known about the key, without the bytes."""
        stored = node.durable.stat(key)
        if stored is None:
            raise NotFoundError(_NOTHING.format(key=key))
        return Response(headers=_headers(stored), media_type=_media_type(stored.frame))

    @router.delete("/{key:any}")
    def delete(key: str) -> dict[str, int]:
        """Remove the key; how many there were, 0 or 1."""
        return {"deleted": node.durable.delete_many([key])}

    return router


def frame_response(frame: Frame | None, nothing: str) -> Response:
    """A whole frame as an answer. Raises NotFoundError, saying `nothing`, for none."""
    if frame is None:
        raise NotFoundError(nothing)
    headers = {DESCRIPTION_HEADER: json.dumps(describe(frame))}
    return Response(bytes(frame.view()), headers=headers, media_type=_media_type(frame))


def _headers(stored: Stored) -> dict[str, str]:
    return {
        DESCRIPTION_HEADER: json.dumps(describe(stored.frame)),
        "Content-Length": str(stored.size),
        "ETag": f'"{stored.version}"',
    }


def _media_type(frame: Frame) -> str:
    return f"image/{frame.encoding}" if frame.encoding in ("jpeg", "png", "webp") else "application/octet-stream"


def _description(request: Request, key: str) -> Frame:
    """The frame the request describes, still without bytes."""
    given = request.headers.get(DESCRIPTION_HEADER)
    try:
        fields = json.loads(given) if given else {}
    except ValueError as exc:
        raise InvalidInputError(f"{DESCRIPTION_HEADER} holds no JSON: {exc}") from exc
    if not isinstance(fields, dict):
        raise InvalidInputError(f"{DESCRIPTION_HEADER} must hold a JSON object")
    return described({**fields, "key": key}, b"")
