"""The extraction service as a part of a node's application, and alone as it is deployed."""

from fastapi import FastAPI

from framedb.server.extractor.cache_metrics import CacheMetrics
from framedb.server.extractor.events import events_router
from framedb.server.extractor.frames import frames_router
from framedb.server.extractor.health import health_router
from framedb.server.extractor.job_metrics import JobMetrics
from framedb.server.extractor.jobs import jobs_router
from framedb.server.extractor.parts import Extraction
from framedb.server.extractor.pictures import pictures_router
from framedb.server.extractor.submit import submit_router
from framedb.server.service import new_service, secured
from framedb.server.ui import ui_router

_ROUTERS = (submit_router, jobs_router, frames_router, pictures_router, events_router, health_router)


def create_extractor_app(extraction: Extraction, *, token: str | None, insecure: bool = False) -> FastAPI:
    """The extraction service, with its page."""
    app = new_service("Video Frame Extraction System", "Frames out of videos, as jobs.", token=token, insecure=insecure)
    include_extraction(app, extraction, token=token)
    app.include_router(ui_router(extraction.jobs, ("jobs",)), dependencies=secured(token))
    return app


def include_extraction(app: FastAPI, extraction: Extraction, *, token: str | None) -> None:
    """Every route of the service, and its jobs and cache in the metrics."""
    for router in _ROUTERS:
        app.include_router(router(extraction), dependencies=secured(token))
    for metrics in (JobMetrics(extraction.jobs), CacheMetrics(extraction.cache)):
        app.state.metrics.register(metrics)
