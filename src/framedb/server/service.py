"""What every HTTP service of FrameDB has: who is let in, envelopes, metrics, health, and a page to try it on."""

import threading
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from starlette.types import Lifespan

from framedb import __version__
from framedb.server.bodies import BodyLimit
from framedb.server.described import answers
from framedb.server.envelopes import CLUSTERS, OWN, Result, result
from framedb.server.guard import Guard
from framedb.server.metrics import Measured, RequestMetrics, metrics_router
from framedb.server.replies import add_replies


class Pong(BaseModel):
    """The answer to a ping."""

    message: Literal["pong!"]


class Alive(BaseModel):
    """That the process lives."""

    status: Literal["alive"]


def new_service(
    title: str,
    description: str,
    *,
    token: str | None,
    insecure: bool = False,
    legacy_status: bool = False,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """An application with all that services share, for routers to be added to. `/docs` and `/redoc` need no network.

    `lifespan` is entered as the server starts, and left when it has answered its last request.
    """
    app: FastAPI = FastAPIOffline(title=title, description=description, version=__version__, lifespan=lifespan)
    add_replies(app, legacy_status=legacy_status)
    metrics = RequestMetrics()
    # The last one added is the outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, token=token, insecure=insecure)
    app.add_middleware(Measured, metrics=metrics)
    app.state.metrics = metrics.registry  # for whoever has more to tell
    app.state.stopping = threading.Event()  # set as the server begins to stop: answers without an end must find one
    app.include_router(_health_router())
    app.include_router(metrics_router(metrics), dependencies=secured(token))
    return app


def secured(token: str | None) -> list[Any]:
    """Dependencies of routes that the guard lets nobody to without the token: OpenAPI then says so."""
    return [Security(HTTPBearer(auto_error=False, description="FRAMEDB_TOKEN"))] if token else []


def _health_router() -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", **answers(OWN, Alive, {"status": "alive"}, takes_input=False))
    def healthz() -> dict[str, str]:
        """The process is alive. Needs no token."""
        return {"status": "alive"}

    @router.get(
        "/health/ping",
        **answers(CLUSTERS, Result[Pong], {"success": True, "result": {"message": "pong!"}}, takes_input=False),
    )
    def ping() -> dict[str, Any]:
        """The service answers. Needs no token."""
        return result({"message": "pong!"})

    return router
