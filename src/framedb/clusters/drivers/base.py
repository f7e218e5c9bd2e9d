"""What a driver does: makes the processes of clusters be what their specs say."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from framedb.clusters.spec import ClusterSpec
from framedb.resp import Endpoint


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member of a cluster is reached. Who is master only the sentinels know."""

    ordinal: int
    name: str
    """Its `framedb_id`."""
    host: str
    port: int
    sentinel_port: int
    """Of the sentinel beside it."""
    uds: str | None
    """Path of its Unix socket on its own machine."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A machine that clusters run on."""

    name: str
    hostname: str
    ipv4_address: str
    labels: Mapping[str, str]
    node_info: Mapping[str, str]
    """Operating system, kernel, processors, memory."""


class ClusterDriver(Protocol):
    """Starts, mends and stops the processes of clusters. It knows nothing of the registry."""

    installation: str
    """Id of what it runs, made once: another installation's clusters are never touched."""
    password: str
    """Of clients, for servers and sentinels."""

    def check_room(self, wanted: Sequence[ClusterSpec], running: Sequence[ClusterSpec]) -> None:
        """Raise InsufficientRoomError if there is no room for the wanted clusters beside the running ones."""

    def apply(self, spec: ClusterSpec, *, before_clients: Callable[[Endpoint], None] | None = None) -> list[Member]:
        """Make what runs be what the spec says; the members, once all answer and the sentinels agree on the master.

        Starts what is missing, replaces what is dead, scales up and down; what runs and is right stays as it is.
        `before_clients` is called with a master that started empty, before others can reach it. Raises EngineError that
        names what did not happen in time; of a cluster that was new nothing is left then.
        """

    def healthy(self, spec: ClusterSpec) -> bool:
        """Whether all members and sentinels answer, and agree on the master. Cheap."""

    def stop(self, name: str) -> None:
        """Stop the cluster's processes, sentinels first. Its folder stays."""

    def remove(self, name: str) -> None:
        """Stop the cluster's processes and delete all that is left of it. Also of one that is half-made, or gone."""

    def found(self) -> list[ClusterSpec]:
        """The clusters of which any process runs, as they were last wanted."""

    def leftovers(self) -> list[str]:
        """Names of all clusters there is a folder of, running or not."""

    def exclusively(self, name: str, wait: float = 30) -> AbstractContextManager[None]:
        """Hold the cluster alone, among all threads and processes; ConflictError if that takes longer than `wait` seconds.

        It is let go when its holder dies. The thread that holds it may enter again.
        """

    def nodes(self) -> list[NodeInfo]:
        """The machines."""

    def label(self, node: str, framedb_name: str) -> NodeInfo:
        """Give a machine the label `framedb`. Raises NotFoundError."""

    def unlabel(self, node: str, framedb_name: str) -> NodeInfo:
        """Take the label away again. Raises NotFoundError for a machine that is not there, or has another label."""
