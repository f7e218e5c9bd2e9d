"""`/routing` and `/backpressure`: which cluster a source's frames go to."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from framedb.errors import FrameDBError, StoreUnavailableError
from framedb.node.control_plane import ControlPlane
from framedb.routing import ClusterLoad, Route
from framedb.server.cluster_details import service_name
from framedb.server.described import answers
from framedb.server.envelopes import CLUSTERS, Result, result
from framedb.server.fields import Body, ClusterName, Metadata, NodeTag, SourceId
from framedb.server.long_calls import LongCalls

_SOURCE = "source-123"
_TAG = "node-1"
_CLUSTER = "cluster-alpha"


def _body(**example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class NamedSource(Body):
    """A source."""

    model_config = _body(sourceId=_SOURCE)

    sourceId: SourceId  # noqa: N815  - here and below: the published spelling


class Mapping(Body):
    """A source on a node."""

    model_config = _body(sourceId=_SOURCE, nodeTag=_TAG)

    sourceId: SourceId  # noqa: N815
    nodeTag: NodeTag  # noqa: N815


class NewMapping(Mapping):
    """A source that is wanted on a node."""

    model_config = _body(sourceId=_SOURCE, nodeTag=_TAG, metadata={"sizes": ["416x416"], "fps": 5})

    metadata: Metadata | None = None


class MappingMetadata(Mapping):
    """What is known about a source on a node."""

    model_config = _body(sourceId=_SOURCE, nodeTag=_TAG, metadata={"sizes": ["416x416"], "ref_count": 1})

    metadata: Metadata


class Move(Mapping):
    """Where a source is to go."""

    model_config = _body(sourceId=_SOURCE, nodeTag=_TAG, framedb=_CLUSTER)

    framedb: ClusterName


class NamedCluster(Body):
    """A cluster."""

    model_config = _body(framedb=_CLUSTER)

    framedb: ClusterName


class ClusterOfNode(Body):
    """A cluster of a node."""

    model_config = _body(nodeTag=_TAG, framedb=_CLUSTER)

    nodeTag: NodeTag  # noqa: N815
    framedb: ClusterName


class NamedNode(Body):
    """A node, by its tag."""

    model_config = _body(nodeTag=_TAG)

    nodeTag: NodeTag  # noqa: N815


class Backpressure(Body):
    """A source, everywhere or on one node."""

    model_config = _body(sourceId=_SOURCE)

    sourceId: SourceId  # noqa: N815
    nodeTag: NodeTag | None = None  # noqa: N815


class Previous(BaseModel):
    """A cluster that the source was moved away from."""

    cluster_name: str
    until: str | None = Field(description="UTC; when its last frame of the source is gone. null: some are kept.")


class MappedNode(BaseModel):
    """Where the frames of a source go on one node."""

    serviceIp: str  # noqa: N815
    sentinelPort: int = Field(description="Of a living sentinel.")  # noqa: N815
    serviceName: str  # noqa: N815
    redisPort: int = Field(description="Of the master of this moment.")  # noqa: N815
    masterIP: str  # noqa: N815
    nodeTag: str  # noqa: N815
    cluster_name: str
    metadata: dict[str, Any]
    sentinels: list[str] = Field(description="Every living sentinel, as host:port.")
    previous: list[Previous] = Field(description="Newest first: clusters whose frames of the source still live.")
    backpressure: bool = Field(description="Whether writers shall hold back.")
    epoch: int = Field(description="Version of the mapping: the cluster refuses writers that name an older one.")


class FoundMapping(BaseModel):
    """Where the frames of a source go."""

    sourceId: str  # noqa: N815
    nodeTags: list[str]  # noqa: N815
    framedbNodes: list[MappedNode] = Field(  # noqa: N815
        description="One for each node tag, without those that are unassigned or whose cluster does not answer now."
    )


class Assigned(BaseModel):
    """The sources of a cluster."""

    model_config = ConfigDict(populate_by_name=True)

    id: str = Field(alias="_id", description="The cluster's name.")
    sources: list[str]
    nodeTag: str  # noqa: N815
    sourceCount: int  # noqa: N815


class AssignedByNode(BaseModel):
    """The clusters of a node, with their sources."""

    nodeTag: str  # noqa: N815
    framedbInstances: dict[str, Assigned]  # noqa: N815


_ASSIGNED = {"_id": _CLUSTER, "sources": [_SOURCE], "nodeTag": _TAG, "sourceCount": 1}
_FOUND = {
    "sourceId": _SOURCE,
    "nodeTags": [_TAG],
    "framedbNodes": [
        {
            "serviceIp": "127.0.0.1",
            "sentinelPort": 20002,
            "serviceName": "cluster-alpha-redis",
            "redisPort": 20001,
            "masterIP": "127.0.0.1",
            "nodeTag": _TAG,
            "cluster_name": _CLUSTER,
            "metadata": {"sizes": ["416x416"]},
            "sentinels": ["127.0.0.1:20002", "127.0.0.1:20004", "127.0.0.1:20006"],
            "previous": [{"cluster_name": "cluster-beta", "until": "2026-01-31T13:00:00+00:00"}],
            "backpressure": False,
            "epoch": 1,
        }
    ],
}


def routing_router(plane: ControlPlane) -> APIRouter:
    """The routes of sources."""
    router = APIRouter(prefix="/routing", tags=["routing"])
    placement = plane.placement
    long_call = LongCalls()

    @router.post(
        "/createMapping", **_sentence("Place a source", "Source source-123 is mapped to cluster-alpha", 404, 409)
    )
    def create(new: NewMapping) -> dict[str, Any]:
        """Place a source on the cluster of the node that has the fewest."""
        route = placement.create_mapping(new.sourceId, new.nodeTag, new.metadata)
        return result(f"Source {route.source} is mapped to {route.cluster}")

    @router.post("/getMapping", summary="Find a source", **answers(CLUSTERS, Result[FoundMapping], result(_FOUND), 404))
    def get(of: NamedSource) -> dict[str, Any]:
        """Where the frames of a source go, for each of its node tags, with the master and sentinels of this moment."""
        routes = placement.mapping(of.sourceId)
        return result(
            {
                "sourceId": of.sourceId,
                "nodeTags": [route.node_tag for route in routes],
                "framedbNodes": _mapped(plane, routes),
            }
        )

    @router.post(
        "/removeMapping", **_sentence("Forget where a source goes", "Mapping of source-123 on node-1 is removed", 404)
    )
    def remove(of: Mapping) -> dict[str, Any]:
        """Forget where a source goes on a node. Its frames stay until they expire."""
        placement.remove_mapping(of.sourceId, of.nodeTag)
        return result(f"Mapping of {of.sourceId} on {of.nodeTag} is removed")

    @router.post(
        "/updateMapping", **_sentence("Read a source's master again", "Mapping of source-123 on node-1 is updated", 404)
    )
    def update(of: Mapping) -> dict[str, Any]:
        """Make sure that the source's cluster has its policy and epoch, at the master of this moment."""
        placement.update_mapping(of.sourceId, of.nodeTag)
        return result(f"Mapping of {of.sourceId} on {of.nodeTag} is updated")

    @router.post(
        "/getSourcesByInstance",
        summary="List a cluster's sources",
        **answers(CLUSTERS, Result[Assigned], result(_ASSIGNED), 404),
    )
    def by_cluster(of: NamedCluster) -> dict[str, Any]:
        """Sources whose frames go to a cluster."""
        return result(_assigned(placement.load(of.framedb)))

    @router.post(
        "/getSourcesByNode",
        summary="List a node's sources",
        **answers(
            CLUSTERS,
            Result[AssignedByNode],
            result({"nodeTag": _TAG, "framedbInstances": {_CLUSTER: _ASSIGNED}}),
            404,
        ),
    )
    def by_node(of: NamedNode) -> dict[str, Any]:
        """Clusters of a node, each with its sources."""
        loads = plane.routing.loads(of.nodeTag)
        return result({"nodeTag": of.nodeTag, "framedbInstances": {load.cluster: _assigned(load) for load in loads}})

    @router.post(
        "/reassignInstance",
        **_sentence("Move all of a cluster's sources", "Moved 3 sources off cluster-alpha", 404, 409, 504),
    )
    @long_call
    def reassign_cluster(of: ClusterOfNode) -> dict[str, Any]:
        """Move every source off a cluster, each to the least-loaded other one of the node; with nowhere to go, none."""
        moved = placement.reassign_cluster(of.nodeTag, of.framedb)
        return result(f"Moved {len(moved)} sources off {of.framedb}")

    def reassign(move: Move) -> dict[str, Any]:
        """Move a source to a cluster of the node. What it has stored stays readable until it expires."""
        placement.reassign_source(move.sourceId, move.nodeTag, move.framedb)
        return result(f"Source {move.sourceId} is moved to {move.framedb}")

    moved = "Source source-123 is moved to cluster-alpha"
    for path, summary in (("/reassignSource", "Move a source"), ("/ressignSource", "Move a source (as published)")):
        router.post(path, **_sentence(summary, moved, 404, 409, 504))(long_call(reassign))

    @router.post(
        "/getLeastAssignedInstance",
        summary="Find the cluster with the fewest sources",
        **answers(CLUSTERS, Result[Assigned], result(_ASSIGNED), 404),
    )
    def least(of: NamedNode) -> dict[str, Any]:
        """The cluster of the node that the next source would be placed on."""
        return result(_assigned(placement.least_loaded(of.nodeTag)))

    @router.post(
        "/getMaxAssignedInstance",
        summary="Find the cluster with the most sources",
        **answers(CLUSTERS, Result[Assigned], result(_ASSIGNED), 404),
    )
    def most(of: NamedNode) -> dict[str, Any]:
        """The cluster of the node that has the most sources."""
        return result(_assigned(placement.most_loaded(of.nodeTag)))

    @router.post(
        "/updateMetadata",
        **_sentence("Change a mapping's metadata", "Metadata of source-123 on node-1 is updated", 404),
    )
    def update_metadata(of: MappingMetadata) -> dict[str, Any]:
        """Say what is known about a source on a node: `sizes`, `ref_count`, `fps`, its policy and caps."""
        placement.update_metadata(of.sourceId, of.nodeTag, of.metadata)
        return result(f"Metadata of {of.sourceId} on {of.nodeTag} is updated")

    @router.post(
        "/getMappingMetadata",
        summary="Read a mapping's metadata",
        **answers(CLUSTERS, Result[dict[str, Any]], result({"sizes": ["416x416"], "ref_count": 1}), 404),
    )
    def metadata(of: Mapping) -> dict[str, Any]:
        """What is known about a source on a node; `{"empty": true}` for nothing."""
        return result(dict(placement.metadata(of.sourceId, of.nodeTag)) or {"empty": True})

    return router


def backpressure_router(plane: ControlPlane) -> APIRouter:
    """The routes that hold writers back."""
    router = APIRouter(prefix="/backpressure", tags=["routing"])

    @router.post(
        "/enable",
        summary="Hold a source's writers back",
        **answers(CLUSTERS, Result[str], result("Backpressure of source-123 is on"), 404),
    )
    def enable(of: Backpressure) -> dict[str, Any]:
        """From now on writers of the source refuse or drop new frames, by its policy, and count them."""
        plane.placement.set_backpressure(of.sourceId, True, of.nodeTag)
        return result(f"Backpressure of {of.sourceId} is on")

    @router.post(
        "/disable",
        summary="Let a source's writers go on",
        **answers(CLUSTERS, Result[str], result("Backpressure of source-123 is off"), 404),
    )
    def disable(of: Backpressure) -> dict[str, Any]:
        """Writers of the source go on."""
        plane.placement.set_backpressure(of.sourceId, False, of.nodeTag)
        return result(f"Backpressure of {of.sourceId} is off")

    return router


def _sentence(summary: str, example: str, *failures: int) -> dict[str, Any]:
    """Arguments for a route that answers with a sentence."""
    return {"summary": summary, **answers(CLUSTERS, Result[str], result(example), *failures)}


def _assigned(load: ClusterLoad) -> dict[str, Any]:
    return {
        "_id": load.cluster,
        "sources": list(load.sources),
        "nodeTag": load.node_tag,
        "sourceCount": len(load.sources),
    }


def _mapped(plane: ControlPlane, routes: list[Route]) -> list[dict[str, Any]]:
    """The nodes a reader can go to now. Raises what is wrong when there are clusters, and none of them answers."""
    found: list[dict[str, Any]] = []
    problem: FrameDBError | None = None
    for route in routes:
        if route.cluster is None:
            continue
        try:
            found.append(_node(plane, route, route.cluster))
        except FrameDBError as exc:  # a reader that finds no entry for its own tag takes another one
            problem = exc
    if problem is not None and not found:
        raise problem
    return found


def _node(plane: ControlPlane, route: Route, cluster: str) -> dict[str, Any]:
    host, port = plane.discovery.master(cluster)
    sentinels = plane.discovery.living_sentinels(cluster)
    if not sentinels:
        raise StoreUnavailableError(f"none of cluster {cluster}'s sentinels answers: try again")
    service, sentinel_port = sentinels[0]
    return {
        "serviceIp": service,
        "sentinelPort": sentinel_port,
        "serviceName": service_name(cluster),
        "redisPort": port,
        "masterIP": host,
        "nodeTag": route.node_tag,
        "cluster_name": cluster,
        "metadata": dict(route.metadata),
        "sentinels": [f"{name}:{number}" for name, number in sentinels],
        "previous": [
            {"cluster_name": place.cluster, "until": None if place.until is None else place.until.isoformat()}
            for place in route.previous
        ],
        "backpressure": route.backpressure,
        "epoch": route.epoch,
    }
