"""`/node`: the machines that clusters run on."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from framedb.clusters.drivers.base import NodeInfo
from framedb.clusters.registered import ClusterInfo
from framedb.errors import FrameDBError, NotFoundError
from framedb.node.control_plane import ControlPlane
from framedb.server.cluster_details import service_name
from framedb.server.described import answers
from framedb.server.envelopes import CLUSTERS, Result, result
from framedb.server.fields import Body, NodeTag

_NODE = "worker-1"
NodeName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$", description="The machine's name.")
]


class NamedNode(Body):
    """A machine."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"nodeName": _NODE}]})

    nodeName: NodeName  # noqa: N815  - here and below: the published spelling


class LabelledNode(NamedNode):
    """A machine, and the tag it is to have."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"nodeName": _NODE, "framedbName": "node-1"}]})

    framedbName: NodeTag  # noqa: N815


class TaggedNode(Body):
    """Machines of a tag."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"nodeTag": "node-1"}]})

    nodeTag: NodeTag  # noqa: N815


class Machine(BaseModel):
    """A machine."""

    labels: dict[str, str]
    node_info: dict[str, Any]
    ipv4Address: str  # noqa: N815
    hostname: str
    name: str


class Pod(BaseModel):
    """A member of a cluster, on a machine."""

    pod_name: str
    ip: str


class TaggedCluster(BaseModel):
    """A cluster of a node tag."""

    clusterName: str  # noqa: N815
    svcName: str  # noqa: N815
    svcIp: str | None  # noqa: N815
    sentinelPort: int | None  # noqa: N815
    masterPort: int | None = Field(description="Of the master of this moment; null while there is none.")  # noqa: N815


_MACHINE: dict[str, Any] = {
    "labels": {"framedb": "node-1"},
    "node_info": {"operating_system": "linux", "architecture": "x86_64"},
    "ipv4Address": "10.0.0.7",
    "hostname": _NODE,
    "name": _NODE,
}


def nodes_router(plane: ControlPlane) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/node", tags=["nodes"])
    driver = plane.driver

    @router.get(
        "/getNodes",
        summary="List machines",
        **answers(CLUSTERS, Result[list[Machine]], result([_MACHINE]), takes_input=False),
    )
    def nodes() -> dict[str, Any]:
        """Machines that clusters can run on."""
        return result([_shown(node) for node in driver.nodes()])

    @router.post(
        "/labelFramedbNode", summary="Give a machine a tag", **answers(CLUSTERS, Result[Machine], result(_MACHINE), 404)
    )
    def label(node: LabelledNode) -> dict[str, Any]:
        """Label a machine with a node tag."""
        return result(_shown(driver.label(node.nodeName, node.framedbName)))

    @router.post(
        "/unlabelFramedbNode",
        summary="Take a tag from a machine",
        **answers(CLUSTERS, Result[Machine], result({**_MACHINE, "labels": {}}), 404),
    )
    def unlabel(node: LabelledNode) -> dict[str, Any]:
        """Remove a node tag from a machine. Clusters that run there go on."""
        return result(_shown(driver.unlabel(node.nodeName, node.framedbName)))

    @router.post(
        "/getFramedbPods",
        summary="List members on a machine",
        **answers(
            CLUSTERS,
            Result[list[Pod]],
            result([{"pod_name": "cluster-alpha-redis-node-0", "ip": "127.0.0.1"}]),
            404,
        ),
    )
    def pods(node: NamedNode) -> dict[str, Any]:
        """Members of clusters that run on a machine."""
        if node.nodeName not in {each.name for each in driver.nodes()}:
            raise NotFoundError(f"there is no node {node.nodeName}: GET /node/getNodes lists them")
        members = [member for info in plane.clusters.own() for member in info.members]
        return result([{"pod_name": member.name, "ip": member.host} for member in members])

    @router.post(
        "/getFramedbNodes",
        summary="List clusters of a node tag",
        **answers(
            CLUSTERS,
            Result[list[TaggedCluster]],
            result(
                [
                    {
                        "clusterName": "cluster-alpha",
                        "svcName": "cluster-alpha-redis",
                        "svcIp": "127.0.0.1",
                        "sentinelPort": 20002,
                        "masterPort": 20001,
                    }
                ]
            ),
        ),
    )
    def clusters(tagged: TaggedNode) -> dict[str, Any]:
        """Clusters of a node tag, and where their masters are at this moment."""
        return result([_tagged(plane, info) for info in plane.clusters.list(tagged.nodeTag)])

    return router


def _shown(node: NodeInfo) -> dict[str, Any]:
    return {
        "labels": dict(node.labels),
        "node_info": dict(node.node_info),
        "ipv4Address": node.ipv4_address,
        "hostname": node.hostname,
        "name": node.name,
    }


def _tagged(plane: ControlPlane, info: ClusterInfo) -> dict[str, Any]:
    try:
        port: int | None = plane.discovery.master(info.name)[1]
    except FrameDBError:
        port = None
    first = info.members[0] if info.members else None
    return {
        "clusterName": info.name,
        "svcName": service_name(info.name),
        "svcIp": first.host if first else None,
        "sentinelPort": first.sentinel_port if first else None,
        "masterPort": port,
    }
