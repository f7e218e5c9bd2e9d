"""Progress of a job, as server-sent events."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import anyio
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from framedb.errors import NotFoundError
from framedb.extraction.jobs import Job
from framedb.server.described import failures
from framedb.server.envelopes import EXTRACTION
from framedb.server.extractor.jobs import JobId
from framedb.server.extractor.parts import Extraction
from framedb.server.extractor.shown import shown_frames, shown_job

_LOOK = 0.5  # seconds between two looks at a job
_ALIVE = 15.0  # seconds of silence after which a comment is sent: proxies close what is silent
_MOST_WATCHERS = 200
_FIRST_FRAMES = 24
_MORE_FRAMES = 200
_LATE = timedelta(seconds=5)  # a frame may be seen later than one that was extracted after it
_SCHEMA: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events, until the end."}
}


def events_router(extraction: Extraction) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["video jobs"])
    watchers = anyio.CapacityLimiter(_MOST_WATCHERS)

    @router.get(
        "/jobs/{job_id}/events",
        response_class=StreamingResponse,
        responses={**_SCHEMA, **failures(EXTRACTION, 404)},
    )
    async def events(request: Request, job_id: JobId) -> StreamingResponse:
        """Progress as it is made (`text/event-stream`).

        `job`: how it stands, as `/job-status` has it, whenever that has changed; `frames`: a list of frames that came, as
        `/frames` has them; `end`: it is over, or removed, and nothing more comes.
        """
        await run_in_threadpool(extraction.job, job_id)
        if watchers.available_tokens < 1:
            raise HTTPException(503, f"{_MOST_WATCHERS} others watch jobs: ask /job-status instead")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            _counted(watchers, _events(request, extraction, job_id)), media_type="text/event-stream", headers=headers
        )

    return router


async def _counted(watchers: anyio.CapacityLimiter, events: AsyncIterator[str]) -> AsyncIterator[str]:
    watcher = object()
    await watchers.acquire_on_behalf_of(watcher)
    try:
        async for event in events:
            yield event
    finally:
        watchers.release_on_behalf_of(watcher)


async def _events(request: Request, extraction: Extraction, job_id: str) -> AsyncIterator[str]:
    watched = _Watched(extraction, job_id)
    silent = 0.0
    yield "retry: 2000\n\n"
    while not watched.is_over and not await _is_over(request):
        news = await run_in_threadpool(watched.news)
        silent = 0.0 if news else silent + _LOOK
        if news:
            yield "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in news)
        elif silent >= _ALIVE:
            silent = 0.0
            yield ": still there\n\n"
        if not watched.is_over:
            await anyio.sleep(_LOOK)


async def _is_over(request: Request) -> bool:
    stopping = getattr(request.app.state, "stopping", None)
    return (stopping is not None and stopping.is_set()) or await request.is_disconnected()


class _Watched:
    """What became of a job since it was last looked at."""

    def __init__(self, extraction: Extraction, job_id: str) -> None:
        self._extraction = extraction
        self._job_id = job_id
        self._told: dict[str, Any] | None = None
        self._newest: datetime | None = None
        self._seen: set[int] = set()
        self.is_over = False

    def news(self) -> list[tuple[str, Any]]:
        """Events."""
        try:
            job = self._extraction.job(self._job_id)
        except NotFoundError:
            self.is_over = True
            return [("end", {"job_id": self._job_id, "status": "cancelled"})]
        shown = shown_job(job)
        if shown == self._told:
            return []
        self._told = shown
        news: list[tuple[str, Any]] = [("job", shown)]
        if frames := self._frames(job):
            news.append(("frames", frames))
        if job.ended:
            self.is_over = True
            news.append(("end", {"job_id": job.job_id, "status": job.status}))
        return news

    def _frames(self, job: Job) -> list[dict[str, Any]]:
        since = job.created_at if self._newest is None else self._newest - _LATE
        limit = _FIRST_FRAMES if self._newest is None else _MORE_FRAMES
        found = self._extraction.jobs.recent(since, job_id=job.job_id, limit=limit)
        if not found:
            return []
        new = [frame for frame in found if frame.index not in self._seen]
        self._newest = found[0].created_at
        self._seen = {frame.index for frame in found}
        return shown_frames(sorted(new, key=lambda frame: frame.index), self._extraction.frames.base)
