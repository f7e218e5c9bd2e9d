"""The node's HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import Lifespan

from framedb.node import Backends, Node
from framedb.queueing.tasks import RUN_JOBS
from framedb.server.cameras import cameras_router
from framedb.server.extractor.app import include_extraction
from framedb.server.extractor.cache import Cache
from framedb.server.extractor.cache_opening import open_cache
from framedb.server.extractor.parts import Extraction
from framedb.server.frame_queue import frame_queue_router
from framedb.server.objects import objects_router
from framedb.server.service import new_service, secured
from framedb.server.services import include_control_plane
from framedb.server.sources import sources_router
from framedb.server.ui import ui_router


def create_app(node: Node, *, token: str | None, insecure: bool = False) -> FastAPI:
    """Every route of the node on one port."""
    extraction = _extraction(node.backends)
    app = new_service(
        "FrameDB",
        "A frame store for video and AI pipelines.",
        token=token,
        insecure=insecure,
        legacy_status=node.settings.legacy_status,
        lifespan=_closing(extraction.cache),
    )
    backends = node.backends
    app.include_router(objects_router(backends.objects, backends.durable), dependencies=secured(token))
    for router in (sources_router, frame_queue_router, cameras_router):
        app.include_router(router(backends), dependencies=secured(token))
    include_control_plane(app, backends.plane, token=token)
    include_extraction(app, extraction, token=token)
    app.include_router(ui_router(extraction.jobs), dependencies=secured(token))

    @app.get("/readyz", tags=["health"])
    def readyz() -> JSONResponse:
        """Whether every engine answers, one by one."""
        parts = node.readiness()
        ready = all(state == "ready" for state in parts.values())
        body = {"status": "ready" if ready else "not ready", "parts": parts}
        return JSONResponse(body, status_code=200 if ready else 503)

    return app


def _closing(cache: Cache) -> Lifespan[FastAPI]:
    """At the end of the service nobody needs its cache."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with closing(cache):
            yield

    return lifespan


def _extraction(backends: Backends) -> Extraction:
    return Extraction(
        settings=backends.settings,
        registry=backends.plane.registry,
        jobs=backends.jobs,
        frames=backends.frames,
        objects=backends.objects,
        cache=open_cache(backends.settings, backends.control),
        wake=lambda: backends.tasks.send(RUN_JOBS),
    )
