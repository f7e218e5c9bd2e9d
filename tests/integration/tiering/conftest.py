"""Two clusters, and routes between them that a test changes."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from framedb.errors import NodeUnavailableError, NotFoundError
from framedb.resp import NOWHERE, ClusterConnection, Endpoint, Redis, close_redis, open_redis
from framedb.tiering import routes
from tests.engines.valkey import running_valkey


class Map:
    """A locator whose routes stand in the test itself."""

    def __init__(self, clusters: dict[str, Endpoint]) -> None:
        self.clusters = clusters
        self.members: dict[str, int] = {}
        self.routes: dict[str, ClusterConnection] = {}
        self.asked = 0
        self.is_down = False

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """As `Locator.connection`; a source nobody placed is on the first cluster."""
        self.asked += 1
        if self.is_down:
            raise NodeUnavailableError("no node answers")
        if source is not None:
            return self.routes.get(source) or self._to(next(iter(self.clusters)))
        if framedb_id not in self.clusters:
            raise NotFoundError(f"Cluster {framedb_id} does not exist")
        return self._to(framedb_id)

    def place(self, source: str, cluster: str | None, **more: object) -> ClusterConnection:
        """Change what is answered for the source, and raise its epoch, as `placement` does."""
        old = self.connection(source=source)
        endpoint = NOWHERE if cluster is None else self.clusters[cluster]
        fields = {"cluster": cluster, "master": endpoint, "epoch": (old.epoch or 0) + 1, **more}
        self.routes[source] = replace(old, **fields)  # type: ignore[arg-type]
        return self.routes[source]

    def _to(self, cluster: str) -> ClusterConnection:
        return ClusterConnection(
            cluster, self.clusters[cluster], epoch=1, durable=False, members=self.members.get(cluster, 1)
        )


@pytest.fixture(scope="package")
def second_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Another server: what a source is moved to."""
    with running_valkey(tmp_path_factory.mktemp("second")) as endpoint:
        yield endpoint


@pytest.fixture
def places(valkey: Endpoint, redis: Redis, second_valkey: Endpoint) -> Map:
    """Two empty clusters, `old` and `new`; every source is on the old one."""
    client = open_redis(second_valkey)
    client.flushall()
    close_redis(client)
    return Map({"old": valkey, "new": second_valkey})


@pytest.fixture
def no_ageing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes are asked for whenever a fresh one is wanted, rather than two seconds later."""
    monkeypatch.setattr("framedb.tiering.memory.ROUTE_AGE", 0.0)
    monkeypatch.setattr("framedb.tiering.tiers.ROUTE_AGE", 0.0)
    assert routes.ROUTE_AGE == 2.0
