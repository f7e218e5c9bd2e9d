"""`/v1/queue`: how the frame queue is."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from framedb.node import Backends
from framedb.queueing.base import FRAME_QUEUE

_DEAD_LETTERS = 100


def frame_queue_router(node: Backends) -> APIRouter:
    """The route, over a node."""
    router = APIRouter(prefix="/v1/queue", tags=["queue"])

    @router.get("")
    def queue(dead_letters: Annotated[int, Query(ge=0, le=_DEAD_LETTERS)] = 20) -> dict[str, Any]:
        """How many frames wait for workers, the bound and what happens at it, and the first frames that were set aside."""
        with node.open_queue() as opened:
            depth, letters = opened.depth(), opened.dead_letters(dead_letters) if dead_letters else []
        return {
            "queue": FRAME_QUEUE,
            "depth": depth,
            "max_length": node.settings.queue_max_length,
            "policy": node.settings.queue_policy,
            "dead_letters": [
                {"key": each.announcement.key, "source": each.announcement.source, "reason": each.reason}
                for each in letters
            ],
        }

    return router
