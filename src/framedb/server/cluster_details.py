"""A cluster as it is told on the wire: what is wanted of it, where it is reached, and how its members are."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from framedb.clusters.registered import ClusterInfo
from framedb.node.control_plane import ControlPlane

NAMESPACE = "framedb"
"""Where a cluster's services are, for clients that build Kubernetes names."""
_AT_ONCE = 8  # clusters asked at the same time: one that does not answer takes its whole timeout


class MemberDetails(BaseModel):
    """One member, as it is at this moment."""

    name: str
    ordinal: int
    host: str
    port: int
    sentinel_port: int
    role: str = Field(description="master or replica; unknown while it does not answer.")
    state: str = Field(description="online, loading, syncing or down.")
    used_memory_bytes: int
    maxmemory_bytes: int
    keys: int
    link: str = Field(description="A replica's link to its master: up or down; `-` for a master.")


class ClusterDetails(BaseModel):
    """A cluster."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id", description="Its name.")
    node_tag: str
    svc_name: str
    svc_host: str
    metrics_svc: str
    namespace: str
    master_port: int | None = Field(description="Of the master of this moment; null while there is none.")
    sentinel_port: int | None
    metrics_port: int | None = Field(description="Of its Prometheus endpoint; null: it has none.")
    clusterPods: list[str] = Field(description="Its members' names.")  # noqa: N815  - the published spelling
    state: str = Field(description="creating, ready or removing.")
    healthy: bool = Field(
        description="All members and sentinels answer, and agree on the master: ready for the next death."
    )
    replicas: int = Field(description="Redis processes wanted, the master included.")
    quorum: int
    sources: int = Field(description="Sources whose frames go there.")
    members: list[MemberDetails]


EXAMPLE: dict[str, Any] = {
    "_id": "cluster-alpha",
    "node_tag": "node-1",
    "svc_name": "cluster-alpha-redis",
    "svc_host": "127.0.0.1",
    "metrics_svc": "cluster-alpha-redis-metrics",
    "namespace": NAMESPACE,
    "master_port": 20001,
    "sentinel_port": 20002,
    "metrics_port": None,
    "clusterPods": ["cluster-alpha-redis-node-0"],
    "state": "ready",
    "healthy": True,
    "replicas": 1,
    "quorum": 1,
    "sources": 12,
    "members": [
        {
            "name": "cluster-alpha-redis-node-0",
            "ordinal": 0,
            "host": "127.0.0.1",
            "port": 20001,
            "sentinel_port": 20002,
            "role": "master",
            "state": "online",
            "used_memory_bytes": 52428800,
            "maxmemory_bytes": 268435456,
            "keys": 1250,
            "link": "-",
        }
    ],
}


def service_name(cluster: str) -> str:
    """The name that clients know the cluster's service by."""
    return f"{cluster}-redis"


def details(plane: ControlPlane, info: ClusterInfo) -> dict[str, Any]:
    """The cluster, its members asked how they are. A cluster of which nobody answers is told too."""
    name = info.name
    members = _members(plane, info)
    master = next((each for each in members if each["role"] == "master"), None)
    first = info.members[0] if info.members else None
    return {
        "_id": name,
        "node_tag": info.spec.node_tag,
        "svc_name": service_name(name),
        "svc_host": first.host if first else "127.0.0.1",
        "metrics_svc": f"{service_name(name)}-metrics",
        "namespace": NAMESPACE,
        "master_port": master["port"] if master else None,
        "sentinel_port": first.sentinel_port if first else None,
        "metrics_port": info.metrics_port,
        "clusterPods": [info.spec.member_name(ordinal) for ordinal in range(info.spec.replicas)],
        "state": info.state,
        "healthy": _is_healthy(plane, info, members),
        "replicas": info.spec.replicas,
        "quorum": info.spec.quorum,
        "sources": len(plane.placement.load(name).sources),
        "members": members,
    }


def all_details(plane: ControlPlane, infos: Sequence[ClusterInfo]) -> list[dict[str, Any]]:
    """Several clusters, asked side by side."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="details") as pool:
        return list(pool.map(lambda info: details(plane, info), infos))


def _is_healthy(plane: ControlPlane, info: ClusterInfo, members: Sequence[dict[str, Any]]) -> bool:
    if info.installation == plane.driver.installation:
        return plane.clusters.is_well(info)
    return len(members) == info.spec.replicas and all(each["state"] == "online" for each in members)


def _members(plane: ControlPlane, info: ClusterInfo) -> list[dict[str, Any]]:
    known = {member.name: member for member in info.members}
    return [
        {
            "name": status.name,
            "ordinal": known[status.name].ordinal,
            "host": status.host,
            "port": status.port,
            "sentinel_port": known[status.name].sentinel_port,
            "role": status.role,
            "state": status.state,
            "used_memory_bytes": status.used_memory_bytes,
            "maxmemory_bytes": status.maxmemory_bytes,
            "keys": status.keys,
            "link": status.link,
        }
        for status in plane.discovery.members(info.name)
        if status.name in known  # it may be scaled at this moment
    ]
