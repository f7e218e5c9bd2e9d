"""Jobs and frames as the published API shows them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from framedb.extraction.jobs import Job, JobFrame


class ShownJob(BaseModel):
    """A job as it stands."""

    job_id: str
    status: str = Field(description="pending, processing, completed, failed or cancelled.")
    video_source: str = Field(description="As it was submitted, without a password.")
    interval: float | None = Field(description="Seconds between frames; null where `selection` chooses otherwise.")
    total_frames: int | None = Field(
        description="Frames there will be; null until it is known, of a stream at its end."
    )
    processed_frames: int
    created_at: str
    updated_at: str
    error_message: str | None = Field(description="What was wrong, for a person.")
    warning: str | None = Field(description="What of the video could not be had, for a person.")
    selection: dict[str, Any] = Field(description="Which frames, as it was submitted.")


class ShownFrame(BaseModel):
    """A frame of a job."""

    job_id: str
    timestamp: float = Field(description="Seconds since the first frame of the video: the time that was asked for.")
    frame_path: str = Field(description="Its file, where the service runs.")
    file_size: int = Field(description="Bytes.")
    checksum: str = Field(description="SHA-256 of the file, in hex.")
    created_at: str
    index: int = Field(description="0, 1, ... in order of time.")
    url: str = Field(description="The picture: a path of this service.")
    pts_seconds: float | None = Field(description="The frame's own time, by the file's own clock.")
    width: int = Field(description="Pixels, before any rotation.")
    height: int = Field(description="Pixels, before any rotation.")


JOB = {
    "job_id": "0197a1b2-0000-7000-8000-000000000000",
    "status": "completed",
    "video_source": "my-awesome-video.mp4",
    "interval": 5.0,
    "total_frames": 25,
    "processed_frames": 25,
    "created_at": "2026-01-31T12:00:00.123456+00:00",
    "updated_at": "2026-01-31T12:00:09.789012+00:00",
    "error_message": None,
    "warning": None,
    "selection": {"interval": 5.0},
}
"""An example."""

FRAME = {
    "job_id": JOB["job_id"],
    "timestamp": 5.0,
    "frame_path": f"runtime/frames/{JOB['job_id']}/5.00.jpg",
    "file_size": 201_318,
    "checksum": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "created_at": "2026-01-31T12:00:02.123456+00:00",
    "index": 1,
    "url": f"/frames/{JOB['job_id']}/1.jpg",
    "pts_seconds": 5.0,
    "width": 1920,
    "height": 1080,
}
"""An example."""


def shown_job(job: Job) -> dict[str, Any]:
    """A job as JSON."""
    return {
        "job_id": job.job_id,
        "status": job.status,
        "video_source": job.video_source,
        "interval": job.selection.interval,
        "total_frames": job.total_frames,
        "processed_frames": job.processed_frames,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "error_message": job.error_message,
        "warning": job.warning,
        "selection": job.selection.to_dict(),
    }


def shown_frames(frames: Iterable[JobFrame], base: Path) -> list[dict[str, Any]]:
    """Frames as JSON, whose files are below that folder."""
    return [
        {
            "job_id": frame.job_id,
            "timestamp": frame.timestamp,
            "frame_path": str(base / frame.path),
            "file_size": frame.file_size,
            "checksum": frame.checksum,
            "created_at": frame.created_at.isoformat(),
            "index": frame.index,
            "url": f"/frames/{frame.job_id}/{frame.index}.jpg",
            "pts_seconds": frame.pts_seconds,
            "width": frame.width,
            "height": frame.height,
        }
        for frame in frames
    ]
