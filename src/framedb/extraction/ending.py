"""How segments end, and their jobs with them: done, or given up. All of it is told to whoever asks for the job."""

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from framedb.extraction.jobs import PLANNING
from framedb.frame import utc_now
from framedb.redaction import redacted
from framedb.registry.tables import job_webhooks, jobs, segments


def complete(connection: Connection, job_id: str, number: int, lost: str | None) -> None:
    """The segment is done; `lost` says what of it is not. The last one ends its job.

    The job's row is locked, or nobody else writes: of two last segments one sees the other done.
    """
    this = segments.c.job_id == job_id, segments.c.segment == number
    done = {"status": "succeeded", "plan": {}, "updated_at": utc_now()}
    connection.execute(update(segments).where(*this).values(**done))
    warn(connection, job_id, lost)
    left = select(segments.c.segment).where(segments.c.job_id == job_id, segments.c.status != "succeeded").limit(1)
    if connection.execute(left).first() is not None:
        return
    job = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).one()
    if not job.processed_frames:
        end(connection, job_id, "failed", job.warning or "not one of the frames could be decoded; is it damaged?")
        return
    if job.total_frames is None:  # of a stream: nobody knew
        known = {"total_frames": job.processed_frames}
        connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(**known))
    elif job.processed_frames < job.total_frames and not job.warning:
        warn(connection, job_id, f"{job.total_frames - job.processed_frames} frames could not be decoded")
    end(connection, job_id, "completed", None)


def give_up(connection: Connection, row: Row[Any]) -> None:
    """The segment of this row has killed too many workers: the job goes on without it, or fails where it is its plan."""
    why = f"given up after {row.attempt} attempts: its worker stopped each time"
    if row.segment == PLANNING:
        end(connection, row.job_id, "failed", f"reading the video was {why}")
    else:
        complete(connection, row.job_id, row.segment, f"part {row.segment + 1} of it was {why}")


def end(connection: Connection, job_id: str, status: str, why: str | None) -> None:
    """The job is `completed`, or `failed` for this reason: nobody works on it any more, and its webhook is due."""
    told = {"status": status, "error_message": redacted(why) if why else None, "updated_at": utc_now()}
    connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(**told))
    connection.execute(delete(segments).where(segments.c.job_id == job_id))
    waiting = job_webhooks.c.job_id == job_id, job_webhooks.c.status == "waiting"
    connection.execute(update(job_webhooks).where(*waiting).values(status="due"))


def warn(connection: Connection, job_id: str, what: str | None) -> None:
    """Add to what was lost; the same only once."""
    if what is None:
        return
    said = connection.scalar(select(jobs.c.warning).where(jobs.c.job_id == job_id))
    if said and (redacted(what) in said or len(said) > 2000):
        return
    text = f"{said}; {redacted(what)}" if said else redacted(what)
    connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(warning=text))
