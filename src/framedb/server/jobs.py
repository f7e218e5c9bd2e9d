"""`/v1/jobs`: frames of a video into the durable tier."""

import math
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from framedb.errors import InvalidInputError
from framedb.extraction.extract import job_source
from framedb.node import Backends
from framedb.queueing.tasks import RUN_JOBS


class NewJob(BaseModel):
    """What a job is submitted with."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"video_source": "clip.mp4", "interval": 1.0}}
    )

    video_source: str = Field(min_length=1, repr=False)
    interval: float = Field(default=5.0, description="Seconds between frames.")


def jobs_router(node: Backends) -> APIRouter:
    """The routes, over a node."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    @router.post("", status_code=201)
    def submit(new: NewJob) -> dict[str, Any]:
        """Extract the frames on screen at 0, interval, 2 * interval, ... seconds."""
        if not (math.isfinite(new.interval) and new.interval > 0):
            raise InvalidInputError(f"interval {new.interval} is not possible: give seconds, more than 0")
        job_id = node.jobs.submit(new.video_source, interval=new.interval)
        node.tasks.send(RUN_JOBS)
        return _shown(node, job_id)

    @router.get("/{job_id}")
    def job(job_id: str) -> dict[str, Any]:
        """How the job stands; its frames are those of source `job:<job_id>`."""
        return _shown(node, job_id)

    return router


def _shown(node: Backends, job_id: str) -> dict[str, Any]:
    return {**asdict(node.jobs.get(job_id)), "source": job_source(job_id)}
