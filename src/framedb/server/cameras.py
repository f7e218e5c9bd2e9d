"""`/v1/cameras`: which cameras are captured, and how they are."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from framedb.capture import Camera
from framedb.config import Policy
from framedb.node import Backends
from framedb.queueing.tasks import RUN_CAMERAS
from framedb.stores.policy import SourcePolicy


class NewCamera(BaseModel):
    """What a camera is registered with."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "site": "plant-a",
                "camera": "gate",
                "url": "rtsp://user:password@10.0.0.7:554/stream1",
                "fps": 1,
            }
        },
    )

    site: str
    camera: str
    url: str = Field(repr=False)
    fps: float | None = Field(default=1.0, description="Frames per second to keep; null: every frame.")
    encoding: Literal["jpeg", "base64-jpeg"] = "jpeg"
    quality: int = 3
    loop: bool = False
    policy: Policy = "drop-oldest"
    max_frames: int | None = None
    max_bytes: int | None = None
    max_age_s: float | None = None
    ttl_s: float | None = None


def cameras_router(node: Backends) -> APIRouter:
    """The routes, over a node."""
    router = APIRouter(prefix="/v1/cameras", tags=["cameras"])

    @router.post("", status_code=201)
    def add(new: NewCamera) -> dict[str, Any]:
        """Register a camera; a worker begins to capture it within seconds."""
        camera = Camera(
            new.site, new.camera, new.url, fps=new.fps, encoding=new.encoding, quality=new.quality, loop=new.loop
        )
        default = node.plane.placement.default
        policy = SourcePolicy(
            policy=new.policy,
            max_frames=new.max_frames,
            max_bytes=new.max_bytes if new.max_bytes is not None else default.max_bytes,
            max_age_s=new.max_age_s,
            ttl_s=new.ttl_s if new.ttl_s is not None else default.ttl_s,
        )
        node.cameras.add(camera)
        node.plane.placement.place(camera.source, policy)
        node.tasks.send(RUN_CAMERAS)
        return _shown(node, camera.source)

    @router.get("")
    def cameras() -> dict[str, Any]:
        """Every camera, with its health."""
        return {"cameras": [_shown(node, record.source) for record in node.cameras.list()]}

    @router.get("/{source}")
    def camera(source: str) -> dict[str, Any]:
        """One camera, with its health."""
        return _shown(node, source)

    @router.post("/{source}/stop")
    def stop(source: str) -> dict[str, Any]:
        """Stop capturing the camera; it stays registered."""
        node.cameras.enable(source, False)
        node.tasks.send(RUN_CAMERAS)
        return _shown(node, source)

    @router.post("/{source}/start")
    def start(source: str) -> dict[str, Any]:
        """Capture the camera again."""
        node.cameras.enable(source, True)
        node.tasks.send(RUN_CAMERAS)
        return _shown(node, source)

    @router.delete("/{source}")
    def remove(source: str) -> dict[str, str]:
        """Stop capturing the camera, and forget it. Its frames stay until they expire."""
        node.cameras.remove(source)
        node.tiers.memory(source).release_token(source)
        node.tasks.send(RUN_CAMERAS)
        return {"removed": source}

    return router


def _shown(node: Backends, source: str) -> dict[str, Any]:
    record = node.cameras.get(source)
    return {
        "source": record.source,
        "site": record.site,
        "camera": record.camera,
        "url": record.url,
        "fps": record.fps,
        "encoding": record.encoding,
        "health": {"state": "waiting", **record.health},
    }
