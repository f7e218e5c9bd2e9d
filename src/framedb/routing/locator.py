"""`Locator`: where frames are. The tables answer it in the node, HTTP in a client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

InstanceType = Literal["in-memory", "storage"]
"""In a cluster of memory, or in a persistent instance."""


@dataclass(frozen=True, slots=True)
class Previous:
    """A cluster that a source was moved away from, and that may still hold frames of it."""

    cluster: str
    until: datetime | None
    """UTC; when the last of them is gone. None: they are kept."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where the frames of a source go."""

    source: str
    cluster: str | None
    """None: unassigned, because its cluster was removed and there is no other."""
    epoch: int
    """Version of the route. Writers pass it on, and an older one than the store has seen is refused."""
    node_tag: str = "local"
    durable: bool = False
    """Frames of the source may also lie in the durable tier."""
    previous: tuple[Previous, ...] = ()
    """Newest first. A key that the cluster does not have may be there; latest, nearest and range merge them."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """policy, max_frames, max_bytes, max_age_s, ttl_s, and what else the mapping says (sizes, ref_count, fps)."""
    backpressure: bool = False
    """Writers of the source shall hold back: refuse or drop by its policy, and count. On for all its node tags, or for none."""


@dataclass(frozen=True, slots=True)
class ClusterLoad:
    """Which sources a cluster has to carry."""

    cluster: str
    node_tag: str
    """Where the cluster runs."""
    sources: tuple[str, ...]
    """Sorted."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One place that holds an object."""

    framedb_id: str
    framedb_type: InstanceType


@dataclass(frozen=True, slots=True)
class ObjectRoute:
    """Where an object is that was written through the object service, or as durable."""

    key: str
    framedb_id: str
    """The instance named when it was written."""
    framedb_type: InstanceType
    copies: tuple[Copy, ...]
    """Every place that holds it, that one included and first."""
    size: int | None = None
    """Bytes, where known."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The writer's own JSON object."""
    updated_at: datetime | None = field(default=None, compare=False)
    """UTC; when the row was written last. None: it is not written yet."""


@dataclass(frozen=True, slots=True)
class StreamRoute:
    """Where a stream is: a list of items, first in and first out."""

    queue_name: str
    framedb_id: str
    """The in-memory instance that holds it, as `fdb:q:<queue_name>`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The registrant's own JSON object."""


class Locator(Protocol):
    """Answers where frames are. Both may raise StoreUnavailableError."""

    def route(self, source: str) -> Route | None:
        """Where the source's frames go; None for a source nobody has placed."""

    def object(self, key: str) -> ObjectRoute | None:
        """Where the object is; None for a key that has no row of its own."""
