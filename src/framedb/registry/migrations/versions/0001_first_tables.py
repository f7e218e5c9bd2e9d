"""The first tables."""

import sqlalchemy as sa
from alembic import op

from framedb.registry import types
from framedb.registry.migrations.missing import create_index

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The first tables. Those that are there stay: a MySQL server keeps the first ones of a step that failed later on."""
    op.create_table(
        "cameras",
        sa.Column("source", types.name(128), nullable=False),
        sa.Column("site", types.name(128), nullable=False),
        sa.Column("camera", types.name(128), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("fps", sa.Double(), nullable=False),
        sa.Column("encoding", types.name(32), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("settings", types.Document(), nullable=False),
        sa.Column("health", types.Document(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("updated_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_cameras")),
        if_not_exists=True,
    )
    create_index("ix_cameras_site", "cameras", ["site"])
    op.create_table(
        "clusters",
        sa.Column("name", types.name(40), nullable=False),
        sa.Column("node_tag", types.name(128), nullable=False),
        sa.Column("site", types.name(128), nullable=False),
        sa.Column("replicas", sa.Integer(), nullable=False),
        sa.Column("quorum", sa.Integer(), nullable=False),
        sa.Column("enable_metrics", sa.Boolean(), nullable=False),
        sa.Column("accepts_sources", sa.Boolean(), nullable=False),
        sa.Column("state", types.name(16), nullable=False),
        sa.Column("settings", types.Document(), nullable=False),
        sa.Column("metadata", types.Document(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_clusters")),
        if_not_exists=True,
    )
    create_index("ix_clusters_node_tag", "clusters", ["node_tag"])
    op.create_table(
        "jobs",
        sa.Column("job_id", types.name(36), nullable=False),
        sa.Column("video_source", sa.Text(), nullable=False),
        sa.Column("interval", sa.Double(), nullable=True),
        sa.Column("options", types.Document(), nullable=False),
        sa.Column("status", types.name(16), nullable=False),
        sa.Column("total_frames", sa.Integer(), nullable=True),
        sa.Column("processed_frames", sa.Integer(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("updated_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
        if_not_exists=True,
    )
    create_index("ix_jobs_status_created_at", "jobs", ["status", "created_at"])
    op.create_table(
        "leases",
        sa.Column("name", types.name(192), nullable=False),
        sa.Column("holder", types.name(192), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        if_not_exists=True,
    )
    op.create_table(
        "objects",
        sa.Column("key", types.Key(), nullable=False),
        sa.Column("framedb_id", types.name(128), nullable=False),
        sa.Column("framedb_type", types.name(16), nullable=False),
        sa.Column("copies", types.Document(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("metadata", types.Document(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("updated_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_objects")),
        if_not_exists=True,
    )
    create_index("ix_objects_framedb_id", "objects", ["framedb_id"])
    op.create_table(
        "persistent_instances",
        sa.Column("framedb_id", types.name(128), nullable=False),
        sa.Column("node_tag", types.name(128), nullable=False),
        sa.Column("site", types.name(128), nullable=False),
        sa.Column("state", types.name(16), nullable=False),
        sa.Column("storage_size", types.name(32), nullable=True),
        sa.Column("settings", types.Document(), nullable=False),
        sa.Column("metadata", types.Document(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("framedb_id", name=op.f("pk_persistent_instances")),
        if_not_exists=True,
    )
    create_index("ix_persistent_instances_node_tag", "persistent_instances", ["node_tag"])
    op.create_table(
        "sources",
        sa.Column("source", types.name(128), nullable=False),
        sa.Column("backpressure", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_sources")),
        if_not_exists=True,
    )
    op.create_table(
        "streams",
        sa.Column("queue_name", types.Key(), nullable=False),
        sa.Column("framedb_id", types.name(128), nullable=False),
        sa.Column("metadata", types.Document(), nullable=False),
        sa.Column("created_at", types.Moment(), nullable=False),
        sa.Column("updated_at", types.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("queue_name", name=op.f("pk_streams")),
        if_not_exists=True,
    )
    create_index("ix_streams_framedb_id", "streams", ["framedb_id"])
    op.create_table(
        "camera_credentials",
        sa.Column("source", types.name(128), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source"], ["cameras.source"], name=op.f("fk_camera_credentials_source"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_camera_credentials")),
        if_not_exists=True,
    )
    op.create_table(
        "members",
        sa.Column("cluster", types.name(40), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", types.name(255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("sentinel_port", sa.Integer(), nullable=False),
        sa.Column("metrics_port", sa.Integer(), nullable=True),
        sa.Column("uds", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["cluster"], ["clusters.name"], name=op.f("fk_members_cluster"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("cluster", "ordinal", name=op.f("pk_members")),
        if_not_exists=True,
    )
    op.create_table(
        "routes",
        sa.Column("source", types.name(128), nullable=False),
        sa.Column("node_tag", types.name(128), nullable=False),
        sa.Column("cluster", types.name(40), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("durable", sa.Boolean(), nullable=False),
        sa.Column("previous", types.Document(), nullable=False),
        sa.Column("metadata", types.Document(), nullable=False),
        sa.Column("updated_at", types.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.source"], name=op.f("fk_routes_source"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "node_tag", name=op.f("pk_routes")),
        if_not_exists=True,
    )
    create_index("ix_routes_cluster", "routes", ["cluster"])
    create_index("ix_routes_node_tag_cluster", "routes", ["node_tag", "cluster"])
    op.create_table(
        "segments",
        sa.Column("job_id", types.name(36), nullable=False),
        sa.Column("segment", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan", types.Document(), nullable=False),
        sa.Column("status", types.name(16), nullable=False),
        sa.Column("holder", types.name(192), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("processed_frames", sa.Integer(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("updated_at", types.Moment(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_segments_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "segment", name=op.f("pk_segments")),
        if_not_exists=True,
    )
    create_index("ix_segments_status_held_until", "segments", ["status", "held_until"])
