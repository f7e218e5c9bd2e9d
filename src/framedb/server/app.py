"""The node's HTTP application."""

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from framedb import __version__
from framedb.node import Node
from framedb.server.cameras import cameras_router
from framedb.server.guard import Guard
from framedb.server.jobs import jobs_router
from framedb.server.objects import objects_router
from framedb.server.replies import add_replies
from framedb.server.sources import sources_router


def create_app(node: Node, *, token: str | None, insecure: bool = False) -> FastAPI:
    """Every route of the node on one port."""
    app = FastAPI(title="FrameDB", version=__version__, description="A frame store for video and AI pipelines.")
    add_replies(app)
    app.add_middleware(Guard, token=token, insecure=insecure)
    for router in (sources_router, objects_router, cameras_router, jobs_router):
        app.include_router(router(node.backends))

    @app.get("/healthz", tags=["health"])
    def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"])
    def readyz() -> JSONResponse:
        """Whether every engine answers, one by one."""
        parts = node.readiness()
        ready = all(state == "ready" for state in parts.values())
        body = {"status": "ready" if ready else "not ready", "parts": parts}
        return JSONResponse(body, status_code=200 if ready else 503)

    return app
