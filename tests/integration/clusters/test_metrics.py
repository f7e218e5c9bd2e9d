"""Each cluster has a Prometheus endpoint of its own, if it was made with one."""

from collections.abc import Iterator

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from framedb.clusters.metrics import MetricsExporters

from .planes import MAXMEMORY, Plane, small

http = urllib3.PoolManager(retries=False, timeout=10)


@pytest.fixture
def exporters(plane: Plane) -> Iterator[MetricsExporters]:
    """Exporters that hear of changes."""
    made = MetricsExporters(plane.service, plane.discovery)
    plane.service.changed = made.refresh
    yield made
    made.close()
    http.clear()


def scrape(port: int | None) -> dict[tuple[str, str, str], float]:
    """Values by name, member and role."""
    assert port is not None
    answer = http.request("GET", f"http://127.0.0.1:{port}/metrics", headers={"Connection": "close"})
    assert answer.status == 200
    return {
        (
            sample.name.removeprefix("framedb_cluster_member_"),
            sample.labels["member"],
            sample.labels["role"],
        ): sample.value
        for family in text_string_to_metric_families(answer.data.decode())
        for sample in family.samples
    }


def refuses(port: int) -> bool:
    try:
        http.request("GET", f"http://127.0.0.1:{port}/metrics")
    except urllib3.exceptions.HTTPError:
        return True
    return False


def test_every_member_is_measured_with_each_scrape(plane: Plane, exporters: MetricsExporters) -> None:
    made = plane.service.create(small("a", replicas=2, enable_metrics=True))
    with plane.opened("a") as master:
        master.mset({f"key-{n}": "x" for n in range(10)})
        master.wait(1, 5000)
    values = scrape(made.metrics_port)
    roles = {member: role for name, member, role in values if name == "up"}
    assert sorted(roles.values()) == ["master", "replica"]
    for member, role in roles.items():
        assert values["up", member, role] == values["online", member, role] == 1
        assert values["keys", member, role] == 10
        assert values["maxmemory_bytes", member, role] == MAXMEMORY
        assert values["memory_bytes", member, role] > 0
        assert values["connected_clients", member, role] >= 1
        assert values["commands_total", member, role] > 0
        assert values["rejected_connections_total", member, role] == 0
    lag = {role: value for (name, _, role), value in values.items() if name == "replication_lag_bytes"}
    assert lag.keys() == {"replica"}
    plane.kill("a", "a-redis-node-1")
    assert scrape(made.metrics_port)["up", "a-redis-node-1", "unknown"] == 0


def test_an_endpoint_comes_and_goes_with_its_cluster(plane: Plane, exporters: MetricsExporters) -> None:
    made = plane.service.create(small("a", enable_metrics=True))
    quiet = plane.service.create(small("b"))
    assert quiet.metrics_port is None
    assert made.metrics_port is not None
    plane.service.scale("a", 2)
    assert plane.service.info("a").metrics_port == made.metrics_port
    assert {member for _, member, _ in scrape(made.metrics_port)} == {"a-redis-node-0", "a-redis-node-1"}
    plane.service.remove("a")
    assert refuses(made.metrics_port)


def test_a_page_that_resolves_to_this_machine_reads_no_metrics(plane: Plane, exporters: MetricsExporters) -> None:
    port = plane.service.create(small("a", enable_metrics=True)).metrics_port
    for host in ("rebound.example", "127.0.0.1.rebound.example", "[::1", ""):
        headers = {"Host": host, "Connection": "close"}
        answer = http.request("GET", f"http://127.0.0.1:{port}/metrics", headers=headers)
        assert answer.status == 403, host
        assert b"framedb_cluster" not in answer.data
    assert scrape(port)


def test_an_endpoint_keeps_its_port_and_is_served_once(plane: Plane, exporters: MetricsExporters) -> None:
    port = plane.service.create(small("a", enable_metrics=True)).metrics_port
    assert port is not None
    second = MetricsExporters(plane.service, plane.discovery)
    second.refresh()
    assert plane.service.info("a").metrics_port == port
    exporters.close()
    assert refuses(port)
    second.refresh()
    assert scrape(port)["up", "a-redis-node-0", "master"] == 1
    second.close()
    assert refuses(port)
