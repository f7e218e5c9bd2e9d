"""Segments of jobs in the hands of workers: claimed, held, done, given back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, insert, select, update

from framedb.extraction import choosing, ending
from framedb.extraction.jobs import PLANNING, JobFrame, new_segment
from framedb.extraction.live import LastFrame
from framedb.extraction.plan import Segment
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource
from framedb.frame import utc_now
from framedb.registry import reading, write
from framedb.registry.tables import job_frames, job_videos, jobs, segments
from framedb.registry.types import DatabaseNow

HOLD = 30.0
"""Seconds a claimed segment stays with a worker that is silent."""
MAX_ATTEMPTS = 5
"""Times in a row a segment is claimed without coming forward: a video that kills its workers must not do so for ever."""

_ROWS = 500  # in one statement


@dataclass(frozen=True, slots=True)
class Claim:
    """A segment in one worker's hands."""

    job_id: str
    number: int
    """Of the segment; PLANNING: the plan is to be made."""
    token: int
    """Grows with each claim: what an earlier claimant still reports is refused."""
    source: VideoSource = field(repr=False)
    """The video."""
    selection: Selection
    """Which frames of it."""
    segment: Segment | None = field(repr=False)
    """What is to be extracted; None where the plan is to be made."""
    names: Mapping[int, str] = field(repr=False)
    """What the files of its frames are called, by index."""

    @property
    def identity(self) -> tuple[str, int, int]:
        """What tells it from every other claim."""
        return self.job_id, self.number, self.token


class Claims:
    """What workers do with the rows of jobs. Every answer `False` means: this claim was lost, or its job cancelled."""

    def __init__(self, engine: Engine, *, max_concurrent: int = 5) -> None:
        """`max_concurrent` jobs are worked on at once, by all workers of the registry together."""
        self._engine = engine
        self._max_concurrent = max_concurrent

    def claim(self, holder: str) -> Claim | None:
        """A segment nobody works on, or None. Jobs begin in the order they came, and then share the workers evenly."""
        with reading(self._engine) as connection:
            if not choosing.is_there_work(connection, self._max_concurrent):
                return None
        return write(self._engine, lambda connection: self._take(connection, holder))

    def planned(
        self,
        claim: Claim,
        plan: Iterable[Segment],
        names: Sequence[str],
        *,
        warning: str | None,
        total: int | None = None,
    ) -> bool:
        """The job consists of these segments; `names` are those of all its files, by index.

        Of a stream there are none yet, and `total` is how many frames it is said to have, None where nobody says.
        """
        documents = [
            {"segment": segment.to_dict(), "names": [names[target.index] for target in segment.targets]}
            for segment in plan
        ]

        def change(connection: Connection) -> bool:
            if not _touch(connection, claim, {"total_frames": len(names) or total}):
                return False
            now = utc_now()
            mine = segments.c.job_id == claim.job_id, segments.c.segment == PLANNING
            connection.execute(delete(segments).where(*mine))
            rows = [new_segment(claim.job_id, number, document, now) for number, document in enumerate(documents)]
            for begin in range(0, len(rows), _ROWS):
                connection.execute(insert(segments), rows[begin : begin + _ROWS])
            ending.warn(connection, claim.job_id, warning)
            return True

        return write(self._engine, change)

    def put_frames(self, claim: Claim, frames: Sequence[JobFrame]) -> bool:
        """These frames are on the disk, and the claim is held on to. A frame that was there before is the same one still."""

        def change(connection: Connection) -> bool:
            there = _indexes(connection, claim.job_id, [frame.index for frame in frames])
            new = len(frames) - len(there)
            if not _touch(connection, claim, {"processed_frames": jobs.c.processed_frames + new}):
                return False
            held = {"held_until": _until(HOLD), "attempt": 1, "updated_at": utc_now()}
            done = {"processed_frames": segments.c.processed_frames + new}
            connection.execute(update(segments).where(*_mine(claim)).values(**held, **done))
            rows = [_row(frame) for frame in frames]
            if there:
                again = [_renamed(row) for row in rows if row["index"] in there]
                connection.execute(_REPLACE, again)
            if new:
                connection.execute(insert(job_frames), [row for row in rows if row["index"] not in there])
            return True

        return write(self._engine, change)

    def complete(self, claim: Claim, *, lost: str | None = None) -> bool:
        """All of the segment that can be had is done; `lost` says for a person what cannot. The last one ends the job."""

        def change(connection: Connection) -> bool:
            # However many frames a stream was said to have: these were all of them.
            is_whole = claim.segment is not None and claim.segment.live and lost is None
            if not _touch(connection, claim, {"total_frames": jobs.c.processed_frames} if is_whole else {}):
                return False
            ending.complete(connection, claim.job_id, claim.number, lost)
            return True

        return write(self._engine, change)

    def fail(self, claim: Claim, why: str) -> bool:
        """The job cannot be done; `why` is for a person. Frames that are there stay."""

        def change(connection: Connection) -> bool:
            if not _touch(connection, claim, {}):
                return False
            ending.end(connection, claim.job_id, "failed", why)
            return True

        return write(self._engine, change)

    def release(self, claim: Claim, *, pause: float = 0.0) -> None:
        """Give it back: another may have it after so many seconds. Of a cancelled job nothing is left to be had.

        One that is done, or lost, is left alone.
        """

        def change(connection: Connection) -> None:
            free = {"held_until": _until(pause) if pause else 0, "attempt": segments.c.attempt - 1}
            values = {"status": "pending", "holder": None, **free}
            cancelled = select(jobs.c.job_id).where(jobs.c.job_id == claim.job_id, jobs.c.status != "processing")
            if connection.execute(cancelled).first() is not None:
                connection.execute(delete(segments).where(*_mine(claim)))
            else:
                connection.execute(update(segments).where(*_mine(claim)).values(**values))

        write(self._engine, change)

    def is_there(self, job_id: str) -> bool:
        """Whether the job is not gone, nor going."""
        query = select(jobs.c.job_id).where(jobs.c.job_id == job_id, jobs.c.status != "cancelled")
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def last_frame(self, job_id: str) -> LastFrame | None:
        """The job's last one: where a stream goes on."""
        mine = select(job_frames.c.index, job_frames.c.timestamp, job_frames.c.created_at)
        query = mine.where(job_frames.c.job_id == job_id).order_by(job_frames.c.index.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else LastFrame(*row)

    def held(self, holder: str) -> set[tuple[str, int, int]]:
        """Identities of what this worker still has: all else it works on was lost or cancelled."""
        query = (
            select(segments.c.job_id, segments.c.segment, segments.c.token)
            .join(jobs, jobs.c.job_id == segments.c.job_id)
            .where(segments.c.holder == holder, segments.c.status == "running", jobs.c.status == "processing")
        )
        with reading(self._engine) as connection:
            return {(row[0], row[1], row[2]) for row in connection.execute(query)}

    def renew(self, holder: str) -> None:
        """Hold on to all this worker has."""
        mine = segments.c.holder == holder, segments.c.status == "running"
        write(
            self._engine,
            lambda connection: connection.execute(update(segments).where(*mine).values(held_until=_until(HOLD))),
        )

    def free(self, is_dead: Callable[[str], bool]) -> int:
        """Let others have at once what dead holders held; how many segments."""
        query = (
            select(segments.c.holder).where(segments.c.status == "running", segments.c.holder.is_not(None)).distinct()
        )
        with reading(self._engine) as connection:
            dead = [holder for holder in connection.execute(query).scalars() if is_dead(holder)]
        if not dead:
            return 0
        held = segments.c.holder.in_(dead), segments.c.status == "running"
        return write(
            self._engine,
            lambda connection: connection.execute(update(segments).where(*held).values(held_until=0)).rowcount,
        )

    def _take(self, connection: Connection, holder: str) -> Claim | None:
        choosing.admit(connection, self._max_concurrent)
        while (row := choosing.next_segment(connection)) is not None:
            if row.attempt < MAX_ATTEMPTS:
                return _claimed(connection, row, holder)
            ending.give_up(connection, row)
        return None


def _claimed(connection: Connection, row: Row[Any], holder: str) -> Claim:
    this = segments.c.job_id == row.job_id, segments.c.segment == row.segment
    values = {"status": "running", "holder": holder, "token": row.token + 1, "attempt": row.attempt + 1}
    connection.execute(update(segments).where(*this).values(held_until=_until(HOLD), updated_at=utc_now(), **values))
    job = connection.execute(
        select(jobs.c.options, jobs.c.video_source, job_videos).join(job_videos).where(jobs.c.job_id == row.job_id)
    ).one()
    segment = Segment.from_dict(row.plan["segment"]) if row.segment != PLANNING else None
    names = zip((target.index for target in segment.targets), row.plan["names"], strict=True) if segment else ()
    return Claim(
        row.job_id,
        row.segment,
        row.token + 1,
        VideoSource(job.kind, job.place, job.video_source, owned=job.owned),
        Selection.from_dict(job.options),
        segment,
        dict(names),
    )


def _mine(claim: Claim) -> tuple[Any, ...]:
    return (
        segments.c.job_id == claim.job_id,
        segments.c.segment == claim.number,
        segments.c.token == claim.token,
        segments.c.status == "running",
    )


def _touch(connection: Connection, claim: Claim, values: Mapping[str, Any]) -> bool:
    """Change the job, which locks its row; False when the claim was lost, or the job has ended."""
    this = jobs.c.job_id == claim.job_id, jobs.c.status == "processing"
    held = select(segments.c.segment).where(*_mine(claim)).exists()
    changed = connection.execute(update(jobs).where(*this, held).values(updated_at=utc_now(), **values))
    return changed.rowcount == 1


def _until(seconds: float) -> Any:
    return DatabaseNow() + round(seconds * 1_000_000)


def _indexes(connection: Connection, job_id: str, indexes: Sequence[int]) -> set[int]:
    query = select(job_frames.c.index).where(job_frames.c.job_id == job_id, job_frames.c.index.in_(indexes))
    return set(connection.execute(query).scalars())


def _row(frame: JobFrame) -> dict[str, Any]:
    names = ("job_id", "index", "timestamp", "pts_seconds", "checksum", "file_size", "width", "height", "created_at")
    return {name: getattr(frame, name) for name in names} | {"name": frame.path.partition("/")[2]}


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"new_{name}": row[name] for name in ("job_id", "index", "checksum", "file_size")}


_REPLACE = (
    update(job_frames)
    .where(job_frames.c.job_id == bindparam("new_job_id"), job_frames.c.index == bindparam("new_index"))
    .values(checksum=bindparam("new_checksum"), file_size=bindparam("new_file_size"))
)
