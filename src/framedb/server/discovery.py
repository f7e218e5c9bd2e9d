"""`/discovery`: who is master of a cluster at this moment, as its living sentinels say."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from framedb.node.control_plane import ControlPlane
from framedb.resp.sentinel import MASTER_NAME
from framedb.server.described import answers
from framedb.server.envelopes import CLUSTERS, Result, result
from framedb.server.fields import AskedId, Body, ClusterName


class NamedInstance(Body):
    """An instance by its id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"framedb_id": "cluster-alpha"}]})

    framedb_id: AskedId


class NamedCluster(Body):
    """A cluster by its name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"clusterName": "cluster-alpha"}]})

    clusterName: ClusterName  # noqa: N815  - the published spelling


class Master(BaseModel):
    """Where the master is."""

    masterHost: str  # noqa: N815
    masterPort: int  # noqa: N815


class Slave(BaseModel):
    """Where a replica is."""

    slaveHost: str  # noqa: N815
    slavePort: int  # noqa: N815


class Roles(BaseModel):
    """Who is what in a cluster."""

    master: Master
    slaves: list[Slave]
    masterName: str  # noqa: N815


class FoundCluster(BaseModel):
    """The answer of `getClusterInfo`."""

    clusterInfo: Roles  # noqa: N815


_MASTER = {"masterHost": "127.0.0.1", "masterPort": 20001}
_SLAVE = {"slaveHost": "127.0.0.1", "slavePort": 20003}
_FOUND = {"clusterInfo": {"master": _MASTER, "slaves": [_SLAVE], "masterName": MASTER_NAME}}


def discovery_router(plane: ControlPlane) -> APIRouter:
    """The routes. Unknown ids are answered with 404."""
    router = APIRouter(prefix="/discovery", tags=["discovery"])

    @router.post("/getMaster", summary="Find the master", **answers(CLUSTERS, Result[Master], result(_MASTER), 404))
    def master(of: NamedInstance) -> dict[str, Any]:
        """The master of the instance's cluster."""
        return result(_master(plane, of.framedb_id))

    @router.post(
        "/getClusterMaster",
        summary="Find the master of a cluster",
        **answers(CLUSTERS, Result[Master], result(_MASTER), 404),
    )
    def cluster_master(of: NamedCluster) -> dict[str, Any]:
        """The master of the cluster."""
        return result(_master(plane, of.clusterName))

    @router.post(
        "/getSlaves", summary="Find the replicas", **answers(CLUSTERS, Result[list[Slave]], result([_SLAVE]), 404)
    )
    def slaves(of: NamedInstance) -> dict[str, Any]:
        """The replicas of the instance's cluster."""
        return result(_slaves(plane, of.framedb_id))

    @router.post(
        "/getClusterInfo", summary="Find all members", **answers(CLUSTERS, Result[FoundCluster], result(_FOUND), 404)
    )
    def info(of: NamedInstance) -> dict[str, Any]:
        """Master and replicas of the instance's cluster, and the name that its sentinels know it by."""
        return result(
            {
                "clusterInfo": {
                    "master": _master(plane, of.framedb_id),
                    "slaves": _slaves(plane, of.framedb_id),
                    "masterName": MASTER_NAME,
                }
            }
        )

    return router


def _master(plane: ControlPlane, framedb_id: str) -> dict[str, Any]:
    host, port = plane.discovery.master(framedb_id)
    return {"masterHost": host, "masterPort": port}


def _slaves(plane: ControlPlane, framedb_id: str) -> list[dict[str, Any]]:
    return [{"slaveHost": host, "slavePort": port} for host, port in plane.discovery.replicas(framedb_id)]
