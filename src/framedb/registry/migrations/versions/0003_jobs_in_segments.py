"""Jobs are planned into segments: their frames, videos and webhooks have tables, and a job may tell what it lost."""

import json

import sqlalchemy as sa
from alembic import op

from framedb.registry import types
from framedb.registry.migrations.missing import add_column, create_index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables, and a column. Those that are there stay: a MySQL server keeps the first ones of a step that failed."""
    add_column("jobs", sa.Column("warning", sa.Text()))
    op.create_table(
        "job_videos",
        sa.Column("job_id", types.name(36), nullable=False),
        sa.Column("kind", types.name(16), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("owned", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_job_videos_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_videos")),
        if_not_exists=True,
    )
    op.create_table(
        "job_webhooks",
        sa.Column("job_id", types.name(36), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("status", types.name(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_job_webhooks_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_webhooks")),
        if_not_exists=True,
    )
    create_index("ix_job_webhooks_status_due_at", "job_webhooks", ["status", "due_at"])
    op.create_table(
        "job_frames",
        sa.Column("job_id", types.name(36), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("timestamp", sa.Double(), nullable=False),
        sa.Column("pts_seconds", sa.Double(), nullable=True),
        sa.Column("checksum", types.name(64), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("name", types.name(64), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_job_frames_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "index", name=op.f("pk_job_frames")),
        if_not_exists=True,
    )
    create_index("ix_job_frames_checksum", "job_frames", ["checksum"])
    create_index("ix_job_frames_created_at", "job_frames", ["created_at"])
    _take_over_earlier_jobs()


def _take_over_earlier_jobs() -> None:
    """What earlier releases had not ended begins again, with its plan to be made; what had ended stays as it is."""
    connection = op.get_bind()
    jobs = sa.table("jobs", *map(sa.column, ("job_id", "status", "interval", "options")))
    segments = sa.table("segments", *map(sa.column, ("job_id", "segment", "plan", "status", "held_until", "attempt")))
    videos = sa.table("job_videos", *map(sa.column, ("job_id", "kind", "place", "owned")))
    for job_id, interval in connection.execute(sa.select(jobs.c.job_id, jobs.c.interval)).all():
        mine = jobs.c.job_id == job_id
        connection.execute(sa.update(jobs).where(mine).values(options=json.dumps({"interval": interval})))
    unfinished = sa.select(segments.c.job_id, segments.c.plan).join(jobs, jobs.c.job_id == segments.c.job_id)
    for job_id, plan in connection.execute(unfinished.where(jobs.c.status.in_(("pending", "processing")))).all():
        url = json.loads(plan).get("url")
        if url is None:
            continue
        kind = "url" if "://" in url else "file"
        connection.execute(sa.insert(videos).values(job_id=job_id, kind=kind, place=url, owned=False))
        again = {"segment": -1, "plan": "{}", "status": "pending", "held_until": 0, "attempt": 0}
        connection.execute(sa.update(segments).where(segments.c.job_id == job_id).values(**again))
        connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(status="pending"))
    ended = sa.select(jobs.c.job_id).where(jobs.c.status.not_in(("pending", "processing")))
    connection.execute(sa.delete(segments).where(segments.c.job_id.in_(ended)))
