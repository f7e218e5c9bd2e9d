"""Which segment a worker gets next. Jobs begin in the order they came, so many at once, and then share the workers evenly."""

from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, insert, or_, select, update

from framedb.extraction.jobs import PLANNING
from framedb.frame import utc_now
from framedb.registry.tables import jobs, leases, segments
from framedb.registry.types import DatabaseNow

_ADMISSION = "jobs"  # the row that workers of several machines take turns by
_HELD = and_(segments.c.status == "running", segments.c.held_until > DatabaseNow())
_FREE = and_(segments.c.status.in_(("pending", "running")), segments.c.held_until <= DatabaseNow())


def is_there_work(connection: Connection, max_concurrent: int) -> bool:
    """Whether a segment is free, or a job may begin."""
    free = select(segments.c.job_id).join(jobs, jobs.c.job_id == segments.c.job_id)
    if connection.execute(free.where(jobs.c.status == "processing", _FREE).limit(1)).first() is not None:
        return True
    return _has_room(connection, max_concurrent) and _first_pending(connection) is not None


def admit(connection: Connection, max_concurrent: int) -> None:
    """Begin the next job, if one waits and no more than so many would be worked on. Only one worker does so at a time."""
    _take_turn(connection)
    if _has_room(connection, max_concurrent) and (job_id := _first_pending(connection)) is not None:
        begun = {"status": "processing", "updated_at": utc_now()}
        connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(**begun))


def next_segment(connection: Connection) -> Row[Any] | None:
    """A plan, so that totals are known soon; else the first one nobody has, of the job that the fewest work on."""
    held = func.sum(case((_HELD, 1), else_=0))
    first = func.min(case((_FREE, segments.c.segment)))
    query = (
        select(segments.c.job_id, first.label("first"))
        .join(jobs, jobs.c.job_id == segments.c.job_id)
        .where(jobs.c.status == "processing", or_(_HELD, _FREE))
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


def _take_turn(connection: Connection) -> None:
    """SQLite has one writer at a time anyway; on a server this row is what makes counting and admitting one step."""
    turn = update(leases).where(leases.c.name == _ADMISSION).values(token=leases.c.token + 1)
    if connection.dialect.name != "sqlite" and not connection.execute(turn).rowcount:
        connection.execute(insert(leases).values(name=_ADMISSION, token=0, expires_at=0))


def _has_room(connection: Connection, max_concurrent: int) -> bool:
    running = select(func.count()).select_from(jobs).where(jobs.c.status == "processing")
    return (connection.scalar(running) or 0) < max_concurrent


def _first_pending(connection: Connection) -> str | None:
    query = select(jobs.c.job_id).where(jobs.c.status == "pending").order_by(jobs.c.created_at).limit(1)
    found: str | None = connection.scalar(query)
    return found
