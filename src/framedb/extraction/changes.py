"""Whether anything became of jobs since somebody last looked."""

from sqlalchemy import Engine, func, select

from framedb.registry import reading
from framedb.registry.tables import jobs


def state_of_jobs(engine: Engine, *, job_id: str | None = None) -> tuple[str, bool]:
    """A text that is another one when a job has come, gone or been reported on since; and whether any is still to end.

    Of one job, or of all. Frames of a job that is worked on may come between two reports.
    """
    query = select(jobs.c.status, func.count(), func.max(jobs.c.updated_at)).group_by(jobs.c.status)
    if job_id is not None:
        query = query.where(jobs.c.job_id == job_id)
    with reading(engine) as connection:
        rows = sorted(tuple(row) for row in connection.execute(query))
    under_way = any(status in ("pending", "processing") for status, *_ in rows)
    return ";".join(f"{status} {count} {updated}" for status, count, updated in rows), under_way
