"""Extraction jobs, for those who submit them and look at them. Their rows are the truth, whoever works on them."""

import builtins
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, exists, func, insert, or_, select, update
from uuid_utils import uuid7

from framedb.errors import FrameDBError, InvalidInputError, NotFoundError
from framedb.extraction.contents import FrameContents
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource
from framedb.frame import utc_now
from framedb.redaction import redacted
from framedb.registry import reading, write
from framedb.registry.engine import name_of
from framedb.registry.tables import job_frames, job_videos, job_webhooks, jobs, segments
from framedb.registry.types import DatabaseNow

logger = logging.getLogger(__name__)

STATES = ("pending", "processing", "completed", "failed", "cancelled")
"""What a job can be; the last one only until everything of it is gone."""
PLANNING = -1
"""The segment that is the making of the plan."""

_GRACE = 3.0  # seconds for workers to let go of a cancelled job; those that do not are dead
_LOOK = 0.05
_SWEEP = 3600.0  # seconds between two looks for frames and uploads that nobody holds
_UNCLAIMED = timedelta(hours=1)  # an upload becomes its job's at once, unless the service dies in between
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands."""

    job_id: str
    status: str
    """One of STATES."""
    video_source: str
    """As it was asked for, without credentials."""
    selection: Selection
    """Which frames."""
    total_frames: int | None
    """None until the plan is made."""
    processed_frames: int
    created_at: datetime
    """UTC."""
    updated_at: datetime
    """UTC."""
    error_message: str | None
    """Why it failed."""
    warning: str | None
    """What of the video could not be had."""
    webhook: bool
    """Whether somebody is told of its end."""

    @property
    def ended(self) -> bool:
        """Nothing more becomes of it."""
        return self.status in ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class JobFrame:
    """A frame that was extracted."""

    job_id: str
    index: int
    """0, 1, ... by time."""
    timestamp: float
    """Seconds since the first frame of the video: the time that was asked for."""
    pts_seconds: float | None
    """Seconds, by the file's own clock."""
    checksum: str
    """SHA-256 of the JPEG, in hex: `FrameContents.read` takes it."""
    file_size: int
    """Bytes."""
    width: int
    """Pixels, before any rotation."""
    height: int
    """Pixels, before any rotation."""
    created_at: datetime
    """When it was extracted, UTC."""
    path: str
    """Of its file, in the folder of frames: `<job_id>/<t>.jpg`."""


class Jobs:
    """Submits, shows and cancels jobs. Methods may raise StoreUnavailableError."""

    def __init__(
        self,
        engine: Engine,
        frames: FrameContents,
        *,
        remove_object: Callable[[str], object] = lambda key: None,
        uploads_before: Callable[[datetime], Iterable[str]] = lambda moment: (),
    ) -> None:
        """`remove_object` is called with the key of an upload whose job goes; `uploads_before` tells of those there are."""
        self._engine = engine
        self._frames = frames
        self._remove_object = remove_object
        self._uploads_before = uploads_before
        self._next_sweep = 0.0

    def submit(self, source: VideoSource, selection: Selection, *, webhook: str | None = None) -> str:
        """A new job over a video; its id. It is planned and worked on by workers: nothing is opened here.

        Raises InvalidInputError for what cannot be chosen of a stream.
        """
        if source.live:
            selection.check_live()
        job_id, now = str(uuid7()), utc_now()

        def store(connection: Connection) -> None:
            connection.execute(
                insert(jobs).values(
                    job_id=job_id,
                    video_source=redacted(source.name),
                    interval=selection.interval,
                    options=selection.to_dict(),
                    status="pending",
                    processed_frames=0,
                    created_at=now,
                    updated_at=now,
                )
            )
            video = {"kind": source.kind, "place": source.place, "owned": source.owned}
            connection.execute(insert(job_videos).values(job_id=job_id, **video))
            connection.execute(insert(segments).values(**new_segment(job_id, PLANNING, {}, now)))
            if webhook is not None:
                told = {"url": webhook, "status": "waiting", "attempt": 0, "due_at": 0}
                connection.execute(insert(job_webhooks).values(job_id=job_id, **told))

        write(self._engine, store)
        return job_id

    def get(self, job_id: str) -> Job:
        """The job. Raises NotFoundError."""
        with reading(self._engine) as connection:
            row = connection.execute(_JOB.where(jobs.c.job_id == _legal(job_id))).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no job {job_id[:80]}")
        return _job(row)

    def list(self, *, status: str | None = None, after: str | None = None, limit: int = 50) -> builtins.list[Job]:
        """Jobs, the newest first, from behind the job `after`. Raises InvalidInputError for a status there is not."""
        query = _JOB.order_by(jobs.c.job_id.desc()).limit(_checked(limit))
        if status is not None:
            if status not in STATES:
                raise InvalidInputError(f"{status[:40]!r} is no status of a job: give one of {', '.join(STATES)}")
            query = query.where(jobs.c.status == status)
        if after is not None:
            query = query.where(jobs.c.job_id < _legal(after))  # ids sort by time
        with reading(self._engine) as connection:
            return [_job(row) for row in connection.execute(query)]

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each status."""
        query = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        with reading(self._engine) as connection:
            found = {str(status): int(count) for status, count in connection.execute(query)}
        return {status: found.get(status, 0) for status in STATES}

    def frames(self, job_id: str, *, after: int = -1, limit: int | None = None) -> builtins.list[JobFrame]:
        """Frames of a job by time, from behind the index `after`; none for a job there is not."""
        mine = job_frames.c.job_id == _legal(job_id), job_frames.c.index > after
        query = select(job_frames).where(*mine).order_by(job_frames.c.index)
        return self._found(query if limit is None else query.limit(_checked(limit)))

    def frame_pages(
        self, job_id: str, *, after: int = -1, limit: int | None = None
    ) -> Iterator[builtins.list[JobFrame]]:
        """`frames`, a thousand at a time, each read when asked for: all those of a job may be more than fit into memory."""
        left = limit
        while left is None or left > 0:
            wanted = _PAGE if left is None else min(left, _PAGE)
            page = self.frames(job_id, after=after, limit=wanted)
            if page:
                yield page
                after = page[-1].index
            if len(page) < wanted:
                return
            left = None if left is None else left - wanted

    def frames_spread(self, job_id: str, count: int) -> builtins.list[JobFrame]:
        """So many frames of a job, evenly spread, by time; all where it has no more."""
        mine = job_frames.c.job_id == _legal(job_id)
        with reading(self._engine) as connection:
            indexes = select(job_frames.c.index).where(mine).order_by(job_frames.c.index)
            there = connection.execute(indexes).scalars().all()
        chosen = [there[number * len(there) // count] for number in range(count)] if len(there) > count else there
        return self._found(select(job_frames).where(mine, job_frames.c.index.in_(chosen)).order_by(job_frames.c.index))

    def frame(self, job_id: str, index: int) -> JobFrame:
        """One frame of a job. Raises NotFoundError."""
        mine = job_frames.c.job_id == _legal(job_id), job_frames.c.index == index
        found = self._found(select(job_frames).where(*mine))
        if not found:
            raise NotFoundError(f"job {job_id[:80]} has no frame {index}, or not yet")
        return found[0]

    def recent(self, since: datetime, *, job_id: str | None = None, limit: int = 1000) -> builtins.list[JobFrame]:
        """Frames that were extracted at that time or later, the newest first; of one job, or of all."""
        query = select(job_frames).where(job_frames.c.created_at >= since)
        if job_id is not None:
            query = query.where(job_frames.c.job_id == _legal(job_id))
        newest = job_frames.c.created_at.desc(), job_frames.c.job_id.desc(), job_frames.c.index.desc()
        return self._found(query.order_by(*newest).limit(_checked(limit)))

    def cancel(self, job_id: str) -> None:
        """Stop the work and remove all there is of a job, in whatever state it is. Raises NotFoundError.

        On return nobody works on it any more (workers look several times a second; one that is silent for three is dead, and
        what it still sends is refused), and its rows, frames and upload are gone.
        """
        write(self._engine, lambda connection: _mark_cancelled(connection, _legal(job_id)))
        deadline = time.monotonic() + _GRACE
        while self._is_worked_on(job_id) and time.monotonic() < deadline:
            time.sleep(_LOOK)
        self._remove(job_id)

    def tidy(self) -> None:
        """Remove what was left of jobs whose cancelling was cut short, and frames and uploads that belong to none."""
        cancelled = select(jobs.c.job_id).where(jobs.c.status == "cancelled")
        with reading(self._engine) as connection:
            left = connection.execute(cancelled).scalars().all()
        for job_id in left:
            if not self._is_worked_on(job_id):
                self._remove(job_id)
        # Where two registries were given one folder by mistake, neither is to remove the other's frames.
        if self._frames.is_of(name_of(self._engine)):
            held = self._frames.jobs()  # before the rows: a job has its row first
            with reading(self._engine) as connection:
                known = set(connection.execute(select(jobs.c.job_id)).scalars())
            for job_id in held:
                if job_id not in known:
                    self._frames.remove_job(job_id)
        if time.monotonic() >= self._next_sweep:  # it looks at every file
            self._next_sweep = time.monotonic() + _SWEEP
            self._frames.sweep()
            self._remove_unclaimed()

    def exists(self, job_id: str) -> bool:
        """Whether there is such a job, cancelled or not."""
        with reading(self._engine) as connection:
            return connection.scalar(select(jobs.c.job_id).where(jobs.c.job_id == _legal(job_id))) is not None

    def _found(self, query: Any) -> builtins.list[JobFrame]:
        with reading(self._engine) as connection:
            return [_frame(row) for row in connection.execute(query)]

    def _is_worked_on(self, job_id: str) -> bool:
        held = segments.c.status == "running", segments.c.held_until > DatabaseNow()
        with reading(self._engine) as connection:
            return (
                connection.execute(select(segments.c.segment).where(segments.c.job_id == job_id, *held)).first()
                is not None
            )

    def _remove_unclaimed(self) -> None:
        """Uploads before jobs: one that is submitted meanwhile, by its key, is then known."""
        if not (uploads := list(self._uploads_before(utc_now() - _UNCLAIMED))):
            return
        with reading(self._engine) as connection:
            claimed = set(connection.execute(select(job_videos.c.place).where(job_videos.c.kind == "object")).scalars())
        for key in uploads:
            if key not in claimed:
                self._remove_object(key)
                logger.info("an upload of no job removed", extra={"key": key})

    def _remove(self, job_id: str) -> None:
        """Files first: while there are rows, somebody can still come back for them."""
        checksums = select(job_frames.c.checksum).where(job_frames.c.job_id == job_id).distinct()
        upload = select(job_videos.c.place).where(job_videos.c.job_id == job_id, job_videos.c.owned)
        with reading(self._engine) as connection:
            contents = connection.execute(checksums).scalars().all()
            key = connection.scalar(upload)
        if key is not None:
            try:
                self._remove_object(key)
            except FrameDBError as exc:  # the rest goes all the same
                logger.warning("an uploaded video stays: %s", exc, extra={"job_id": job_id, "key": key})
        self._frames.remove_job(job_id, contents)
        write(self._engine, lambda connection: connection.execute(delete(jobs).where(jobs.c.job_id == job_id)))
        logger.info("job removed", extra={"job_id": job_id, "frames": len(contents)})


def new_segment(job_id: str, number: int, plan: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The row of a segment nobody has worked on."""
    return {
        "job_id": job_id,
        "segment": number,
        "plan": plan,
        "status": "pending",
        "token": 0,
        "held_until": 0,
        "attempt": 0,
        "processed_frames": 0,
        "updated_at": now,
    }


def _mark_cancelled(connection: Connection, job_id: str) -> None:
    marked = update(jobs).where(jobs.c.job_id == job_id).values(status="cancelled", updated_at=utc_now())
    if not connection.execute(marked).rowcount:
        raise NotFoundError(f"there is no job {job_id[:80]}")
    idle = or_(segments.c.status != "running", segments.c.held_until <= DatabaseNow())
    connection.execute(delete(segments).where(segments.c.job_id == job_id, idle))


_JOB = select(jobs, exists().where(job_webhooks.c.job_id == jobs.c.job_id).label("webhook"))


def _job(row: Row[Any]) -> Job:
    return Job(
        row.job_id, row.status, row.video_source, Selection.from_dict(row.options), row.total_frames,
        row.processed_frames, row.created_at, row.updated_at, row.error_message, row.warning, bool(row.webhook),
    )  # fmt: skip


def _frame(row: Row[Any]) -> JobFrame:
    return JobFrame(
        row.job_id, row._mapping["index"], row.timestamp, row.pts_seconds, row.checksum, row.file_size, row.width, row.height,
        row.created_at, f"{row.job_id}/{row.name}",
    )  # fmt: skip


def _legal(job_id: str) -> str:
    """The id, or one that no job has."""
    return job_id if job_id.isascii() and len(job_id) <= 36 else "-"


def _checked(limit: int) -> int:
    if limit < 1:
        raise InvalidInputError(f"a limit of {limit} is not possible: give at least 1")
    return limit
