"""`/cluster`, `/replication` and `/v1/clusters`: making, looking at, scaling and removing clusters."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from framedb.clusters.registered import ClusterInfo
from framedb.clusters.spec import ClusterSpec
from framedb.errors import AlreadyExistsError, EngineError, FrameDBError
from framedb.node.control_plane import ControlPlane
from framedb.server import cluster_details
from framedb.server.cluster_details import ClusterDetails, all_details, details
from framedb.server.described import answers
from framedb.server.envelopes import CLUSTERS, OWN, Result, result
from framedb.server.fields import (
    MAX_BULK,
    Body,
    ClusterName,
    Deployments,
    EnableMetrics,
    NodeTag,
    Quorum,
    Replicas,
    Scale,
)
from framedb.server.long_calls import LongCalls

logger = logging.getLogger(__name__)

_REMOVED_AT_ONCE = 4


def _body(**example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class NewCluster(Body):
    """A cluster that is wanted."""

    model_config = _body(clusterName="cluster-alpha", nodeTag="node-1", replicas=3, enableMetrics=True, quorum=2)

    clusterName: ClusterName  # noqa: N815  - here and below: the published spelling
    nodeTag: NodeTag  # noqa: N815
    replicas: Replicas
    enableMetrics: EnableMetrics  # noqa: N815
    quorum: Quorum


class NewClusters(Body):
    """Clusters of one kind, named `<prefix>-<number>`."""

    model_config = _body(
        clusterPrefix="test-cluster",
        startIndex=1,
        nClusters=5,
        nodeTag="node-a",
        replicas=3,
        enableMetrics=False,
        quorum=2,
    )

    clusterPrefix: Annotated[ClusterName, Field(description="What their names begin with.")]  # noqa: N815
    startIndex: Annotated[int, Field(ge=0, le=1_000_000, description="The first one's number.")]  # noqa: N815
    nClusters: Deployments  # noqa: N815
    nodeTag: NodeTag  # noqa: N815
    replicas: Replicas
    enableMetrics: EnableMetrics  # noqa: N815
    quorum: Quorum


class NamedCluster(Body):
    """A cluster by its name."""

    model_config = _body(clusterName="cluster-alpha")

    clusterName: ClusterName  # noqa: N815


class NamedClusters(Body):
    """Clusters by their names."""

    model_config = _body(clusterList=["cluster-alpha", "cluster-beta"])

    clusterList: Annotated[  # noqa: N815
        list[Annotated[str, Field(min_length=1, max_length=128)]],
        Field(min_length=1, max_length=MAX_BULK, description="Their names."),
    ]


class Synchronize(Body):
    """Whether to write down what was found."""

    model_config = _body(synchronize=True)

    synchronize: Annotated[bool, Field(description="True: what is found running is also written to the registry.")]


class Replication(Body):
    """How many members a cluster is to have."""

    model_config = _body(clusterId="cluster-alpha", replicas=4)

    clusterId: ClusterName  # noqa: N815
    replicas: Scale


class Changed(Result[str]):
    """A sentence, and what to know about what was done."""

    warning: str | None = Field(default=None, description="Only where there is something to know.")


class Removals(BaseModel):
    """How a removal of several went."""

    nClustersRemoved: int  # noqa: N815
    failedRemovals: list[str]  # noqa: N815


class AllClusters(BaseModel):
    """Every cluster."""

    clusters: list[ClusterDetails]


def clusters_router(plane: ControlPlane) -> APIRouter:
    """The routes of the cluster API that make, tell, scale and remove clusters."""
    router = APIRouter(tags=["clusters"])
    long_call = LongCalls()

    @router.post(
        "/cluster/createCluster",
        summary="Make a cluster",
        **answers(CLUSTERS, Changed, result("Cluster created"), 409, 504),
    )
    @long_call
    def create(new: NewCluster) -> dict[str, Any]:
        """Make a cluster: answered once every member answers and the sentinels agree on the master.

        With two members the answer carries a `warning`: no majority is left when one dies. What the machine cannot hold is
        refused before anything starts, and a creation that fails leaves nothing behind.
        """
        spec = _spec(plane, new.clusterName, new)
        return _changed("Cluster created", plane.clusters.create(spec, site=plane.settings.cluster_id))

    @router.post(
        "/cluster/removeCluster",
        summary="Remove a cluster",
        **answers(CLUSTERS, Result[str], result("Deleted cluster"), 404, 409, 504),
    )
    @long_call
    def remove(named: NamedCluster) -> dict[str, Any]:
        """Remove a cluster. Its sources move to another cluster of the node with the frames it held, or are unassigned."""
        plane.placement.remove_cluster(named.clusterName)
        return result("Deleted cluster")

    @router.post(
        "/cluster/getClusterInfo",
        summary="Look at a cluster",
        **answers(CLUSTERS, Result[ClusterDetails], result(cluster_details.EXAMPLE), 404),
    )
    def info(named: NamedCluster) -> dict[str, Any]:
        """What is wanted of a cluster, where it is reached, and how each member is at this moment."""
        return result(details(plane, plane.clusters.info(named.clusterName)))

    @router.post(
        "/cluster/createClusters",
        summary="Make several clusters",
        **answers(CLUSTERS, Changed, result("Created 5 clusters."), 409, 504),
    )
    @long_call
    def create_many(new: NewClusters) -> dict[str, Any]:
        """Make clusters called `<prefix>-<number>`, at most 100. There must be room for all of them before the first is made.

        Where some fail, the answer is a failure that names each with its reason; the others stand.
        """
        names = [f"{new.clusterPrefix}-{new.startIndex + each}" for each in range(new.nClusters)]
        failed = plane.clusters.create_many([_spec(plane, name, new) for name in names], site=plane.settings.cluster_id)
        if failed:
            raise _not_all_made(failed, of=len(names))
        return _changed(f"Created {len(names)} clusters.", plane.clusters.info(names[0]))

    @router.post(
        "/cluster/removeClusters",
        summary="Remove several clusters",
        **answers(CLUSTERS, Result[Removals], result({"nClustersRemoved": 2, "failedRemovals": []}), 504),
    )
    @long_call
    def remove_many(named: NamedClusters) -> dict[str, Any]:
        """Remove clusters by name; those that could not be removed are named, and the log says why."""
        names = list(dict.fromkeys(named.clusterList))
        with ThreadPoolExecutor(_REMOVED_AT_ONCE, thread_name_prefix="remove") as pool:
            gone = list(pool.map(_attempt(plane.placement.remove_cluster), names))
        failed = [name for name, removed in zip(names, gone, strict=True) if not removed]
        return result({"nClustersRemoved": len(names) - len(failed), "failedRemovals": failed})

    @router.post(
        "/cluster/synchronize",
        summary="Find running clusters",
        **answers(CLUSTERS, Result[list[str]], result(["cluster-alpha"]), 409, 504),
    )
    @long_call
    def synchronize(wanted: Synchronize) -> dict[str, Any]:
        """Names of the clusters that run here; `true` also writes them to the registry, and adopts unknown ones."""
        return result(plane.clusters.synchronize(wanted.synchronize))

    @router.post(
        "/cluster/synchronizeCluster",
        summary="Bring one cluster's registry entry up to date",
        **answers(CLUSTERS, Result[str], result("Synchronized with database"), 404, 409, 504),
    )
    @long_call
    def synchronize_one(named: NamedCluster) -> dict[str, Any]:
        """Write what runs of one cluster to the registry, where they differ."""
        changed = plane.clusters.synchronize_one(named.clusterName)
        return result("Synchronized with database" if changed else "Nothing to synchronize")

    @router.post(
        "/replication/createReplication",
        summary="Scale a cluster",
        **answers(CLUSTERS, Changed, result("Cluster properly scaled up"), 404, 409, 504),
    )
    @long_call
    def scale(wanted: Replication) -> dict[str, Any]:
        """Give a cluster so many members. Scaling down keeps the master alive: it fails over first."""
        if not plane.clusters.scale(wanted.clusterId, wanted.replicas):
            return result(f"Replicas {wanted.replicas} already exist")
        return _changed("Cluster properly scaled up", plane.clusters.info(wanted.clusterId))

    return router


def own_clusters_router(plane: ControlPlane) -> APIRouter:
    """FrameDB's own list of clusters."""
    router = APIRouter(prefix="/v1/clusters", tags=["clusters"])

    @router.get(
        "",
        summary="Look at every cluster",
        **answers(OWN, AllClusters, {"clusters": [cluster_details.EXAMPLE]}, takes_input=False),
    )
    def every() -> dict[str, Any]:
        """Every cluster, as `POST /cluster/getClusterInfo` tells one."""
        return {"clusters": all_details(plane, plane.clusters.list())}

    return router


def _spec(plane: ControlPlane, name: str, new: NewCluster | NewClusters) -> ClusterSpec:
    return ClusterSpec(
        name,
        node_tag=new.nodeTag,
        replicas=new.replicas,
        quorum=new.quorum,
        maxmemory_bytes=plane.settings.cluster_maxmemory_bytes,
        enable_metrics=new.enableMetrics,
    )


def _changed(sentence: str, cluster: ClusterInfo) -> dict[str, Any]:
    return result(sentence, **({"warning": cluster.warning} if cluster.warning else {}))


def _not_all_made(failed: dict[str, str], *, of: int) -> FrameDBError:
    reasons = "; ".join(f"{name}: {why}" for name, why in failed.items())
    told = f"{len(failed)} of {of} clusters were not created: {reasons}"
    exist = all(why == "Cluster already exists!" for why in failed.values())
    return AlreadyExistsError(told) if exist else EngineError(told)


def _attempt(remove: Callable[[str], Any]) -> Callable[[str], bool]:
    def attempt(name: str) -> bool:
        try:
            remove(name)
        except FrameDBError as exc:
            logger.warning("cluster could not be removed", extra={"cluster": name, "error": str(exc)})
            return False
        return True

    return attempt
