"""Segments of jobs in the hands of workers: claimed, held, done, given back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, bindparam, case, delete, func, insert, or_, select, update

from framedb.extraction.jobs import PLANNING, JobFrame, new_segment
from framedb.extraction.plan import Segment
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource
from framedb.frame import utc_now
from framedb.redaction import redacted
from framedb.registry import reading, write
from framedb.registry.tables import job_frames, job_videos, job_webhooks, jobs, leases, segments
from framedb.registry.types import DatabaseNow

HOLD = 30.0
"""Seconds a claimed segment stays with a worker that is silent."""
MAX_ATTEMPTS = 5
"""Times in a row a segment is claimed without coming forward: a video that kills its workers must not do so for ever."""

_ADMISSION = "jobs"  # the row that workers of several machines take turns by
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
        if not self._is_there_work():
            return None
        return write(self._engine, lambda connection: self._take(connection, holder))

    def planned(self, claim: Claim, plan: Iterable[Segment], names: Sequence[str], *, warning: str | None) -> bool:
        """The job consists of these segments; `names` are those of all its files, by index."""
        documents = [
            {"segment": segment.to_dict(), "names": [names[target.index] for target in segment.targets]}
            for segment in plan
        ]

        def change(connection: Connection) -> bool:
            if not _touch(connection, claim, {"total_frames": len(names)}):
                return False
            now = utc_now()
            mine = segments.c.job_id == claim.job_id, segments.c.segment == PLANNING
            connection.execute(delete(segments).where(*mine))
            rows = [new_segment(claim.job_id, number, document, now) for number, document in enumerate(documents)]
            for begin in range(0, len(rows), _ROWS):
                connection.execute(insert(segments), rows[begin : begin + _ROWS])
            _warn(connection, claim.job_id, warning)
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
            if not _touch(connection, claim, {}):
                return False
            _complete(connection, claim.job_id, claim.number, lost)
            return True

        return write(self._engine, change)

    def fail(self, claim: Claim, why: str) -> bool:
        """The job cannot be done; `why` is for a person. Frames that are there stay."""

        def change(connection: Connection) -> bool:
            if not _touch(connection, claim, {}):
                return False
            _end(connection, claim.job_id, "failed", why)
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

    def _is_there_work(self) -> bool:
        with reading(self._engine) as connection:
            if connection.execute(_free_segments().limit(1)).first() is not None:
                return True
            return self._has_room(connection) and _first_pending(connection) is not None

    def _has_room(self, connection: Connection) -> bool:
        running = select(func.count()).select_from(jobs).where(jobs.c.status == "processing")
        return (connection.scalar(running) or 0) < self._max_concurrent

    def _take(self, connection: Connection, holder: str) -> Claim | None:
        _take_turn(connection)
        if self._has_room(connection) and (job_id := _first_pending(connection)) is not None:
            begun = {"status": "processing", "updated_at": utc_now()}
            connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(**begun))
        while (row := _next_segment(connection)) is not None:
            if row.attempt < MAX_ATTEMPTS:
                return _claimed(connection, row, holder)
            _give_up(connection, row)
        return None


def _take_turn(connection: Connection) -> None:
    """SQLite has one writer at a time anyway; on a server this row is what makes counting and admitting one step."""
    turn = update(leases).where(leases.c.name == _ADMISSION).values(token=leases.c.token + 1)
    if connection.dialect.name != "sqlite" and not connection.execute(turn).rowcount:
        connection.execute(insert(leases).values(name=_ADMISSION, token=0, expires_at=0))


def _first_pending(connection: Connection) -> str | None:
    query = select(jobs.c.job_id).where(jobs.c.status == "pending").order_by(jobs.c.created_at).limit(1)
    found: str | None = connection.scalar(query)
    return found


def _free_segments() -> Any:
    free = and_(segments.c.status.in_(("pending", "running")), segments.c.held_until <= DatabaseNow())
    return (
        select(segments.c.job_id)
        .join(jobs, jobs.c.job_id == segments.c.job_id)
        .where(jobs.c.status == "processing", free)
    )


def _next_segment(connection: Connection) -> Row[Any] | None:
    """A plan, so that totals are known soon; else the first one nobody has, of the job that the fewest work on."""
    is_held = and_(segments.c.status == "running", segments.c.held_until > DatabaseNow())
    is_free = and_(segments.c.status.in_(("pending", "running")), segments.c.held_until <= DatabaseNow())
    held = func.sum(case((is_held, 1), else_=0))
    first = func.min(case((is_free, segments.c.segment)))
    query = (
        select(segments.c.job_id, first.label("first"))
        .join(jobs, jobs.c.job_id == segments.c.job_id)
        .where(jobs.c.status == "processing", or_(is_held, is_free))
        .group_by(segments.c.job_id)
        .having(first.is_not(None))
        .order_by(case((first == PLANNING, 0), else_=1), held, segments.c.job_id)
        .limit(1)
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    this = segments.c.job_id == found.job_id, segments.c.segment == found.first
    return connection.execute(select(segments).where(*this)).one()


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


def _give_up(connection: Connection, row: Row[Any]) -> None:
    why = f"given up after {row.attempt} attempts: its worker stopped each time"
    if row.segment == PLANNING:
        _end(connection, row.job_id, "failed", f"reading the video was {why}")
    else:
        _complete(connection, row.job_id, row.segment, f"part {row.segment + 1} of it was {why}")


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


def _complete(connection: Connection, job_id: str, number: int, lost: str | None) -> None:
    """The job's row is locked, or nobody else writes: of two last segments one sees the other done."""
    this = segments.c.job_id == job_id, segments.c.segment == number
    done = {"status": "succeeded", "plan": {}, "updated_at": utc_now()}
    connection.execute(update(segments).where(*this).values(**done))
    _warn(connection, job_id, lost)
    left = select(segments.c.segment).where(segments.c.job_id == job_id, segments.c.status != "succeeded").limit(1)
    if connection.execute(left).first() is not None:
        return
    job = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).one()
    if not job.processed_frames:
        _end(connection, job_id, "failed", job.warning or "not one of the frames could be decoded; is it damaged?")
        return
    if job.processed_frames < job.total_frames and not job.warning:
        _warn(connection, job_id, f"{job.total_frames - job.processed_frames} frames could not be decoded")
    _end(connection, job_id, "completed", None)


def _end(connection: Connection, job_id: str, status: str, why: str | None) -> None:
    told = {"status": status, "error_message": redacted(why) if why else None, "updated_at": utc_now()}
    connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(**told))
    connection.execute(delete(segments).where(segments.c.job_id == job_id))
    waiting = job_webhooks.c.job_id == job_id, job_webhooks.c.status == "waiting"
    connection.execute(update(job_webhooks).where(*waiting).values(status="due"))


def _warn(connection: Connection, job_id: str, what: str | None) -> None:
    """Add to what was lost; the same only once."""
    if what is None:
        return
    said = connection.scalar(select(jobs.c.warning).where(jobs.c.job_id == job_id))
    if said and (redacted(what) in said or len(said) > 2000):
        return
    text = f"{said}; {redacted(what)}" if said else redacted(what)
    connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(warning=text))


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
