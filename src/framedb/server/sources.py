"""`/v1/connection` and `/v1/sources`: where frames are, and what there is of a source."""

from collections import Counter
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from framedb.errors import InvalidInputError
from framedb.frame import check_source, source_of
from framedb.node import Backends
from framedb.server.frames import frame_response
from framedb.stores.base import FrameStore

_PAGE = 1000
Tolerance = Annotated[float | None, Query(ge=0, le=1e9, description="Seconds from the time; none: however far.")]


def sources_router(node: Backends) -> APIRouter:
    """The routes, over a node."""
    router = APIRouter(prefix="/v1", tags=["sources"])

    @router.get("/connection")
    def connection(source: str | None = None, key: str | None = None, framedb_id: str | None = None) -> dict[str, Any]:
        """How to reach the frames of a source, of a key's source, or of a cluster. It holds passwords."""
        if source is None and key is not None:
            source = source_of(key)
        if source is not None:
            check_source(source)
        return node.plane.placement.connection(source=source, framedb_id=framedb_id).to_dict()

    @router.get("/clusters/names")
    def clusters() -> dict[str, list[str]]:
        """Names of the clusters that may hold frames."""
        return {"clusters": node.plane.clusters_with_frames()}

    @router.get("/sources")
    def sources() -> dict[str, list[str]]:
        """Sources with frames in memory, and with durable ones."""
        return {"memory": node.tiers.in_memory.sources(), "durable": node.durable.sources()}

    @router.get("/sources/{source}")
    def stats(source: str) -> dict[str, Any]:
        """Frames, bytes and drops of a source, in memory and durable."""
        check_source(source)
        held = node.tiers.in_memory.stats(source)
        drops = Counter(held.drops) + Counter(node.plane.routing.drops(source))  # and those of clusters that are gone
        return {
            "source": source,
            "memory": asdict(replace(held, drops=dict(drops))),
            "durable": asdict(node.durable.stats(source)),
        }

    @router.get("/sources/{source}/latest")
    def latest(source: str, memory: bool = False) -> Response:
        """The durable frame of the source that was captured last; with `memory`, of those in memory too."""
        store, what = _searched(node, source, memory=memory)
        return frame_response(store.latest(source), f"source {source} has no {what}s")

    @router.get("/sources/{source}/nearest")
    def nearest(source: str, at: datetime, tolerance: Tolerance = None, memory: bool = False) -> Response:
        """The durable frame captured closest to `at`, within `tolerance` seconds; with `memory`, of those in memory too."""
        within = None if tolerance is None else timedelta(seconds=tolerance)
        store, what = _searched(node, source, memory=memory)
        return frame_response(
            store.nearest(source, _aware(at), tolerance=within), f"source {source} has no {what} near {at}"
        )

    @router.get("/sources/{source}/range")
    def between(source: str, start: datetime, stop: datetime) -> dict[str, Any]:
        """Keys of durable frames captured in `start <= t < stop`, in order; `next` is where the next page starts."""
        found = node.durable.captured(source, _aware(start), _aware(stop), limit=_PAGE)
        keys = [key for key, _ in found]
        following = None
        if len(found) >= _PAGE:
            # Frames of the very last moment stand on the next page, with others of the same moment that did not fit here.
            last = found[-1][1]
            on_this_page = [key for key, captured_at in found if captured_at < last]
            if on_this_page:
                keys, following = on_this_page, last.isoformat()
        return {"keys": keys, "next": following}

    return router


def _searched(node: Backends, source: str, *, memory: bool) -> tuple[FrameStore, str]:
    """Where to look for a frame, and what is looked for."""
    if not memory:
        return node.durable, "durable frame"
    check_source(source)
    # Of a source that nobody knows nothing is in memory; to look there would place it.
    return (node.tiers if node.plane.routing.mapping(source) else node.durable), "frame"


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise InvalidInputError(f"{time.isoformat()} has no time zone: write it as 2026-01-31T12:00:00Z")
    return time
