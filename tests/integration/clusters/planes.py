"""A control plane on a folder of its own, and what runs in that folder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import Engine

from framedb.clusters.discovery import Discovery
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.reconcile import Reconciler
from framedb.clusters.service import ClusterService
from framedb.clusters.settings import ClusterSettings
from framedb.clusters.spec import ClusterSpec
from framedb.config import MiB
from framedb.resp import Endpoint, Redis, close_redis, open_redis

MAXMEMORY = 32 * MiB


def small(name: str, **wanted: object) -> ClusterSpec:
    """A cluster that leaves room for others."""
    return ClusterSpec(name, **{"maxmemory_bytes": MAXMEMORY, **wanted})  # type: ignore[arg-type]


@dataclass
class Plane:
    """What makes and mends clusters, over one registry and one folder."""

    engine: Engine
    data_dir: Path
    driver: LocalDriver
    service: ClusterService
    discovery: Discovery = field(init=False)
    settings: ClusterSettings = field(init=False)

    def __post_init__(self) -> None:
        self.discovery = Discovery(self.service, self.driver.password)
        self.settings = ClusterSettings(self.service, self.discovery, self.driver)

    @classmethod
    def on(cls, engine: Engine, data_dir: Path, driver: LocalDriver | None = None) -> "Plane":
        """A control plane as a program would open it."""
        driver = driver or LocalDriver(data_dir)
        return cls(engine, data_dir, driver, ClusterService(engine, driver))

    def registered(self) -> dict[str, int]:
        """Processes that should run, by cluster: each member and its sentinel."""
        return {info.name: 2 * info.spec.replicas for info in self.service.list()}

    def running(self) -> dict[str, int]:
        """Processes that run, by cluster."""
        found: dict[str, int] = {}
        for name, _ in servers(self.data_dir):
            found[name] = found.get(name, 0) + 1
        return found

    def pids(self, cluster: str) -> list[int]:
        """Of all its processes, sorted."""
        return sorted(process.pid for name, process in servers(self.data_dir) if name == cluster)

    def kill(self, cluster: str, member: str | None = None) -> None:
        """Kill all its processes, or those of one member."""
        for name, process in servers(self.data_dir):
            if name == cluster and (member is None or any(f"/{member}/" in part for part in process.cmdline())):
                process.kill()
                with suppress(psutil.TimeoutExpired):
                    process.wait(5)

    @contextmanager
    def opened(self, cluster: str, ordinal: int | None = None) -> Iterator[Redis]:
        """A client of one member, or of the master."""
        members = {member.ordinal: (member.host, member.port) for member in self.service.addresses(cluster)}
        host, port = self.discovery.master(cluster) if ordinal is None else members[ordinal]
        client = open_redis(Endpoint(host, port, password=self.driver.password))
        yield client
        close_redis(client)

    def stop_everything(self) -> None:
        """Nothing of the folder runs any more."""
        for _, process in servers(self.data_dir):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for name in self.driver.leftovers():
            self.driver.stop(name)  # waits for their ends, and collects our children


def servers(data_dir: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Server processes of the folder, starting ones too, each with its cluster's name."""
    folder = f"{data_dir}/clusters/"
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            for part in process.info["cmdline"] or []:
                if part.startswith(folder):
                    yield part.removeprefix(folder).split("/")[0], process
                    break


@contextmanager
def reconciling(plane: Plane, **options: Callable[..., object]) -> Iterator[Reconciler]:
    """A reconciler that is closed again."""
    reconciler = Reconciler(plane.service, **options)  # type: ignore[arg-type]
    yield reconciler
    reconciler.close()
