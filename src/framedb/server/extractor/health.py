"""`GET /health`: how the service is, at this moment."""

import logging
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from framedb.errors import FrameDBError
from framedb.frame import utc_now
from framedb.server.described import answers
from framedb.server.envelopes import EXTRACTION
from framedb.server.extractor.parts import Extraction

logger = logging.getLogger(__name__)


class Health(BaseModel):
    """How the service is."""

    status: Literal["healthy", "unhealthy"] = Field(description="`unhealthy`: jobs cannot be looked at; see the log.")
    timestamp: str
    redis_available: bool = Field(description="Whether the cache is in Redis; if not, it is in this process.")
    active_jobs: int | None = Field(description="Jobs that are pending or processing.")


def health_router(extraction: Extraction) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["health"])
    example = {
        "status": "healthy",
        "timestamp": "2026-01-31T12:00:00.123456+00:00",
        "redis_available": True,
        "active_jobs": 2,
    }

    @router.get("/health", **answers(EXTRACTION, Health, example, takes_input=False))
    def health(response: Response) -> dict[str, Any]:
        """How the service is: looked at, not remembered. Needs no token."""
        active: int | None = None
        try:
            counts = extraction.jobs.counts()
            active = counts["pending"] + counts["processing"]
        except FrameDBError as exc:
            logger.error("jobs cannot be looked at: %s", exc)  # noqa: TRY400  (a probe asks every few seconds)
            response.status_code = 503
        return {
            "status": "unhealthy" if active is None else "healthy",
            "timestamp": utc_now().isoformat(),
            "redis_available": extraction.cache.is_in_redis(),
            "active_jobs": active,
        }

    return router
