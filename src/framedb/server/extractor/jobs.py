"""Jobs: how they stand, and their end."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from framedb.errors import NotFoundError
from framedb.server.described import answers
from framedb.server.envelopes import EXTRACTION
from framedb.server.extractor.parts import Extraction
from framedb.server.extractor.shown import JOB, ShownJob, shown_job

_PAGE = 1000

JobId = Annotated[str, Path(description="As submitting it answered.")]
Status = Literal["pending", "processing", "completed", "failed", "cancelled"]


class JobPage(BaseModel):
    """Some jobs."""

    jobs: list[ShownJob]
    next: str | None = Field(description="What to give as `after` for the next page; null: there is none.")
    counts: dict[str, int] = Field(description="How many there are of each status.")


class Removed(BaseModel):
    """A job that is no more."""

    message: str


def jobs_router(extraction: Extraction) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["video jobs"])
    counts = {"pending": 0, "processing": 0, "completed": 1, "failed": 0, "cancelled": 0}

    @router.get("/job-status/{job_id}", **answers(EXTRACTION, ShownJob, JOB, 404))
    def job_status(job_id: JobId) -> dict[str, Any]:
        """How a job stands: `processed_frames` of `total_frames` are there."""
        return shown_job(extraction.job(job_id))

    @router.get("/jobs", **answers(EXTRACTION, JobPage, {"jobs": [JOB], "next": None, "counts": counts}))
    def jobs(
        status: Status | None = None,
        after: Annotated[str | None, Query(description="A job's id: those that are older than it.")] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = 50,
    ) -> dict[str, Any]:
        """Jobs, the newest first, a page at a time."""
        found = extraction.jobs.list(status=status, after=after, limit=limit)
        return {
            "jobs": [shown_job(job) for job in found],
            "next": found[-1].job_id if len(found) == limit else None,
            "counts": extraction.jobs.counts(),
        }

    @router.delete(
        "/job/{job_id}",
        **answers(EXTRACTION, Removed, {"message": f"Job {JOB['job_id']} cancelled and cleaned up successfully"}, 404),
    )
    def remove(job_id: JobId) -> dict[str, str]:
        """Stop the work on a job, if it is not over, and remove all there is of it: frames, an uploaded video, the job."""
        try:
            extraction.jobs.cancel(job_id)
        except NotFoundError as exc:
            raise NotFoundError("Job not found") from exc
        for owner in (job_id, ""):  # its own answers, and those that tell of several
            extraction.cache.forget(owner)
        return {"message": f"Job {job_id} cancelled and cleaned up successfully"}

    return router
