"""Webhooks of jobs that have ended: due, tried, delivered or given up."""

import logging
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from framedb.errors import InvalidInputError, MediaUnavailableError
from framedb.extraction.jobs import Job, Jobs
from framedb.extraction.webhook import MAX_ATTEMPTS, TIMEOUT, call, pause_after
from framedb.registry import reading, write
from framedb.registry.tables import job_webhooks, jobs
from framedb.registry.types import DatabaseNow

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Due:
    job_id: str
    url: str = field(repr=False)
    attempt: int


class Notices:
    """Tells those who asked for it of the end of jobs. One worker at a time tries; what fails is tried again later."""

    def __init__(self, engine: Engine, rows: Jobs, *, allow_private: bool) -> None:
        self._engine = engine
        self._jobs = rows
        self._allow_private = allow_private

    def deliver_one(self) -> bool:
        """Try one that is due; whether there was one."""
        if not self._is_one_due():
            return False
        due = write(self._engine, _take)
        if due is None:
            return False
        try:
            call(due.url, notice(self._jobs.get(due.job_id)), allow_private=self._allow_private)
        except (MediaUnavailableError, InvalidInputError) as exc:
            self._failed(due, exc)
        else:
            self._set(due, status="delivered")
        return True

    def _failed(self, due: _Due, exc: Exception) -> None:
        told = {"job_id": due.job_id, "attempt": due.attempt}
        if due.attempt >= MAX_ATTEMPTS:
            logger.error("webhook given up: %s", exc, extra=told)
            self._set(due, status="given-up")
            return
        logger.warning("webhook failed, it is tried again: %s", exc, extra=told)
        self._set(due, due_at=DatabaseNow() + round(pause_after(due.attempt) * 1_000_000))

    def _set(self, due: _Due, **values: Any) -> None:
        this = job_webhooks.c.job_id == due.job_id, job_webhooks.c.attempt == due.attempt
        write(self._engine, lambda connection: connection.execute(update(job_webhooks).where(*this).values(**values)))

    def _is_one_due(self) -> bool:
        with reading(self._engine) as connection:
            return connection.execute(_DUE).first() is not None


def notice(job: Job) -> dict[str, Any]:
    """What is sent."""
    return {
        "job_id": job.job_id,
        "status": job.status,
        "video_source": job.video_source,
        "total_frames": job.total_frames,
        "processed_frames": job.processed_frames,
        "error_message": job.error_message,
        "warning": job.warning,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
    }


_DUE = (
    select(job_webhooks)
    .join(jobs, jobs.c.job_id == job_webhooks.c.job_id)
    .where(job_webhooks.c.status == "due", job_webhooks.c.due_at <= DatabaseNow(), jobs.c.status != "cancelled")
    .order_by(job_webhooks.c.due_at)
    .limit(1)
)


def _take(connection: Connection) -> _Due | None:
    row = connection.execute(_DUE).one_or_none()
    if row is None:
        return None
    this = job_webhooks.c.job_id == row.job_id, job_webhooks.c.attempt == row.attempt, job_webhooks.c.status == "due"
    taken = {"attempt": row.attempt + 1, "due_at": DatabaseNow() + round(3 * TIMEOUT * 1_000_000)}
    if not connection.execute(update(job_webhooks).where(*this).values(**taken)).rowcount:
        return None
    return _Due(row.job_id, row.url, row.attempt + 1)
