"""`ControlPlane`: clusters and the sources on them, opened over one registry and one data folder."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from framedb.clusters.discovery import Discovery
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.metrics import MetricsExporters
from framedb.clusters.reconcile import Reconciler
from framedb.clusters.registered import READY, ClusterInfo
from framedb.clusters.service import ClusterService
from framedb.clusters.settings import ClusterSettings
from framedb.config import Settings
from framedb.errors import EngineError, FrameDBError
from framedb.periodic import Periodic
from framedb.placement.channel import ControlChannel
from framedb.placement.connections import Connections
from framedb.placement.instances import PersistentInstances
from framedb.placement.placement import Placement
from framedb.registry import open_engine, sqlite_url, upgrade
from framedb.resp import Endpoint, MasterClient, Redis, open_redis
from framedb.resp.connection import parse_redis_url
from framedb.routing import SQLLocator
from framedb.stores.functions import load_functions
from framedb.stores.memory import MemoryStore
from framedb.stores.policy import SourcePolicy

logger = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between two looks at the clusters
# Changes are told to exporters at once; this is for one that another process has ceased to serve, and finding out is a scrape.
_LOOKS_AT_EXPORTERS = 10


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Clusters, their settings, the sources on them, and instances. Whoever opened it closes it."""

    settings: Settings
    driver: LocalDriver
    registry: Engine
    clusters: ClusterService
    reconciler: Reconciler
    discovery: Discovery
    cluster_settings: ClusterSettings
    exporters: MetricsExporters
    placement: Placement
    routing: SQLLocator
    instances: PersistentInstances
    connections: Connections
    channel: ControlChannel

    def clusters_with_frames(self) -> list[str]:
        """Names of the clusters that are ready, and so may hold frames."""
        return _ready(self.clusters.list())

    def own_clusters_with_frames(self) -> list[str]:
        """Those of them that run in this data folder: the ones that are ours to look after."""
        return _ready(self.clusters.own())

    def close(self) -> None:
        """Close everything, the registry last. Clusters go on running."""
        self.reconciler.close()
        self.exporters.close()
        self.channel.close()
        self.connections.close()
        self.instances.close()
        self.registry.dispose()


def _ready(infos: Iterable[ClusterInfo]) -> list[str]:
    return [info.name for info in infos if info.state == READY]


def open_control_plane(settings: Settings, data_dir: Path, *, registry: Engine | None = None) -> ControlPlane:
    """Everything over the registry and the clusters of the data folder; nothing is started."""
    data_dir = data_dir.resolve()
    driver = open_driver(settings, data_dir)
    registry = registry or open_registry(settings, data_dir)
    clusters = ClusterService(registry, driver, site=settings.cluster_id)
    discovery = Discovery(clusters, driver.password)
    routing = SQLLocator(registry, node_tag=settings.node_tag)
    connections = Connections(
        clusters,
        password=driver.password,
        control=control_endpoint(settings, driver),
        broker_url=settings.broker_url.get_secret_value() if settings.broker_url else None,
        timeout=settings.connect_timeout,
        wait=settings.wait,
    )

    def open_control() -> Redis:
        endpoint = control_endpoint(settings, driver)
        if endpoint is None:
            raise EngineError("there is no control server: start one with `framedb up`, or set REDIS_URL")
        return open_redis(endpoint, timeout=settings.connect_timeout)

    channel = ControlChannel(open_control)
    default = SourcePolicy(ttl_s=settings.frame_ttl, max_bytes=settings.frames_maxmemory_bytes // 8)
    placement = Placement(routing, connections, clusters, default=default, channel=channel)
    exporters = MetricsExporters(clusters, discovery)

    def prepare(cluster: str, master: Endpoint) -> None:
        client = MasterClient.fixed(master, cluster=cluster, timeout=settings.connect_timeout)
        client.run(load_functions)
        with MemoryStore(client) as store:
            placement.restore(cluster, store=store)

    clusters.prepare = prepare
    clusters.changed = exporters.refresh
    return ControlPlane(
        settings=settings,
        driver=driver,
        registry=registry,
        clusters=clusters,
        reconciler=Reconciler(clusters, remove=placement.remove_cluster),
        discovery=discovery,
        cluster_settings=ClusterSettings(clusters, discovery, driver),
        exporters=exporters,
        placement=placement,
        routing=routing,
        instances=PersistentInstances(
            registry,
            data_dir,
            settings.tidb_url.get_secret_value() if settings.tidb_url else None,
            driver.installation,
        ),
        connections=connections,
        channel=channel,
    )


def open_driver(settings: Settings, data_dir: Path) -> LocalDriver:
    """What runs servers in the data folder."""
    return LocalDriver(data_dir, memory_bytes=settings.machine_memory_bytes, binary=settings.server_binary)


def open_registry(settings: Settings, data_dir: Path) -> Engine:
    """The registry, with the tables of this release: SQLite in the data folder, at DATABASE_PATH, or on TIDB_URL's server."""
    if settings.tidb_url is not None:
        engine = open_engine(settings.tidb_url.get_secret_value())
    else:
        path = settings.database_path or data_dir / "db" / "metadata.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = open_engine(sqlite_url(path))
    upgrade(engine)
    return engine


def control_endpoint(settings: Settings, driver: LocalDriver) -> Endpoint | None:
    """The control server: that of REDIS_URL, else the data folder's own; None if that was never started."""
    if settings.redis_url is not None:
        return parse_redis_url(settings.redis_url.get_secret_value())
    try:
        return driver.control_endpoint()
    except EngineError:
        return None


class Reconciling:
    """A thread that keeps what runs and what is registered together, beginning with what was left half-done."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._looks = 0
        self._thread = Periodic("reconciling", self._look, period=_LOOK, at_once=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was begun is ended first."""
        self._thread.stop()

    def _look(self) -> None:
        if self._looks == 0:
            _try(self._plane.instances.reconcile)
        _try(self._plane.reconciler.once)
        if self._looks % _LOOKS_AT_EXPORTERS == 0:
            _try(self._plane.exporters.refresh)
        self._looks += 1


def _try(look: Callable[[], object]) -> None:
    try:
        look()
    except FrameDBError as exc:
        logger.warning("could not look at the clusters: %s", exc)
