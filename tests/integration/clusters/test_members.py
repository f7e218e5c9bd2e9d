"""Clusters of several members: they agree, grow and shrink with their data, and go without a trace."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from framedb.clusters import server
from framedb.clusters.drivers.local import LocalDriver
from framedb.resp import Endpoint, close_redis, open_redis
from framedb.resp.sentinel import sentinel_replicas
from tests.contracts.frame_store import until
from tests.engines.sentinels import check_quorum, failover, sentinel_master
from tests.integration.clusters.members import ONE, THREE, Cluster, writing


def test_three_members_agree(three: Cluster) -> None:
    assert three.driver.healthy(THREE)
    master = three.members[three.master]
    replicas = [member for member in three.members if member != master]
    assert [three.role(member.ordinal) for member in (master, *replicas)] == ["master", "slave", "slave"]
    for host, port in three.sentinels:
        said = sentinel_master(host, port, three.driver.password)
        assert (said["ip"], int(said["port"])) == ("127.0.0.1", master.port)
        assert (said["flags"], said["quorum"]) == ("master", "2")
        assert (said["num-slaves"], said["num-other-sentinels"]) == ("2", "2")
        assert check_quorum(host, port, three.driver.password) is None
        known = sentinel_replicas(host, port, three.driver.password)
        assert {(port, flags) for _, port, flags in known} == {(each.port, "slave") for each in replicas}
    with three.opened(master.ordinal) as client:
        wanted = {"min-replicas-to-write": "1", "repl-diskless-sync-delay": "0"}
        assert client.config_get(*wanted) == wanted
        assert client.config_get("repl-backlog-size") == {"repl-backlog-size": str(THREE.backlog_bytes)}
    before = [three.process(ordinal).pid for ordinal in range(3)]
    assert LocalDriver(three.driver.data_dir).apply(THREE) == three.members
    assert [three.process(ordinal).pid for ordinal in range(3)] == before


def test_a_cluster_grows_and_shrinks_with_its_data(driver: LocalDriver) -> None:
    cluster = Cluster(driver, ONE)
    cluster.apply()
    pid = cluster.process(0).pid
    cluster.put(["a"], copies=0)
    for replicas, quorum in ((3, 2), (2, 2), (1, 1)):
        spec = replace(cluster.spec, replicas=replicas, quorum=quorum)
        members = cluster.apply(spec)
        assert [member.ordinal for member in members] == list(range(replicas))
        assert driver.healthy(spec)
        assert all(cluster.missing(["a"], ordinal) == [] for ordinal in range(replicas))
        for host, port in cluster.sentinels:
            said = sentinel_master(host, port, driver.password)
            assert (said["num-slaves"], said["num-other-sentinels"]) == (str(replicas - 1),) * 2
            assert said["quorum"] == str(quorum)
        assert len(list(server.processes(driver.data_dir))) == 2 * replicas
    assert cluster.process(0).pid == pid
    assert not cluster.folder(1).exists()


def test_a_master_that_goes_hands_over_first(three: Cluster) -> None:
    if three.master != 2:
        make_last_master(three)
    with writing(three) as writer:
        until(lambda: len(writer.acknowledged) > 20, "some writes")
        three.apply(replace(THREE, replicas=2))
        before = len(writer.acknowledged)
        until(lambda: len(writer.acknowledged) > before, "writes to go on")
    assert three.master in (0, 1)
    assert three.missing(list(writer.acknowledged), three.master) == []
    assert three.driver.healthy(replace(THREE, replicas=2))


def test_a_program_on_a_members_port_means_another_port_and_the_old_one_is_forgotten(three: Cluster) -> None:
    acknowledged = three.put(["a"], copies=2)
    three.kill(0)
    old = three.members[0].port
    with listening(old):
        members = three.apply()
        assert members[0].port != old
        assert three.driver.healthy(THREE)
        for host, port in three.sentinels:
            assert old not in [port for _, port, _ in sentinel_replicas(host, port, three.driver.password)]
        assert three.missing(acknowledged, 0) == []


def test_a_cluster_of_debians_redis_works_the_same(tmp_path: Path) -> None:
    driver = LocalDriver(tmp_path, binary="redis-server")
    cluster = Cluster(driver, THREE)
    try:
        prepared: list[Endpoint] = []
        cluster.members = driver.apply(THREE, before_clients=prepared.append)
        assert len(prepared) == 1
        with cluster.opened(0) as client:
            info = client.info("server")
            assert "valkey_version" not in info
            assert str(info["redis_version"]) >= "7.0"
        acknowledged = cluster.put(["a"], copies=2)
        cluster.kill(0)
        cluster.apply()
        assert cluster.master != 0
        assert cluster.missing(acknowledged, 0) == []
        cluster.apply(replace(THREE, replicas=1, quorum=1))
        assert cluster.missing(acknowledged, 0) == []
    finally:
        driver.remove("demo")


def test_a_member_runs_by_hand_and_says_so_when_it_runs_already(driver: LocalDriver) -> None:
    cluster = Cluster(driver, ONE)
    cluster.apply()
    command = "import typer; from framedb.cli.member import member; typer.run(member)"
    started = [sys.executable, "-c", command, str(cluster.folder(0))]
    again = subprocess.run(started, capture_output=True, text=True, check=False, timeout=30)
    assert again.returncode == 75
    assert "runs already" in again.stderr
    cluster.kill(0)
    with subprocess.Popen(started, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: driver.healthy(cluster.spec), "it to be well")
            assert cluster.process(0).pid == process.pid
        finally:
            process.terminate()
    elsewhere = subprocess.run(
        [*started[:3], str(driver.data_dir)], capture_output=True, text=True, check=False, timeout=30
    )
    assert elsewhere.returncode == 1
    assert "is no server's folder" in elsewhere.stderr


def test_removing_leaves_no_process_no_folder_and_no_socket(driver: LocalDriver) -> None:
    (member,) = driver.apply(ONE)
    (other,) = driver.apply(replace(ONE, name="demo-redis-node-1"))
    assert member.uds is not None
    assert other.uds is not None
    driver.remove("demo")
    driver.remove("demo")
    assert driver.leftovers() == ["demo-redis-node-1"]
    # Where a path is long the socket lies in another folder, and their names differ in length.
    folders = {Path(member.uds).parent, Path(other.uds).parent}
    assert [path for folder in folders for path in folder.iterdir() if path.is_socket()] == [Path(other.uds)]
    assert not list(server.processes(driver.data_dir / "clusters" / "demo"))
    assert not (driver.data_dir / "secrets" / "cluster-demo").exists()


@contextmanager
def listening(port: int) -> Iterator[None]:
    """Another program on this port, that says nothing."""
    program = (
        "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "print(flush=True); time.sleep(120)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(port)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def make_last_master(cluster: Cluster) -> None:
    """Have the sentinels choose the member with the highest ordinal: nobody else may be."""
    for ordinal in (0, 1):
        with cluster.opened(ordinal) as client:
            client.config_set("replica-priority", "0")
    others = [cluster.members[ordinal].port for ordinal in (0, 1) if ordinal != cluster.master]
    until(lambda: all(_known_priorities(cluster)[port] == "0" for port in others), "the sentinel to know")
    failover(*cluster.sentinels[0], cluster.driver.password)
    roles = ["slave", "slave", "master"]
    until(lambda: cluster.master == 2 and [cluster.role(each) for each in range(3)] == roles, "it to be master")
    for ordinal in (0, 1):
        with cluster.opened(ordinal) as client:
            client.config_set("replica-priority", "100")


def _known_priorities(cluster: Cluster) -> dict[int, str]:
    """Of each replica, by port, as the first sentinel knows it."""
    client = open_redis(Endpoint(*cluster.sentinels[0], password=cluster.driver.password))
    try:
        found = [
            [part.decode() for part in each] for each in client.execute_command("SENTINEL", "REPLICAS", "mymaster")
        ]
    finally:
        close_redis(client)
    replicas = [dict(zip(each[::2], each[1::2], strict=True)) for each in found]
    return {int(each["port"]): each["slave-priority"] for each in replicas}
