"""Where a reader's frames are: at the clusters that routing names or, in mode `test`, on one server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from framedb.client.locator import FixedLocator
from framedb.compat.calls import ServiceCalls
from framedb.compat.mapping import MappingLocator
from framedb.config import Settings
from framedb.resp import ClusterConnection, Endpoint, parse_redis_url
from framedb.tiering.references import SharedFrames


def open_frames(env: Any, settings: Settings) -> tuple[SharedFrames, ServiceCalls | None]:
    """The frames, and the calls to the routing service they are found by: close them in this order."""
    calls: ServiceCalls | None = None
    locator: MappingLocator | FixedLocator
    if getattr(env, "mode", "") == "test":
        locator = FixedLocator(_only_server(env, settings))
    else:
        calls = ServiceCalls(getattr(env, "routing_url", settings.url))
        locator = MappingLocator(
            calls,
            node_tag=getattr(env, "framedb_node_tag", settings.node_tag),
            site=settings.cluster_id,
            password=getattr(env, "framedb_password", "") or "",
            sockets=_sockets(env),
            place=lambda: is_on_demand(env),
        )
    frames = SharedFrames(
        locator,
        clusters=locator.clusters,
        timeout=settings.connect_timeout,
        wait=settings.wait,
        default_ttl=settings.frame_ttl,
    )
    return frames, calls


def is_on_demand(env: Any) -> bool:
    """Whether a source may be used that was not registered."""
    return bool(getattr(env, "on_demand_connections", True))


def _sockets(env: Any) -> Path | None:
    """The folder of the sockets, if they are to be used."""
    folder = getattr(env, "uds_vmount", "")
    return Path(folder) if folder and getattr(env, "enable_uds_connections", False) else None


def _only_server(env: Any, settings: Settings) -> ClusterConnection:
    """The one there is in mode `test`: that of `FRAMES_REDIS_URL`, else of this machine."""
    url = settings.frames_redis_url
    endpoint = parse_redis_url(url.get_secret_value()) if url else Endpoint("127.0.0.1", 6379)
    password = str(getattr(env, "test_password", ""))
    if password:
        endpoint = replace(endpoint, password=password)
    folder = _sockets(env)
    socket = None if folder is None else folder / f"{getattr(env, 'test_node_tag', 'local')}.sock"
    if socket is not None and socket.exists():
        endpoint = replace(endpoint, port=0, uds=str(socket))
    return ClusterConnection("local", endpoint, epoch=None, durable=False)
