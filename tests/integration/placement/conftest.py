"""Sources on real servers: one Valkey per cluster, without sentinels, which a cluster of one member can do without here."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from framedb.clusters.drivers.base import Member, NodeInfo
from framedb.clusters.service import ClusterService
from framedb.clusters.spec import ClusterSpec
from framedb.config import MiB
from framedb.errors import NotFoundError
from framedb.frame import CameraKey, Frame, utc_now
from framedb.placement.channel import ControlChannel
from framedb.placement.connections import Connections
from framedb.placement.placement import Placement
from framedb.resp import Endpoint, Redis, close_redis, open_redis
from framedb.routing import SQLLocator
from framedb.stores.memory import MemoryStore
from framedb.stores.policy import SourcePolicy
from framedb.tiering.tiers import Tiers
from tests.engines.valkey import PASSWORD, running_valkey

SOURCE = "plant-a:gate"
DEFAULT = SourcePolicy(ttl_s=3600.0, max_bytes=32 * MiB)


class BareServers:
    """A driver whose clusters are one server each."""

    installation = "tests"
    password = PASSWORD

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[ExitStack, ClusterSpec, Member]] = {}
        self._locks: dict[str, threading.RLock] = {}

    def check_room(self, wanted: Sequence[ClusterSpec], running: Sequence[ClusterSpec]) -> None:
        """There is always room."""

    def apply(self, spec: ClusterSpec, *, before_clients: Callable[[Endpoint], None] | None = None) -> list[Member]:
        """Start the server, unless it runs."""
        if spec.name not in self._running:
            stack, folder = ExitStack(), self._folder / spec.name
            folder.mkdir(exist_ok=True)
            endpoint = stack.enter_context(running_valkey(folder, maxmemory=str(spec.maxmemory_bytes)))
            member = Member(0, spec.member_name(0), endpoint.host, endpoint.port, 1, endpoint.uds)
            self._running[spec.name] = stack, spec, member
            if before_clients is not None:
                before_clients(endpoint)
        return [self._running[spec.name][2]]

    def healthy(self, spec: ClusterSpec) -> bool:
        """Whether it runs."""
        return spec.name in self._running

    def stop(self, name: str) -> None:
        """Stop the server."""
        if name in self._running:
            self._running.pop(name)[0].close()

    remove = stop

    def found(self) -> list[ClusterSpec]:
        """What runs."""
        return [spec for _, spec, _ in self._running.values()]

    def leftovers(self) -> list[str]:
        """What runs."""
        return sorted(self._running)

    def exclusively(self, name: str, wait: float = 30) -> AbstractContextManager[Any]:
        """A lock among threads: the tests are one process."""
        return self._locks.setdefault(name, threading.RLock())

    def nodes(self) -> list[NodeInfo]:
        """None is told."""
        return []

    def label(self, node: str, framedb_name: str) -> NodeInfo:
        """No node has a label."""
        raise NotFoundError(node)

    unlabel = label


class Site:
    """Placement over real servers, and what the tests look at."""

    def __init__(self, engine: Engine, folder: Path, control: Endpoint) -> None:
        self.engine = engine
        self.driver = BareServers(folder)
        self.clusters = ClusterService(engine, self.driver)
        self.connections = Connections(self.clusters, password=PASSWORD, control=control, timeout=2.0, wait=1.0)
        self.channel = ControlChannel(lambda: open_redis(control, timeout=2.0))
        self.routing = SQLLocator(engine)
        self.placement = self.placement_of("local")
        self.tiers = Tiers(self.placement, None, timeout=2.0, wait=5.0)

    def placement_of(self, node_tag: str) -> Placement:
        """Placement as a node of that tag would have it."""
        routing = SQLLocator(self.engine, node_tag=node_tag)
        return Placement(routing, self.connections, self.clusters, default=DEFAULT, channel=self.channel)

    def create(self, *names: str, node_tag: str = "local", maxmemory_bytes: int = 128 * MiB, **wanted: Any) -> None:
        """Make clusters."""
        for name in names:
            self.clusters.create(ClusterSpec(name, node_tag=node_tag, maxmemory_bytes=maxmemory_bytes, **wanted))

    def store(self, cluster: str) -> MemoryStore:
        """The frames of a cluster."""
        return self.connections.memory(cluster)

    def epoch(self, cluster: str, source: str = SOURCE) -> int:
        """The epoch that the cluster has been told."""
        return int(self.store(cluster).policy(source).get("epoch", 0))

    @contextmanager
    def client(self) -> Iterator[Tiers]:
        """A reader and writer that has not asked for any route yet."""
        tiers = Tiers(self.placement, None, timeout=2.0, wait=5.0)
        yield tiers
        tiers.close()

    def close(self) -> None:
        """Stop everything."""
        self.tiers.close()
        self.connections.close()
        self.channel.close()
        for name in self.driver.leftovers():
            self.driver.stop(name)


@pytest.fixture
def site(engine: Engine, tmp_path: Path, valkey: Endpoint) -> Iterator[Site]:
    """A site without clusters."""
    site = Site(engine, tmp_path, valkey)
    try:
        yield site
    finally:
        site.close()


class Listener:
    """What readers are told on the control channel."""

    def __init__(self, client: Redis) -> None:
        self._channel = client.pubsub(ignore_subscribe_messages=False)
        self._channel.psubscribe("*__routing_updates")
        assert self._channel.get_message(timeout=5.0)["type"] == "psubscribe"

    def next(self) -> tuple[str, str, dict[str, Any]]:
        """(source, command, payload) of the next message."""
        message = self._channel.get_message(timeout=5.0)
        assert message is not None, "nothing was published"
        source = message["channel"].decode().removesuffix("__routing_updates")
        told = json.loads(message["data"])
        assert set(told) == {"command", "payload"}
        return source, told["command"], told["payload"]

    def commands(self, number: int) -> list[str]:
        """The commands of the next messages."""
        return [self.next()[1] for _ in range(number)]

    def close(self) -> None:
        """Stop listening."""
        self._channel.close()


@pytest.fixture
def listener(redis: Redis, valkey: Endpoint) -> Iterator[Listener]:
    """Hears every message from now on."""
    client = open_redis(valkey)
    listener = Listener(client)
    yield listener
    listener.close()
    close_redis(client)


def frames_of(source: str = SOURCE, *, number: int, size: int = 1000, start: int = 0) -> list[Frame]:
    """Camera frames, a second apart, that ended a moment ago."""
    site, camera = source.split(":")
    newest = utc_now()
    return [
        Frame(str(CameraKey(site, camera, newest + timedelta(seconds=n - 3600))), bytes([n % 251]) * size)
        for n in range(start, start + number)
    ]
