"""The services of the control plane, each alone as it is deployed, and both as parts of a node's application."""

from collections.abc import Callable, Iterable

from fastapi import APIRouter, FastAPI

from framedb.node.control_plane import ControlPlane
from framedb.server.clusters import clusters_router, own_clusters_router
from framedb.server.discovery import discovery_router
from framedb.server.instances import making_router, reading_router
from framedb.server.nodes import nodes_router
from framedb.server.registered import objects_router, streams_router
from framedb.server.routing import backpressure_router, routing_router
from framedb.server.service import new_service, secured
from framedb.server.settings import settings_router

Router = Callable[[ControlPlane], APIRouter]

_CONFIG: tuple[Router, ...] = (
    clusters_router,
    nodes_router,
    settings_router,
    discovery_router,
    reading_router,
    making_router,
    own_clusters_router,
)
_ROUTING: tuple[Router, ...] = (
    routing_router,
    backpressure_router,
    discovery_router,
    objects_router,
    streams_router,
    reading_router,  # it has no right to make clusters
)


def create_config_app(plane: ControlPlane, *, token: str | None, insecure: bool = False) -> FastAPI:
    """The config service: clusters, their settings, and instances."""
    return _service(
        "FrameDB config service", "Clusters and instances, made, told and removed.", _CONFIG, plane, token, insecure
    )


def create_routing_app(plane: ControlPlane, *, token: str | None, insecure: bool = False) -> FastAPI:
    """The routing service: which cluster a source's frames go to, and which instance holds an object."""
    return _service(
        "FrameDB routing service",
        "Where the frames of a source go, and where objects are.",
        _ROUTING,
        plane,
        token,
        insecure,
    )


def include_control_plane(app: FastAPI, plane: ControlPlane, *, token: str | None) -> None:
    """Every route of both services."""
    _include(app, dict.fromkeys((*_CONFIG, *_ROUTING)), plane, token)


def _service(
    title: str, description: str, routers: Iterable[Router], plane: ControlPlane, token: str | None, insecure: bool
) -> FastAPI:
    app = new_service(title, description, token=token, insecure=insecure, legacy_status=plane.settings.legacy_status)
    _include(app, routers, plane, token)
    return app


def _include(app: FastAPI, routers: Iterable[Router], plane: ControlPlane, token: str | None) -> None:
    for router in routers:
        app.include_router(router(plane), dependencies=secured(token))
