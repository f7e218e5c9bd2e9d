"""Clusters of several members: they agree, fail over, come back, grow and shrink, and lose nothing that was acknowledged."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from framedb.clusters import server
from framedb.clusters.drivers.base import Member
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.server_spec import read_spec
from framedb.clusters.spec import ClusterSpec, SentinelSettings
from framedb.errors import ConflictError, EngineError, InsufficientRoomError, NotFoundError, StoreError
from framedb.resp import Endpoint, Redis, close_redis, open_redis, translated
from framedb.resp.sentinel import sentinel_replicas
from tests.contracts.frame_store import until
from tests.engines.sentinels import ask_sentinels, check_quorum, failover, sentinel_master

MiB = 2**20
THREE = ClusterSpec("demo", replicas=3, quorum=2, maxmemory_bytes=32 * MiB)
SEVERAL = 2
"""Repetitions of a fault when not soaking."""


class Cluster:
    """A cluster that runs, and what a test does to it."""

    def __init__(self, driver: LocalDriver, spec: ClusterSpec) -> None:
        self.driver = driver
        self.spec = spec
        self.members: list[Member] = []

    def apply(self, spec: ClusterSpec | None = None) -> list[Member]:
        self.spec = spec or self.spec
        self.members = self.driver.apply(self.spec)
        return self.members

    @property
    def sentinels(self) -> list[tuple[str, int]]:
        return [(member.host, member.sentinel_port) for member in self.members]

    @property
    def master(self) -> int:
        """Ordinal of the member that most of the sentinels name."""
        address = ask_sentinels(self.sentinels, password=self.driver.password)
        return next(each.ordinal for each in self.members if (each.host, each.port) == address)

    @contextmanager
    def opened(self, ordinal: int) -> Iterator[Redis]:
        member = self.members[ordinal]
        client = open_redis(Endpoint(member.host, member.port, password=self.driver.password), timeout=2.0)
        try:
            with translated(member.name):
                yield client
        finally:
            close_redis(client)

    def folder(self, ordinal: int, *, sentinel: bool = False) -> Path:
        folder = self.driver.data_dir / "clusters" / self.spec.name / self.spec.member_name(ordinal)
        return folder / "sentinel" if sentinel else folder

    def process(self, ordinal: int, *, sentinel: bool = False) -> psutil.Process:
        spec = read_spec(self.folder(ordinal, sentinel=sentinel))
        assert spec is not None
        process = server.holder(spec)
        assert process is not None
        return process

    def kill(self, ordinal: int, *, sentinel: bool = False) -> None:
        process = self.process(ordinal, sentinel=sentinel)
        process.kill()
        until(lambda: not _lives(process), "it to be dead")

    def put(self, keys: list[str], *, copies: int) -> list[str]:
        """Those of the keys whose write was acknowledged by so many replicas."""
        with self.opened(self.master) as client:
            client.mset(dict.fromkeys(keys, "x"))
            return keys if client.wait(copies, 2000) >= copies else []

    def missing(self, keys: list[str], ordinal: int) -> list[str]:
        with self.opened(ordinal) as client:
            return [key for key, value in zip(keys, client.mget(keys), strict=True) if value is None]

    def role(self, ordinal: int) -> str:
        with suppress(StoreError), self.opened(ordinal) as client:
            return str(client.execute_command("ROLE")[0].decode())
        return "no answer"


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[LocalDriver]:
    made = LocalDriver(tmp_path)
    yield made
    for name in made.leftovers():
        made.remove(name)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    driver = LocalDriver(tmp_path_factory.mktemp("three"))
    yield Cluster(driver, THREE)
    driver.remove("demo")


@pytest.fixture
def three(shared: Cluster) -> Cluster:
    """Three members that are well, whatever the test before did to them."""
    shared.apply(THREE)
    return shared


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


def test_a_master_that_dies_is_followed_by_another_and_comes_back_as_a_replica_with_the_data(three: Cluster) -> None:
    acknowledged = three.put(["a", "b"], copies=2)
    assert acknowledged == ["a", "b"]
    dead = three.master
    three.kill(dead)
    assert not three.driver.healthy(THREE)
    three.apply()
    assert three.driver.healthy(THREE)
    assert three.master != dead
    assert three.role(dead) == "slave"
    assert [three.missing(acknowledged, ordinal) for ordinal in range(3)] == [[], [], []]


def test_no_acknowledged_write_is_lost_when_a_dead_master_is_started_again_at_once(three: Cluster, soak: int) -> None:
    with ExitStack() as started, writing(three) as writer:
        for repetition in range(soak or SEVERAL):
            dead = three.master
            three.kill(dead)
            killed, before = time.monotonic(), list(writer.acknowledged)
            time.sleep(0.05 * (repetition % 4))
            started.enter_context(by_hand(three, dead))
            until(lambda: len(writer.acknowledged) > len(before), "writes to go on")  # noqa: B023
            print(f"writes went on {time.monotonic() - killed:.2f} s after the master was killed")
            until(lambda: three.driver.healthy(THREE), "all to be well", seconds=40)
            assert three.master != dead
            assert three.missing(list(writer.acknowledged), three.master) == []
            assert three.missing(before, dead) == []


def test_members_that_all_died_come_back_empty_and_work(three: Cluster) -> None:
    three.put(["a"], copies=2)
    for ordinal in range(3):
        three.kill(ordinal)
    prepared: list[Endpoint] = []
    three.driver.apply(THREE, before_clients=prepared.append)
    assert len(prepared) == 1
    assert three.driver.healthy(THREE)
    assert three.missing(["a"], three.master) == ["a"]
    assert three.put(["b"], copies=2) == ["b"]


def test_members_that_all_died_and_are_started_by_hand_find_a_master(three: Cluster) -> None:
    three.put(["a"], copies=2)
    for ordinal in range(3):
        three.kill(ordinal)
    with by_hand(three, 2), by_hand(three, 1), by_hand(three, 0):
        until(lambda: three.driver.healthy(THREE), "all to be well", seconds=40)
        assert three.put(["b"], copies=2) == ["b"]


def test_an_empty_member_is_never_chosen_while_another_has_data(three: Cluster) -> None:
    # All sentinels name the dead master, and none of them lives when it comes back: it must not trust its own emptiness.
    acknowledged = three.put(["a"], copies=2)
    dead = three.master
    for ordinal in range(3):
        three.kill(ordinal, sentinel=True)
    three.kill(dead)
    with by_hand(three, dead) as program:
        until(lambda: server.is_starting(psutil.Process(program.pid)), "the program to look around")
        three.apply()
        assert three.driver.healthy(THREE)
        assert three.master != dead
        assert three.missing(acknowledged, dead) == []


def test_a_sentinel_that_died_is_started_again_and_not_counted_twice(three: Cluster) -> None:
    three.kill(1, sentinel=True)
    assert not three.driver.healthy(THREE)
    three.apply()
    for host, port in three.sentinels:
        said = sentinel_master(host, port, three.driver.password)
        assert (said["num-slaves"], said["num-other-sentinels"]) == ("2", "2")
    assert three.driver.healthy(THREE)


def test_a_sentinel_that_names_another_master_than_the_others_is_put_right(three: Cluster) -> None:
    # As one that believes, in the epoch of the new master, in the old one, which is a replica by now.
    master, host, port = three.master, *three.sentinels[2]
    old = three.members[(master + 1) % 3]
    client = open_redis(Endpoint(host, port, password=three.driver.password))
    client.execute_command("SENTINEL", "REMOVE", "mymaster")
    client.execute_command("SENTINEL", "MONITOR", "mymaster", old.host, old.port, 2)
    close_redis(client)
    assert not three.driver.healthy(THREE)
    three.apply()
    assert three.driver.healthy(THREE)
    assert three.master == master


def test_a_member_may_not_be_chosen_before_it_has_a_copy(three: Cluster) -> None:
    patient = replace(THREE, sentinel=SentinelSettings(down_after_ms=60_000))
    three.apply(patient)
    master = three.master
    waiting = (master + 1) % 3
    three.kill(waiting)
    three.process(master).suspend()
    try:
        with by_hand(three, waiting):
            until(lambda: _priority(three, waiting) == 0, "it to run without a copy")
            three.process(master).resume()
            until(lambda: _priority(three, waiting) == 100, "it to have one")
            assert three.driver.healthy(patient)
    finally:
        three.process(master).resume()


def test_a_cluster_grows_and_shrinks_with_its_data(driver: LocalDriver) -> None:
    cluster = Cluster(driver, ClusterSpec("demo", maxmemory_bytes=32 * MiB))
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


def test_removing_leaves_no_process_no_folder_and_no_socket(driver: LocalDriver) -> None:
    one = ClusterSpec("demo", maxmemory_bytes=32 * MiB)
    (member,) = driver.apply(one)
    (other,) = driver.apply(replace(one, name="demo-redis-node-1"))
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


def test_a_driver_that_is_killed_at_any_moment_leaves_nothing_that_the_next_cannot_put_right(
    driver: LocalDriver, soak: int
) -> None:
    chance = random.Random(7)
    program = (
        "import sys; from pathlib import Path\n"
        "from framedb.clusters.drivers.local import LocalDriver; from framedb.clusters.spec import ClusterSpec\n"
        "replicas = int(sys.argv[2]); driver = LocalDriver(Path(sys.argv[1])); print(flush=True)\n"
        "spec = ClusterSpec('demo', replicas=max(replicas, 1), quorum=replicas // 2 + 1, maxmemory_bytes=2**25)\n"
        "driver.apply(spec) if replicas else driver.remove('demo')"
    )
    for replicas, then in [(3, 2), (2, 0), (0, 1)] * max(1, soak // 3):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(driver.data_dir), str(replicas)], stdout=subprocess.PIPE
        ) as changing:
            assert changing.stdout is not None
            changing.stdout.readline()
            time.sleep(chance.random() * 1.5)
            changing.kill()
        if then:
            spec = ClusterSpec("demo", replicas=then, quorum=then // 2 + 1, maxmemory_bytes=32 * MiB)
            driver.apply(spec)
            assert driver.healthy(spec)
            assert driver.found() == [spec]
        else:
            driver.remove("demo")
            assert driver.leftovers() == []
        assert len(list(server.processes(driver.data_dir))) == 2 * then


def test_what_a_crash_left_of_a_cluster_can_be_removed_and_made_anew(driver: LocalDriver) -> None:
    folder = driver.data_dir / "clusters" / "demo"
    (folder / "demo-redis-node-0").mkdir(parents=True)
    (folder / "cluster.json").write_text("{")
    assert driver.leftovers() == ["demo"]
    assert driver.found() == []
    driver.remove("demo")
    assert driver.leftovers() == []
    (folder / "demo-redis-node-0").mkdir(parents=True)
    (folder / "demo-redis-node-0" / "server.json").write_text("")
    assert len(driver.apply(ClusterSpec("demo", maxmemory_bytes=32 * MiB))) == 1


def test_two_drivers_at_once_take_turns(driver: LocalDriver) -> None:
    other = LocalDriver(driver.data_dir)
    spec = ClusterSpec("demo", maxmemory_bytes=32 * MiB)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda each: each.apply(spec), [driver, other, driver, other]))
    assert answers == [answers[0]] * 4
    assert len(list(server.processes(driver.data_dir))) == 2


def test_a_cluster_that_somebody_changes_is_refused_to_others_until_they_let_go_or_die(driver: LocalDriver) -> None:
    program = (
        "import sys, time; from pathlib import Path; from framedb.clusters.drivers.local import LocalDriver\n"
        "with LocalDriver(Path(sys.argv[1])).exclusively('demo'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(driver.data_dir)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError, match="demo is being changed"), driver.exclusively("demo", wait=0):
            pass
        with driver.exclusively("another"):
            pass
        holder.kill()
    with driver.exclusively("demo", wait=5), driver.exclusively("demo", wait=0):
        refused = []

        def intrude() -> None:
            with suppress(ConflictError), driver.exclusively("demo", wait=0):
                refused.append("let in")

        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
        assert refused == []


def test_what_the_machine_cannot_hold_is_refused(tmp_path: Path) -> None:
    driver = LocalDriver(tmp_path, memory_bytes=1024 * MiB, ports=range(31000, 31008))
    fits = ClusterSpec("a", replicas=2, maxmemory_bytes=128 * MiB)
    driver.check_room([fits], [])
    with pytest.raises(InsufficientRoomError, match=r"4 more members need 864 MiB, and 592 of the 1,024 MiB"):
        driver.check_room([fits, fits], [fits])
    with pytest.raises(InsufficientRoomError, match="10 ports are needed, and 8 from 31000 to 31007 are free"):
        driver.check_room([ClusterSpec("a", replicas=5, maxmemory_bytes=16 * MiB)], [])


def test_without_free_ports_nothing_is_left_of_a_new_cluster(tmp_path: Path) -> None:
    driver = LocalDriver(tmp_path, ports=range(31010, 31011))
    with pytest.raises(InsufficientRoomError, match="no free port from 31010 to 31010"):
        driver.apply(ClusterSpec("demo", maxmemory_bytes=32 * MiB))
    assert driver.leftovers() == []


def test_on_a_full_disk_nothing_is_left_of_a_new_cluster(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from framedb.clusters.drivers.local import LocalDriver; from framedb.clusters.spec import ClusterSpec\n"
        "driver = LocalDriver(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "driver.apply(ClusterSpec('demo', replicas=3, quorum=2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "framedb.errors.EngineError: cluster demo: File too large" in done.stderr
    assert LocalDriver(tmp_path).leftovers() == []


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


def test_a_binary_that_is_not_there_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is no program no-such-server"):
        LocalDriver(tmp_path, binary="no-such-server")


def test_a_snapshot_of_a_member_that_died_is_kept_and_not_loaded(driver: LocalDriver) -> None:
    cluster = Cluster(driver, ClusterSpec("demo", maxmemory_bytes=32 * MiB, settings={"save": "900 1"}))
    cluster.apply()
    cluster.put(["a"], copies=0)
    with cluster.opened(0) as client:
        client.save()
    cluster.kill(0)
    cluster.apply()
    assert cluster.missing(["a"], 0) == ["a"]
    (kept,) = (driver.data_dir / "clusters" / "demo" / "snapshots").iterdir()
    assert kept.read_bytes().startswith((b"REDIS", b"VALKEY"))


def test_the_machine_has_a_label(driver: LocalDriver) -> None:
    (node,) = driver.nodes()
    assert node.labels == {}
    assert driver.label(node.name, "west").labels == {"framedb": "west"}
    assert LocalDriver(driver.data_dir).nodes()[0].labels == {"framedb": "west"}
    with pytest.raises(NotFoundError, match="framedb=east"):
        driver.unlabel(node.name, "east")
    assert driver.unlabel(node.name, "west") == node
    with pytest.raises(NotFoundError, match="no node elsewhere"):
        driver.label("elsewhere", "west")


def test_a_member_runs_by_hand_and_says_so_when_it_runs_already(driver: LocalDriver) -> None:
    cluster = Cluster(driver, ClusterSpec("demo", maxmemory_bytes=32 * MiB))
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


class Writer(threading.Thread):
    """Writes one key after another to whoever is master, each acknowledged by a replica."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(name="writer")
        self.acknowledged: list[str] = []
        self.stopped = threading.Event()
        self._cluster = cluster

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set():
            with suppress(StoreError, StopIteration), self._cluster.opened(self._cluster.master) as client:
                while not self.stopped.is_set():
                    number += 1
                    key = f"key-{number}"
                    if _replicated(client, key):
                        self.acknowledged.append(key)
            self.stopped.wait(0.02)


@contextmanager
def writing(cluster: Cluster) -> Iterator[Writer]:
    writer = Writer(cluster)
    writer.start()
    try:
        yield writer
    finally:
        writer.stopped.set()
        writer.join()


@contextmanager
def by_hand(cluster: Cluster, ordinal: int) -> Iterator[subprocess.Popen[bytes]]:
    """A member, as somebody would start it; stopped afterwards."""
    folder = cluster.folder(ordinal)
    log = folder / "valkey.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "framedb.clusters.member", str(folder)], stdout=stream, stderr=stream
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


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


def _priority(cluster: Cluster, ordinal: int) -> int:
    """What a replica says of itself; -1 if it does not answer."""
    with suppress(StoreError), cluster.opened(ordinal) as client:
        return int(client.info("replication")["slave_priority"])
    return -1


def _replicated(client: Redis, key: str) -> bool:
    """As DESIGN has it: by every attached replica, and by at least half of the members."""
    with client.pipeline() as transaction:
        transaction.set(key, "x")
        transaction.execute_command("ROLE")
        *_, role = transaction.execute()
    return bool(int(client.execute_command("WAIT", max(len(role[2]), 1), 2000)) >= max(len(role[2]), 1))


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
