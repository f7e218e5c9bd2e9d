"""The config and the routing service over one real control plane, in a data folder of its own, on SQLite."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from framedb.config import MiB, Settings
from framedb.node.control_plane import ControlPlane, open_control_plane
from framedb.server.services import create_config_app, create_routing_app
from tests.live import Live, live

ROOM_BYTES = 320 * MiB
"""For a few clusters of one small member each: what more is asked for is refused."""


@contextmanager
def opened(folder: Path, **more: Any) -> Iterator[ControlPlane]:
    """A control plane whose clusters are small, whatever this machine's own settings are; at the end nothing of it runs."""
    given: dict[str, Any] = {
        "cluster_maxmemory_bytes": 16 * MiB,
        "machine_memory_bytes": ROOM_BYTES,
        "tidb_url": None,
        "redis_url": None,
        "broker_url": None,
        "legacy_status": False,
        "cluster_id": "local",
        "node_tag": "local",
        **more,
    }
    plane = open_control_plane(Settings(_env_file=None, **given), folder)  # type: ignore[call-arg]
    try:
        yield plane
    finally:
        plane.clusters.stop_all()
        plane.close()


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An open control plane."""
    with opened(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(scope="package")
def config(plane: ControlPlane) -> Iterator[Live]:
    """The config service."""
    with live(create_config_app(plane, token=None)) as served:
        yield served


@pytest.fixture(scope="package")
def routing(plane: ControlPlane) -> Iterator[Live]:
    """The routing service, over the same control plane."""
    with live(create_routing_app(plane, token=None)) as served:
        yield served


@pytest.fixture(scope="package")
def cluster(config: Live) -> str:
    """A cluster of one member, made through the service."""
    config.call(
        "/cluster/createCluster", clusterName="alpha", nodeTag="tag-a", replicas=1, enableMetrics=False, quorum=1
    )
    return "alpha"
