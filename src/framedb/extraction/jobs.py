"""Extraction jobs: their rows are the truth, whoever works on them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update
from uuid_utils import uuid7

from framedb.errors import NotFoundError
from framedb.frame import utc_now
from framedb.redaction import redacted
from framedb.registry import reading, write
from framedb.registry.tables import jobs, segments
from framedb.registry.types import DatabaseNow

HOLD = 30.0
"""Seconds a claimed segment stays with a worker that is silent."""
MAX_ATTEMPTS = 5
"""Times a segment is claimed before its job fails: a video that kills its worker must not kill them all, for ever."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands."""

    job_id: str
    status: str
    """pending, processing, completed, failed, cancelled."""
    video_source: str
    """Without credentials."""
    interval: float
    total_frames: int | None
    processed_frames: int
    created_at: datetime
    updated_at: datetime
    error_message: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A segment in one worker's hands."""

    job_id: str
    segment: int
    token: int
    """Grows with each claim: what an earlier claimant still reports is refused."""
    url: str
    """The video, credentials included."""
    interval: float
    created_at: datetime


class Jobs:
    """Submits, claims and completes extraction jobs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def submit(self, url: str, *, interval: float) -> str:
        """A new job over a video; its id."""
        job_id, now = str(uuid7()), utc_now()

        def store(connection: Connection) -> None:
            connection.execute(
                insert(jobs).values(
                    job_id=job_id,
                    video_source=redacted(url),
                    interval=interval,
                    options={},
                    status="pending",
                    processed_frames=0,
                    created_at=now,
                    updated_at=now,
                )
            )
            connection.execute(
                insert(segments).values(
                    job_id=job_id,
                    segment=0,
                    plan={"url": url, "interval": interval},
                    status="pending",
                    token=0,
                    held_until=0,
                    attempt=0,
                    processed_frames=0,
                    updated_at=now,
                )
            )

        write(self._engine, store)
        return job_id

    def get(self, job_id: str) -> Job:
        """The job. Raises NotFoundError."""
        with reading(self._engine) as connection:
            row = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no job {job_id}")
        return Job(
            row.job_id, row.status, row.video_source, row.interval, row.total_frames, row.processed_frames,
            row.created_at, row.updated_at, row.error_message,
        )  # fmt: skip

    def claim(self, holder: str) -> Claim | None:
        """A segment nobody works on, oldest first; None when there is none. One tried too often fails its job."""

        def take(connection: Connection) -> Claim | None:
            free = segments.c.status.in_(("pending", "running")), segments.c.held_until <= DatabaseNow()
            query = (
                select(segments, jobs.c.created_at)
                .join(jobs)
                .where(*free)
                .order_by(segments.c.job_id, segments.c.segment)
            )
            for row in connection.execute(query.limit(10)).all():
                if row.attempt >= MAX_ATTEMPTS:
                    _fail(connection, row.job_id, row.segment, f"given up after {row.attempt} attempts")
                    continue
                values: dict[str, Any] = {
                    "status": "running",
                    "holder": holder,
                    "token": row.token + 1,
                    "attempt": row.attempt + 1,
                    "held_until": DatabaseNow() + round(HOLD * 1_000_000),
                    "updated_at": utc_now(),
                }
                mine = segments.c.job_id == row.job_id, segments.c.segment == row.segment, segments.c.token == row.token
                if connection.execute(update(segments).where(*mine).values(**values)).rowcount:
                    connection.execute(update(jobs).where(jobs.c.job_id == row.job_id).values(status="processing"))
                    plan = row.plan
                    return Claim(row.job_id, row.segment, row.token + 1, plan["url"], plan["interval"], row.created_at)
            return None

        return write(self._engine, take)

    def planned(self, claim: Claim, total_frames: int) -> bool:
        """The job will have that many frames; False if the claim was lost."""
        return self._update(claim, {}, {"total_frames": total_frames})

    def progress(self, claim: Claim, processed_frames: int) -> bool:
        """So many frames are done, and the claim is held on to; False if it was lost."""
        held_until = DatabaseNow() + round(HOLD * 1_000_000)
        done = {"processed_frames": processed_frames}
        return self._update(claim, {**done, "held_until": held_until}, done)

    def complete(self, claim: Claim, processed_frames: int) -> bool:
        """All frames are in the durable tier; False if the claim was lost."""
        done = {"processed_frames": processed_frames}
        return self._update(
            claim, {**done, "status": "succeeded"}, {**done, "total_frames": processed_frames, "status": "completed"}
        )

    def fail(self, claim: Claim, why: str) -> None:
        """The video cannot be extracted; `why` is for a person."""
        write(self._engine, lambda connection: _fail(connection, claim.job_id, claim.segment, redacted(why)))

    def waiting(self) -> bool:
        """Whether there is a segment nobody works on."""
        free = segments.c.status.in_(("pending", "running")), segments.c.held_until <= DatabaseNow()
        with reading(self._engine) as connection:
            return connection.execute(select(segments.c.job_id).where(*free).limit(1)).first() is not None

    def _update(self, claim: Claim, segment: dict[str, Any], job: dict[str, Any]) -> bool:
        now = utc_now()

        def change(connection: Connection) -> bool:
            mine = (
                segments.c.job_id == claim.job_id,
                segments.c.segment == claim.segment,
                segments.c.token == claim.token,
            )
            if not connection.execute(update(segments).where(*mine).values(updated_at=now, **segment)).rowcount:
                return False
            connection.execute(update(jobs).where(jobs.c.job_id == claim.job_id).values(updated_at=now, **job))
            return True

        return write(self._engine, change)


def _fail(connection: Connection, job_id: str, segment: int, why: str) -> None:
    now = utc_now()
    mine = segments.c.job_id == job_id, segments.c.segment == segment
    connection.execute(update(segments).where(*mine).values(status="failed", error_message=why, updated_at=now))
    connection.execute(
        update(jobs).where(jobs.c.job_id == job_id).values(status="failed", error_message=why, updated_at=now)
    )
