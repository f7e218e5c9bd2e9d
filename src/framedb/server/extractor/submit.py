"""`POST /video-job`: a video by its name, or the video itself."""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from anyio import from_thread
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from framedb.errors import FrameDBError, InvalidInputError, InvalidKeyError
from framedb.extraction.sources import VideoSource, resolve, uploaded
from framedb.extraction.uploads import new_upload_key
from framedb.extraction.webhook import check_webhook
from framedb.server.bodies import MAX_BODY_BYTES
from framedb.server.described import answers
from framedb.server.envelopes import EXTRACTION
from framedb.server.extractor.form import Part, parts
from framedb.server.extractor.parts import Extraction
from framedb.server.extractor.submitted import NewJob, Submitted, from_fields, from_json
from framedb.server.freed_memory import give_back
from framedb.server.long_calls import LongCalls

logger = logging.getLogger(__name__)

EXTENSIONS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
"""Of videos that may be uploaded."""

_NEITHER = "Either video_source or file must be provided"
_NO_VIDEO = "Invalid file type. Please upload a video file."
_BOTH = "give either video_source or file, not both"
_FORM_ROOM = 1024 * 1024  # what the other fields of a form, and its own lines, may take beside the video
# A client that is still sending does not hear an answer: so much more is taken in, and thrown away, before it is given one.
_HEARD_OUT_BYTES = 16 * 1024 * 1024
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def submit_router(extraction: Extraction) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["video jobs"])
    upload = LongCalls()(_from_form)
    example = {
        "job_id": "0197a1b2-0000-7000-8000-000000000000",
        "status": "pending",
        "message": "Job submitted successfully",
    }

    @router.post("/video-job", openapi_extra={"requestBody": _BODY}, **answers(EXTRACTION, Submitted, example, 507))
    async def submit(request: Request) -> dict[str, Any]:
        """Submit a video: its path, URL or key as JSON, or the video itself in a form.

        Answered at once; a video that cannot be read fails its job.
        """
        content_type = request.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            job_id = await upload(extraction, _chunks(request), content_type, _announced(request))
            return _submitted(job_id)
        body = await _whole_body(request)
        if kind != "application/json" and not (kind == "" and body.strip()):
            raise InvalidInputError(_NEITHER)
        new = from_json(body)
        return _submitted(await run_in_threadpool(_submit, extraction, new, None))

    return router


def _submit(extraction: Extraction, new: NewJob, source: VideoSource | None) -> str:
    settings = extraction.settings
    allow_private = settings.allow_private_hosts
    if new.webhook is not None:
        check_webhook(new.webhook, allow_private=allow_private)
    if source is None:
        source = resolve(
            new.video_source,
            roots=settings.video_root_folders,
            hosts=settings.video_host_names,
            allow_private=allow_private,
            is_object=lambda key: _is_object(extraction, key),
        )
    job_id = extraction.jobs.submit(source, new.selection(), webhook=new.webhook)
    extraction.wake()
    logger.info("job submitted", extra={"job_id": job_id, "video_source": source.name})
    return job_id


def _from_form(extraction: Extraction, chunks: Iterator[bytes], content_type: str, announced: int | None) -> str:
    """The job of a form's fields; the video in it is stored as it comes, and goes again if there is no job of it."""
    limit = extraction.settings.max_upload_bytes
    if announced is not None and announced > limit + _FORM_ROOM:
        raise _too_large(limit)
    fields: dict[str, str] = {}
    video: VideoSource | None = None
    try:
        for part in parts(chunks, content_type):
            if part.filename is None:
                fields[part.name] = part.text()
            elif part.filename:
                if video is not None or fields.get("video_source", "").strip():
                    raise InvalidInputError(_BOTH if video is None else "give one file for each job")
                video = _stored(extraction, part, limit)
        return _submit(extraction, _new_job(fields, video), video)
    except Exception:
        if video is not None:
            _remove(extraction, video)
        _hear_out(chunks)
        raise


def _new_job(fields: dict[str, str], video: VideoSource | None) -> NewJob:
    named = fields.pop("video_source", "").strip()
    if video is None and not named:
        raise InvalidInputError(_NEITHER)
    if video is not None and named:
        raise InvalidInputError(_BOTH)
    return from_fields(fields, video_source=named or "file")


def _stored(extraction: Extraction, part: Part, limit: int) -> VideoSource:
    """The video as an object under a name of ours; its own is for people alone."""
    assert part.filename is not None
    name = _UNSHOWN.sub("", re.split(r"[\\/]", part.filename)[-1])[-200:]
    suffix = PurePosixPath(name.lower()).suffix
    if part.name != "file":
        raise InvalidInputError(f"the form has a file {part.name[:80]!r}: send the video as `file`")
    if suffix not in EXTENSIONS:
        raise InvalidInputError(_NO_VIDEO)

    def bounded() -> Iterator[bytes]:
        left = limit
        for piece in part.pieces:
            left -= len(piece)
            if left < 0:
                raise _too_large(limit)
            yield piece

    stored = extraction.objects.write(new_upload_key(suffix), "", "storage", bounded())
    give_back(stored.size)
    return uploaded(stored.key, name)


def _is_object(extraction: Extraction, key: str) -> bool:
    try:
        return extraction.objects.stat(key) is not None
    except InvalidKeyError:
        return False


def _chunks(request: Request) -> Iterator[bytes]:
    """The body as it comes, for a thread."""
    body = request.stream()

    async def following() -> bytes | None:
        return await anext(body, None)

    while (chunk := from_thread.run(following)) is not None:
        yield chunk


def _hear_out(chunks: Iterator[bytes]) -> None:
    heard = 0
    with suppress(ClientDisconnect):
        for chunk in chunks:
            heard += len(chunk)
            if heard > _HEARD_OUT_BYTES:
                return


def _remove(extraction: Extraction, video: VideoSource) -> None:
    try:
        extraction.objects.delete(video.place)
    except FrameDBError as exc:  # what was wrong first is what is to be told
        logger.warning("an uploaded video of no job stays: %s", exc, extra={"key": video.place})


async def _whole_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"the body is too large: send at most {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _announced(request: Request) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the video is larger than {limit} bytes: raise MAX_UPLOAD_BYTES, or give its path")


def _submitted(job_id: str) -> dict[str, Any]:
    return {"job_id": job_id, "status": "pending", "message": "Job submitted successfully"}


def _body() -> dict[str, Any]:
    """What is taken, for OpenAPI."""
    schema = NewJob.model_json_schema()
    fields = {name: of for name, of in schema["properties"].items() if name not in ("times", "video_source")}
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {"type": "string", "format": "binary", "description": f"A video: {', '.join(EXTENSIONS)}."},
            "times": {"type": "string", "description": "Seconds, with commas between them."},
            **fields,
        },
    }
    return {
        "required": True,
        "content": {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}},
    }


_BODY = _body()
