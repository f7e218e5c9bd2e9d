"""Working on a claimed segment: video in, durable frames out."""

import logging
import math
from collections.abc import Iterator
from datetime import timedelta

from framedb.errors import FrameDBError, MediaError, NotVideoError
from framedb.extraction.frames import on_screen
from framedb.extraction.jobs import Claim, Jobs
from framedb.frame import Frame
from framedb.media import JPEGEncoder, open_video
from framedb.stores.base import FrameStore

logger = logging.getLogger(__name__)

_BATCH = 8  # frames in one write to the durable tier, and between two reports of progress


def job_source(job_id: str) -> str:
    """The source that frames of a job belong to."""
    return f"job:{job_id}"


def frame_key(job_id: str, index: int) -> str:
    """The key of a job's frame: the same for every attempt, so that a repeated one replaces what is there."""
    return f"{job_source(job_id)}:{index:06d}"


def work_on(claim: Claim, jobs: Jobs, durable: FrameStore) -> None:
    """Extract the claim's frames into the durable tier. A video that cannot be read fails the job, with the reason."""
    try:
        done = 0
        batch: list[Frame] = []
        for frame in _frames(claim, jobs):
            batch.append(frame)
            if len(batch) == _BATCH:
                durable.put_many(batch)
                done += len(batch)
                batch = []
                if not jobs.progress(claim, done):
                    logger.warning("the claim was lost to another worker", extra={"job_id": claim.job_id})
                    return
        if batch:
            durable.put_many(batch)
        jobs.complete(claim, done + len(batch))
        logger.info("job completed", extra={"job_id": claim.job_id, "frames": done + len(batch)})
    except MediaError as exc:
        logger.warning("job failed: %s", exc, extra={"job_id": claim.job_id})
        jobs.fail(claim, str(exc))
    except FrameDBError as exc:
        # The store or the registry is away: the claim runs out, and the segment is tried again.
        logger.warning("job interrupted: %s", exc, extra={"job_id": claim.job_id})


def _frames(claim: Claim, jobs: Jobs) -> Iterator[Frame]:
    encoder = JPEGEncoder()
    with open_video(claim.url) as video:
        if video.live:
            raise NotVideoError("a live camera has no end to extract up to: add it as a camera instead")
        frame_interval = 1 / (video.fps or 25)
        if video.duration:
            jobs.planned(claim, max(1, math.ceil(video.duration / claim.interval)))
        for found in on_screen(video.pictures(), interval=claim.interval, frame_interval=frame_interval):
            picture = found.picture
            yield Frame(
                frame_key(claim.job_id, found.index),
                encoder.encode(picture.image),
                source=job_source(claim.job_id),
                captured_at=claim.created_at + timedelta(seconds=found.time),
                encoding="jpeg",
                width=picture.width,
                height=picture.height,
                pts=picture.pts,
                time_base=picture.time_base,
                keyframe=picture.keyframe,
                corrupt=picture.corrupt,
            )
