"""What a node and its children work with, opened over engines that run already."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine

from framedb.capture.cameras import Cameras
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.service import ClusterService
from framedb.config import Settings
from framedb.extraction.jobs import Jobs
from framedb.placement.connections import Connections
from framedb.placement.placement import Placement
from framedb.queueing.base import FrameQueue
from framedb.queueing.opening import open_queue, queue_options
from framedb.queueing.tasks import TaskSender
from framedb.registry import Leases, open_engine, sqlite_url
from framedb.resp import Endpoint
from framedb.resp.connection import parse_redis_url
from framedb.routing import SQLLocator
from framedb.stores.policy import SourcePolicy
from framedb.stores.sql import SQLStore
from framedb.tiering.durable import DurableTier
from framedb.tiering.tiers import Tiers

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backends:
    """Every backend, chosen. Whoever opened them closes them."""

    settings: Settings
    data_dir: Path
    registry: Engine
    clusters: ClusterService
    connections: Connections
    placement: Placement
    tiers: Tiers
    durable: DurableTier
    leases: Leases
    cameras: Cameras
    jobs: Jobs
    tasks: TaskSender
    control: Endpoint

    def open_queue(self, **options: Any) -> FrameQueue:
        """One more connection to the frame queue, for one thread."""
        given = {**queue_options(self.settings), **options}
        return open_queue(self.control, broker_url=broker_url(self.settings), **given)

    def close(self) -> None:
        """Close everything, the registry last."""
        self.tasks.close()
        self.connections.close()
        self.tiers.close()
        self.registry.dispose()


def open_registry(settings: Settings, data_dir: Path) -> Engine:
    """The registry's database: SQLite in the data folder, or the server of TIDB_URL."""
    if settings.tidb_url is not None:
        return open_engine(settings.tidb_url.get_secret_value())
    path = data_dir / "db" / "metadata.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    return open_engine(sqlite_url(path))


def open_backends(settings: Settings, data_dir: Path, *, registry: Engine | None = None) -> Backends:
    """Everything over running engines. The node starts them; its children find them in the data folder."""
    driver = LocalDriver(data_dir)
    registry = registry or open_registry(settings, data_dir)
    clusters = ClusterService(registry, driver)
    control = (
        parse_redis_url(settings.redis_url.get_secret_value()) if settings.redis_url else driver.control_endpoint()
    )
    connections = Connections(
        clusters,
        password=driver.password,
        control=control,
        broker_url=broker_url(settings),
        timeout=settings.connect_timeout,
        wait=settings.wait,
    )
    routing = SQLLocator(registry, node_tag=settings.node_tag)
    default = SourcePolicy(ttl_s=settings.frame_ttl, max_bytes=settings.frames_maxmemory_bytes // 8)
    placement = Placement(routing, connections, default=default)

    def superseded(source: str, keys: list[str]) -> None:
        connections.memory(placement.cluster_of(source)).delete_many(keys, source=source)

    durable = DurableTier(
        _open_durable(settings, data_dir),
        routing,
        superseded=superseded,
        mark_durable=lambda source: placement.place(source, durable=True),
    )
    return Backends(
        settings=settings,
        data_dir=data_dir,
        registry=registry,
        clusters=clusters,
        connections=connections,
        placement=placement,
        tiers=Tiers(placement, durable, timeout=settings.connect_timeout, wait=settings.wait),
        durable=durable,
        leases=Leases(registry),
        cameras=Cameras(registry),
        jobs=Jobs(registry),
        tasks=TaskSender(tasks_url(settings, control)),
        control=control,
    )


def broker_url(settings: Settings) -> str | None:
    """The frame queue's broker, where it is not the control server."""
    return settings.broker_url.get_secret_value() if settings.broker_url else None


def tasks_url(settings: Settings, control: Endpoint) -> str:
    """Celery's broker: RabbitMQ where there is one, else the control server."""
    broker = broker_url(settings)
    if broker:
        return broker
    return f"redis://:{quote(control.password or '', safe='')}@{control.host}:{control.port}/0"


def _open_durable(settings: Settings, data_dir: Path) -> SQLStore:
    if settings.tidb_url is not None:
        return SQLStore.open(settings.tidb_url.get_secret_value())
    path = data_dir / "persistent" / "local.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    return SQLStore.open(sqlite_url(path))
