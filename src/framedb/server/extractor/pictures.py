"""Frames of jobs, as pictures: one, many on a sheet, all in a zip."""

import hashlib
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from framedb.errors import NotFoundError
from framedb.extraction.jobs import JobFrame
from framedb.media import SheetLayout, contact_sheet, scaled
from framedb.server.conditions import entity_tag, is_unmodified
from framedb.server.described import failures
from framedb.server.envelopes import EXTRACTION
from framedb.server.extractor.archive import zipped
from framedb.server.extractor.jobs import JobId
from framedb.server.extractor.parts import Extraction

# A frame never changes: it is not asked for again while a page is scrolled. Not for ever, for it can be removed.
_KEPT = {"Cache-Control": "private, max-age=300"}
_ASKED_AGAIN = {"Cache-Control": "private, no-cache"}


def pictures_router(extraction: Extraction) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["video jobs"])

    # HEAD is answered as GET; what is then not sent is in the cache, for the GET that follows.
    @router.head("/frames/{job_id}/sheet.jpg", **_answers("image/jpeg"))
    @router.get("/frames/{job_id}/sheet.jpg", **_answers("image/jpeg"))
    def sheet(
        request: Request,
        job_id: JobId,
        columns: Annotated[int, Query(ge=1, le=20)] = 5,
        width: Annotated[int, Query(ge=32, le=320, description="Pixels of each picture.")] = 240,
        count: Annotated[int, Query(ge=1, le=100, description="At most so many, spread evenly.")] = 40,
    ) -> Response:
        """Frames of a job on one sheet, in order of time, row by row."""
        extraction.job(job_id)
        chosen = extraction.jobs.frames_spread(job_id, count)
        if not chosen:
            raise NotFoundError("No frames extracted yet")
        named = f"{columns} {width} " + " ".join(frame.checksum for frame in chosen)
        version = hashlib.sha256(named.encode()).hexdigest()
        headers = {"ETag": entity_tag(version), **_ASKED_AGAIN}
        if is_unmodified(request.headers, version):
            return Response(status_code=304, headers=headers)
        name = f"sheet:{version}"
        data = extraction.cache.get(job_id, name)
        if data is None:
            data = contact_sheet((_bytes(extraction, frame) for frame in chosen), SheetLayout(columns, width))
            extraction.keep(job_id, name, data)
        return Response(data, media_type="image/jpeg", headers=headers)

    @router.head("/frames/{job_id}/frames.zip", **_answers("application/zip"))
    @router.get("/frames/{job_id}/frames.zip", **_answers("application/zip"))
    def archive(request: Request, job_id: JobId) -> Response:
        """All frames of a job that are there, as files of their names, streamed."""
        extraction.job(job_id)
        pages = extraction.jobs.frame_pages(job_id)
        first = next(pages, [])
        if not first:
            raise NotFoundError("No frames extracted yet")
        headers = {"Content-Disposition": f'attachment; filename="{job_id}.zip"', "Cache-Control": "no-store"}
        found = chain(first, chain.from_iterable(pages)) if request.method == "GET" else ()
        pieces = zipped(found, lambda frame: _bytes(extraction, frame))
        return StreamingResponse(pieces, media_type="application/zip", headers=headers)

    @router.head("/frames/{job_id}/{n}.jpg", **_answers("image/jpeg"))
    @router.get("/frames/{job_id}/{n}.jpg", **_answers("image/jpeg"))
    def picture(
        request: Request,
        job_id: JobId,
        n: Annotated[int, Path(ge=0, lt=2**31, description="The frame's `index`.")],
        width: Annotated[
            int | None, Query(ge=16, le=8192, description="Pixels; no picture is made wider than it is.")
        ] = None,
    ) -> Response:
        """One frame of a job: as it was extracted, or smaller."""
        frame = _frame(extraction, job_id, n)
        version = frame.checksum if width is None else f"{frame.checksum}-{width}"
        headers = {"ETag": entity_tag(version), **_KEPT}
        if is_unmodified(request.headers, version):
            return Response(status_code=304, headers=headers)
        data = _bytes(extraction, frame) if width is None else _scaled(extraction, frame, width)
        return Response(data, media_type="image/jpeg", headers=headers)

    return router


def _answers(media_type: str) -> dict[str, Any]:
    """Arguments for a route that answers with a file."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        "response_class": Response,
        "responses": {
            200: {"content": content, "description": "The file."},
            304: {"description": "It is the version that `If-None-Match` names."},
            412: {"description": "It is not the version that `If-Match` names."},
            **failures(EXTRACTION, 404),
        },
    }


def _frame(extraction: Extraction, job_id: str, index: int) -> JobFrame:
    try:
        return extraction.jobs.frame(job_id, index)
    except NotFoundError:
        extraction.job(job_id)
        raise


def _bytes(extraction: Extraction, frame: JobFrame) -> bytes:
    data = extraction.frames.read(frame.checksum, frame.path)
    if data is None:
        raise NotFoundError(f"frame {frame.index} is nowhere to be found: was its job removed?")
    return data


def _scaled(extraction: Extraction, frame: JobFrame, width: int) -> bytes:
    name = f"picture:{frame.checksum}:{width}"
    data = extraction.cache.get(frame.job_id, name)
    if data is None:
        data = scaled(_bytes(extraction, frame), width=width)
        extraction.keep(frame.job_id, name, data)
    return data
