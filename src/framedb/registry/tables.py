"""The tables of the registry. A change here needs a step in `migrations/versions`; a test compares the two.

Times are BIGINT microseconds UTC (`Moment`), keys VARBINARY (`Key`), JSON is text (`Document`).
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, MetaData, Table, Text

from framedb.registry.types import Document, Key, Moment, name

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_SOURCE = 128  # characters of a source id
_CLUSTER = 40  # characters of a cluster's name: a DNS-1123 label that leaves room for `-redis-node-<n>`
_INSTANCE = 128  # characters of a framedb_id
_TAG = 128  # characters of a node tag

# Where the frames of a source go.

sources = Table(
    "sources",
    metadata,
    # `{site}:{camera}`, a video job, an API client.
    Column("source", name(_SOURCE), primary_key=True),
    # A writer that sees it on refuses or drops by its policy, and counts.
    Column("backpressure", Boolean, nullable=False),
    # Frames dropped with no store left to count them, by reason: {"cluster-removed": 12}; NULL: none.
    Column("drops", Document),
    Column("created_at", Moment, nullable=False),
)

routes = Table(
    "routes",
    metadata,
    Column("source", name(_SOURCE), ForeignKey("sources.source", ondelete="CASCADE"), primary_key=True),
    # A source with several is written to each.
    Column("node_tag", name(_TAG), primary_key=True),
    # NULL: unassigned, because its cluster was removed and the node has no other.
    Column("cluster", name(_CLUSTER)),
    # Version of this row. Writers pass it on, and an older one is refused.
    Column("epoch", BigInteger, nullable=False),
    # Frames of this source may also lie in the durable tier.
    Column("durable", Boolean, nullable=False),
    # Clusters whose frames still live, newest first: [{"cluster", "until": microseconds or null for ever}].
    Column("previous", Document, nullable=False),
    # policy, max_frames, max_bytes, max_age_s, ttl_s, sizes, ref_count, fps.
    Column("metadata", Document, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index(None, "cluster"),
    Index(None, "node_tag", "cluster"),
)

objects = Table(
    "objects",
    metadata,
    # The object's id on the wire.
    Column("key", Key, primary_key=True),
    # The instance that was named when it was written.
    Column("framedb_id", name(_INSTANCE), nullable=False),
    # `in-memory` or `storage`.
    Column("framedb_type", name(16), nullable=False),
    # Every place that holds it, the first one included: [{"framedb_id", "framedb_type"}].
    Column("copies", Document, nullable=False),
    # Bytes; NULL where whoever registered it did not say.
    Column("size", BigInteger),
    # The writer's own JSON object.
    Column("metadata", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index(None, "framedb_id"),
)

streams = Table(
    "streams",
    metadata,
    Column("queue_name", Key, primary_key=True),
    # The instance whose list `fdb:q:<queue_name>` it is.
    Column("framedb_id", name(_INSTANCE), nullable=False),
    # The registrant's own JSON object.
    Column("metadata", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index(None, "framedb_id"),
)

# The instances.

clusters = Table(
    "clusters",
    metadata,
    # Also its framedb_id.
    Column("name", name(_CLUSTER), primary_key=True),
    # Where it runs.
    Column("node_tag", name(_TAG), nullable=False),
    # `cluster_id` on the wire: the site; its instances are reached from there by their local URL.
    Column("site", name(_TAG), nullable=False),
    # Redis processes wanted, the master included; each has a sentinel.
    Column("replicas", Integer, nullable=False),
    # Sentinels that must agree before a failover.
    Column("quorum", Integer, nullable=False),
    Column("enable_metrics", Boolean, nullable=False),
    # Whether placement may put sources here.
    Column("accepts_sources", Boolean, nullable=False),
    # creating, ready, removing.
    Column("state", name(16), nullable=False),
    # Redis settings by name: {"maxmemory": "1gb"}.
    Column("settings", Document, nullable=False),
    # Sentinel settings by name: {"down-after-milliseconds": 1000}; NULL: the defaults.
    Column("sentinel_settings", Document),
    # The creator's own JSON object.
    Column("metadata", Document, nullable=False),
    # The installation (data folder) whose driver runs it; NULL: made by an earlier release.
    Column("installation", name(64)),
    Column("created_at", Moment, nullable=False),
    Index(None, "node_tag"),
)

members = Table(
    "members",
    metadata,
    Column("cluster", name(_CLUSTER), ForeignKey("clusters.name", ondelete="CASCADE"), primary_key=True),
    # 0, 1, ...: the member is called `<cluster>-redis-node-<ordinal>`.
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    # Where others reach it. Who is master only the sentinels know, and it is never written down.
    Column("host", name(255), nullable=False),
    Column("port", Integer, nullable=False),
    Column("sentinel_port", Integer, nullable=False),
    # NULL: no metrics.
    Column("metrics_port", Integer),
    # Its Unix socket on its own machine.
    Column("uds", Text),
)

persistent_instances = Table(
    "persistent_instances",
    metadata,
    # A namespace of its own: the in-memory instance `local` and the persistent one are two.
    Column("framedb_id", name(_INSTANCE), primary_key=True),
    # Where it runs.
    Column("node_tag", name(_TAG), nullable=False),
    # `cluster_id` on the wire.
    Column("site", name(_TAG), nullable=False),
    # creating, ready, removing.
    Column("state", name(16), nullable=False),
    # As its creator wrote it: `10Gi`.
    Column("storage_size", name(32)),
    # Database settings by name.
    Column("settings", Document, nullable=False),
    # The creator's own JSON object.
    Column("metadata", Document, nullable=False),
    # The installation (data folder) whose driver runs it; NULL: made by an earlier release.
    Column("installation", name(64)),
    Column("created_at", Moment, nullable=False),
    Index(None, "node_tag"),
)

# Who may do what.

leases = Table(
    "leases",
    metadata,
    # What is held: `camera:<source>`, `sweeper:<cluster>`. The row stays for ever, so that its token never starts again.
    Column("name", name(192), primary_key=True),
    # Who holds it; NULL once it was given back.
    Column("holder", name(192)),
    # Fencing token: grows with every acquisition, so that what an earlier holder still sends can be told.
    Column("token", BigInteger, nullable=False),
    # Microseconds UTC on the database's clock.
    Column("expires_at", BigInteger, nullable=False),
)

# Cameras.

cameras = Table(
    "cameras",
    metadata,
    # `{site}:{camera}`.
    Column("source", name(_SOURCE), primary_key=True),
    Column("site", name(_SOURCE), nullable=False),
    Column("camera", name(_SOURCE), nullable=False),
    # Without credentials: they stand in `camera_credentials`.
    Column("url", Text, nullable=False),
    # Frames per second to keep; below or above 1.
    Column("fps", Double, nullable=False),
    # jpeg, base64-jpeg, ...
    Column("encoding", name(32), nullable=False),
    # Whether it is to be captured.
    Column("enabled", Boolean, nullable=False),
    # Everything else its capture can be told.
    Column("settings", Document, nullable=False),
    # What its capture last reported: state, fps, last frame, reconnects, stalls, drops.
    Column("health", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index(None, "site"),
)

camera_credentials = Table(
    "camera_credentials",
    metadata,
    # A table apart: no list of cameras can show them by accident.
    Column("source", name(_SOURCE), ForeignKey("cameras.source", ondelete="CASCADE"), primary_key=True),
    # The whole URL, with user and password.
    Column("url", Text, nullable=False),
)

# Video jobs.

jobs = Table(
    "jobs",
    metadata,
    # UUIDv7.
    Column("job_id", name(36), primary_key=True),
    # A path, URL or key, without credentials.
    Column("video_source", Text, nullable=False),
    # Seconds between frames; NULL where the selection says otherwise.
    Column("interval", Double),
    # Which frames, and everything else the job was asked for.
    Column("options", Document, nullable=False),
    # pending, processing, completed, failed, cancelled.
    Column("status", name(16), nullable=False),
    # Frames it will have; NULL until the plan is made.
    Column("total_frames", Integer),
    Column("processed_frames", Integer, nullable=False),
    # What was wrong, for a person.
    Column("error_message", Text),
    # What of the video could not be had, for a person; the job went on without.
    Column("warning", Text),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index(None, "status", "created_at"),
)

job_videos = Table(
    "job_videos",
    metadata,
    # A table apart: no list of jobs can show passwords by accident.
    Column("job_id", name(36), ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    # file, url, object: how a worker reads it.
    Column("kind", name(16), nullable=False),
    # The path, the whole URL with user and password, or the key.
    Column("place", Text, nullable=False),
    # Uploaded for this job: the object goes with it.
    Column("owned", Boolean, nullable=False),
)

job_webhooks = Table(
    "job_webhooks",
    metadata,
    Column("job_id", name(36), ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    # Who is told of the end. It may hold a secret.
    Column("url", Text, nullable=False),
    # waiting (for the end), due, delivered, given-up.
    Column("status", name(16), nullable=False),
    # Times it was tried.
    Column("attempt", Integer, nullable=False),
    # When it is to be tried: microseconds UTC on the database's clock.
    Column("due_at", BigInteger, nullable=False),
    Index(None, "status", "due_at"),
)

job_frames = Table(
    "job_frames",
    metadata,
    Column("job_id", name(36), ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    # 0, 1, ... by time.
    Column("index", Integer, primary_key=True, autoincrement=False),
    # Seconds since the first frame of the video: the time that was asked for.
    Column("timestamp", Double, nullable=False),
    # Seconds, by the file's own clock; NULL where it has none.
    Column("pts_seconds", Double),
    # SHA-256 of the JPEG, in hex. Frames of one checksum share their bytes.
    Column("checksum", name(64), nullable=False),
    # Bytes.
    Column("file_size", BigInteger, nullable=False),
    # Pixels, before any rotation.
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    # Its file: `<job_id>/<name>`.
    Column("name", name(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index(None, "checksum"),
    Index(None, "created_at"),
)

segments = Table(
    "segments",
    metadata,
    Column("job_id", name(36), ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    # 0, 1, ... in order of time; -1: making the plan.
    Column("segment", Integer, primary_key=True, autoincrement=False),
    # The segment as `extraction.plan` writes it, and what the files of its frames are called.
    Column("plan", Document, nullable=False),
    # pending, running, succeeded. Segments of a job that has ended are removed.
    Column("status", name(16), nullable=False),
    # The worker that has it, and its claim's number, which grows with each: results of an earlier one are refused.
    Column("holder", name(192)),
    Column("token", BigInteger, nullable=False),
    # When another worker may claim it: microseconds UTC on the database's clock.
    Column("held_until", BigInteger, nullable=False),
    # Times it was claimed since it last came forward.
    Column("attempt", Integer, nullable=False),
    # Frames done.
    Column("processed_frames", Integer, nullable=False),
    Column("error_message", Text),
    Column("updated_at", Moment, nullable=False),
    Index(None, "status", "held_until"),
)
