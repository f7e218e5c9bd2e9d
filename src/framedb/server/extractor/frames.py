"""Frames of jobs, as lists."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from framedb.extraction.changes import state_of_jobs
from framedb.extraction.jobs import JobFrame
from framedb.frame import utc_now
from framedb.server.described import answers
from framedb.server.envelopes import EXTRACTION
from framedb.server.extractor.jobs import JobId
from framedb.server.extractor.parts import Extraction
from framedb.server.extractor.shown import FRAME, JOB, ShownFrame, shown_frames

_PAGE = 100_000
_MOST_RECENT = 1000
_LONGEST_MINUTES = 10 * 366 * 24 * 60
_FRESH = timedelta(seconds=1)  # of a list while jobs are worked on: their frames come between two reports


class JobFrames(BaseModel):
    """Frames of a job."""

    job_id: str | None = None
    frames: list[ShownFrame]
    total_count: int | None = None
    message: str | None = Field(default=None, description="That there are none yet.")


class RecentFrames(BaseModel):
    """Frames that were extracted lately."""

    frames: list[ShownFrame]
    total_count: int
    since_minutes: int
    job_id: str | None
    cached: bool = Field(description="Whether the list was made for an earlier request.")


def frames_router(extraction: Extraction) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["video jobs"])
    some = {"frames": [FRAME], "total_count": 1}

    @router.get("/frames/{job_id}", **answers(EXTRACTION, JobFrames, {"job_id": JOB["job_id"], **some}, 404))
    def frames(
        job_id: JobId,
        after: Annotated[int, Query(ge=-1, le=2**31, description="Frames behind this index.")] = -1,
        limit: Annotated[int | None, Query(ge=1, le=_PAGE, description="At most so many; by default all.")] = None,
    ) -> Response:
        """The frames of a job that are there, in order of time."""
        job = extraction.job(job_id)
        pages = extraction.jobs.frame_pages(job_id, after=after, limit=limit)
        first = next(pages, [])
        if not first and after < 0:
            return JSONResponse({"frames": [], "message": "No frames extracted yet"})
        known = 0 if after < 0 and limit is None else job.processed_frames
        told = _told(job_id, chain((first,), pages), extraction.frames.base, known=known)
        return StreamingResponse(told, media_type="application/json")

    @router.get(
        "/dashboard/recent-frames",
        **answers(EXTRACTION, RecentFrames, {**some, "since_minutes": 60, "job_id": None, "cached": False}),
    )
    def recent_frames(
        since_minutes: Annotated[int, Query(ge=1, le=_LONGEST_MINUTES)] = 60,
        job_id: Annotated[str | None, Query(max_length=64, description="Of this job alone.")] = None,
    ) -> JSONResponse:
        """The frames that were extracted in the last minutes, the newest first; a thousand at most.

        From the cache, unless there is something new.
        """
        since = utc_now() - timedelta(minutes=since_minutes)
        shown, cached = _recent(extraction, since, since_minutes, job_id)
        told = {"total_count": len(shown), "since_minutes": since_minutes, "job_id": job_id, "cached": cached}
        return JSONResponse({"frames": shown, **told})

    return router


def _told(job_id: str, pages: Iterable[list[JobFrame]], base: Path, *, known: int) -> Iterator[str]:
    """The answer page by page: an hour of video may have a hundred thousand frames. `known`: frames there are at least."""
    yield f'{{"job_id":{json.dumps(job_id)},"frames":['
    count = 0
    for page in pages:
        shown = json.dumps(shown_frames(page, base), separators=(",", ":"))[1:-1]
        yield f",{shown}" if count else shown
        count += len(page)
    yield f'],"total_count":{max(known, count)}}}'


def _recent(
    extraction: Extraction, since: datetime, since_minutes: int, job_id: str | None
) -> tuple[list[dict[str, Any]], bool]:
    """The frames since that time, and whether they were kept: in an answer that was made when everything was as it is now."""
    state, under_way = state_of_jobs(extraction.registry, job_id=job_id)
    owner, name = job_id or "", f"recent:{since_minutes}"
    kept = extraction.cache.get(owner, name)
    if kept is not None:
        answer = json.loads(kept)
        made = datetime.fromisoformat(answer["made"])
        if answer["state"] == state and (not under_way or utc_now() - made < _FRESH):
            # It was made earlier, so all that is asked for is in it, and first.
            return [each for each in answer["frames"] if datetime.fromisoformat(each["created_at"]) >= since], True
    made = utc_now()
    found = extraction.jobs.recent(since, job_id=job_id, limit=_MOST_RECENT)
    shown = shown_frames(found, extraction.frames.base)
    answer = {"state": state, "made": made.isoformat(), "frames": shown}
    extraction.keep(owner, name, json.dumps(answer).encode())
    return shown, False
