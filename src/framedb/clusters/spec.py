"""What is wanted of a cluster."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from framedb.config import MiB
from framedb.errors import InvalidInputError

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_PROCESS_BYTES = 12 * MiB  # a server or sentinel that holds nothing takes 8 to 10
_LEAST_BACKLOG = 32 * MiB  # five raw frames of 1080p
_MOST_BACKLOG = 256 * MiB


@dataclass(frozen=True, slots=True)
class SentinelSettings:
    """What the sentinels of a cluster are told."""

    down_after_ms: int = 1000
    """Silence after which a sentinel calls a server down. Shorter, and a busy machine loses masters that are well."""
    failover_timeout_ms: int = 3000
    """An election that was split, or whose leader died, is tried again after twice this; a promotion takes one second."""
    parallel_syncs: int = 1
    """Replicas that load from a new master at the same time: while one does, the others still answer."""


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A cluster: one master, `replicas - 1` replicas, and a sentinel beside each."""

    name: str
    """A DNS-1123 label of at most 40 characters."""
    node_tag: str = "local"
    """Where it runs."""
    replicas: int = 1
    """Redis processes, the master included."""
    quorum: int = 1
    """Sentinels that must agree before a failover."""
    maxmemory_bytes: int = 1024 * MiB
    """Of each member. The backlog of replication is taken from it."""
    enable_metrics: bool = False
    """Whether it has a Prometheus endpoint of its own."""
    preferred_port: int | None = None
    """Of the first member; the next free one is taken if it is not to be had. None: any free one."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further directives of its servers, by name."""
    sentinel: SentinelSettings = SentinelSettings()
    """What its sentinels are told."""
    accepts_sources: bool = True
    """Whether sources may be placed on it."""

    def __post_init__(self) -> None:
        if not _DNS_LABEL.fullmatch(self.name):
            raise InvalidInputError(
                f"cluster name {self.name!r} is no DNS label: use 1 to 40 of a-z, 0-9 and -, not at the ends"
            )
        if self.replicas < 1:
            raise InvalidInputError("n_replicas must be > 0")
        if not 1 <= self.quorum <= self.replicas:
            raise InvalidInputError(f"quorum {self.quorum} must be from 1 to replicas ({self.replicas})")

    def member_name(self, ordinal: int) -> str:
        """The `framedb_id` of a member."""
        return f"{self.name}-redis-node-{ordinal}"

    @property
    def backlog_bytes(self) -> int:
        """What a member keeps of its latest writes, for a replica that was away for a moment; 0 with one member.

        The usual 10 MB hold one raw frame: after any hiccup everything would be copied anew. Never more than a quarter of
        `maxmemory`, which it is a part of.
        """
        if self.replicas == 1:
            return 0
        wanted = max(_LEAST_BACKLOG, min(self.maxmemory_bytes // 8, _MOST_BACKLOG))
        return min(wanted, self.maxmemory_bytes // 4)

    @property
    def replica_buffer_bytes(self) -> int:
        """What may wait for a replica that loads a full copy, beyond `maxmemory`; 0 with one member.

        Half of `maxmemory`, as a copy takes seconds and frames keep coming: a replica that is cut off begins anew, for ever.
        """
        return 0 if self.replicas == 1 else max(64 * MiB, self.maxmemory_bytes // 2)

    @property
    def member_bytes(self) -> int:
        """The most that one member and its sentinel take. What a copy in the making duplicates of changed memory is on top."""
        return self.maxmemory_bytes + self.replica_buffer_bytes + 2 * _PROCESS_BYTES
