"""What is wanted of a cluster."""

import re
from dataclasses import dataclass

from framedb.errors import InvalidInputError

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


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
    maxmemory_bytes: int = 1024 * 1024 * 1024
    """Of each member."""
    enable_metrics: bool = False
    """Whether it has a Prometheus endpoint of its own."""
    preferred_port: int | None = None
    """Of the first member; the next free one is taken if it is not to be had. None: any free one."""

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
