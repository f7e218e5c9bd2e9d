"""A write that was acknowledged as replicated is on the replicas; one that was not says so."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from framedb.errors import NotReplicatedError, StoreUnavailableError
from framedb.frame import CameraKey, Frame, utc_now
from framedb.resp import ClusterConnection, Endpoint, MasterClient, Redis, close_redis, open_redis
from framedb.stores.memory import MemoryStore
from framedb.stores.policy import SourcePolicy
from tests.engines.cluster import Cluster, Process, eventually, running_cluster

SOURCE = "plant-a:gate"
NOW = utc_now()


def frame(number: int, data: bytes = b"x" * 1000) -> Frame:
    key = CameraKey("plant-a", "gate", NOW + timedelta(seconds=number))
    return Frame(str(key), data, source=key.source, captured_at=key.captured_at)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two replicas, without sentinels: nobody changes who is what behind a test's back."""
    with running_cluster(tmp_path_factory.mktemp("c") / "c") as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """The cluster, empty and as it was at the start; whatever a test did to it is undone."""
    first, *others = shared.members
    for each in shared.members:
        each.go_on()
    first.ask("REPLICAOF", "NO", "ONE")
    for setting, value in (("min-replicas-to-write", 0), ("maxmemory", "256mb")):
        for each in shared.members:
            each.ask("CONFIG", "SET", setting, value)
    for other in others:
        attach(other, first)
    eventually(lambda: shared.attached() == 2, "both replicas to be attached")
    client = open_redis(first.endpoint, timeout=30.0)
    client.flushall()
    assert client.wait(2, 20_000) == 2, "a replica that is attached may still be loading"
    close_redis(client)
    yield shared
    for each in shared.members:
        each.go_on()


@pytest.fixture
def store(cluster: Cluster) -> Iterator[MemoryStore]:
    """A store that gives up soon."""
    with MemoryStore(MasterClient(cluster.connection, timeout=0.5, wait=1.0)) as memory:
        yield memory


@pytest.fixture
def patient(cluster: Cluster) -> Iterator[MemoryStore]:
    """A store that waits for what a test does meanwhile."""
    with MemoryStore(MasterClient(cluster.connection, timeout=20.0, wait=30.0)) as memory:
        yield memory


def attach(replica: Process, master: Process) -> None:
    replica.ask("REPLICAOF", "127.0.0.1", master.port)


def detach(*replicas: Process) -> None:
    for replica in replicas:
        replica.ask("REPLICAOF", "NO", "ONE")


def test_an_acknowledged_write_is_on_every_replica(cluster: Cluster, store: MemoryStore) -> None:
    for number in range(20):
        assert store.put(frame(number), replicated=True)
        for replica in cluster.replicas:
            assert replica.ask("GET", frame(number).key) == frame(number).data
            assert replica.ask("HEXISTS", f"fdb:{SOURCE}:m", frame(number).key)


def test_frames_of_many_batches_and_sources_are_replicated_together(cluster: Cluster, patient: MemoryStore) -> None:
    frames = [frame(number, bytes([number]) * 3_000_000) for number in range(6)]
    frames += [Frame(f"other:{number}", b"data", source="other") for number in range(300)]
    assert all(patient.put_many(frames, replicated=True))
    for replica in cluster.replicas:
        assert replica.ask("MGET", *(each.key for each in frames)) == [each.data for each in frames]


def test_a_replica_that_hangs_leaves_the_write_standing_and_unacknowledged(
    cluster: Cluster, store: MemoryStore
) -> None:
    hanging = cluster.replicas[0]
    hanging.pause()
    with pytest.raises(NotReplicatedError, match="1 of 2 replicas confirmed the write"):
        store.put(frame(0), replicated=True)
    assert store.get(frame(0).key) == frame(0)
    assert store.put(frame(1)), "a plain write asks nobody"
    hanging.go_on()
    eventually(lambda: hanging.answers(), "the replica to go on")
    assert store.put(frame(0), replicated=True), "the same write may be repeated"
    assert hanging.ask("GET", frame(0).key) == frame(0).data
    assert store.stats(SOURCE).count == 2


def test_half_of_the_members_are_enough_when_the_others_are_detached(cluster: Cluster, store: MemoryStore) -> None:
    gone, left = cluster.replicas
    detach(gone)
    eventually(lambda: len(cluster.members[0].ask("ROLE")[2]) == 1, "the master to notice")
    assert store.put(frame(0), replicated=True)
    assert left.ask("EXISTS", frame(0).key)
    assert not gone.ask("EXISTS", frame(0).key)


def test_no_replica_at_all_is_not_enough(cluster: Cluster, store: MemoryStore) -> None:
    detach(*cluster.replicas)
    eventually(lambda: not cluster.members[0].ask("ROLE")[2], "the master to notice")
    with pytest.raises(NotReplicatedError, match="0 of 1 replicas"):
        store.put(frame(0), replicated=True)
    assert store.get(frame(0).key) == frame(0)


def test_members_that_are_wanted_count_and_not_only_those_that_run(cluster: Cluster) -> None:
    def five() -> ClusterConnection:
        return replace(cluster.connection(), members=5)

    with MemoryStore(MasterClient(five, timeout=0.5)) as store:
        assert store.put(frame(0), replicated=True), "two replicas and the master are most of five"
        detach(cluster.replicas[0])
        eventually(lambda: len(cluster.members[0].ask("ROLE")[2]) == 1, "the master to notice")
        with pytest.raises(NotReplicatedError, match="1 of 2 replicas"):
            store.put(frame(1), replicated=True)


def test_with_one_member_nothing_is_written(valkey: Endpoint, redis: Redis) -> None:
    with (
        MemoryStore(MasterClient.fixed(valkey)) as store,
        pytest.raises(NotReplicatedError, match=r"nothing was written: scale it to three \(`framedb cluster scale`\)"),
    ):
        store.put(frame(0), replicated=True)
    assert redis.dbsize() == 0


def test_a_cluster_that_was_scaled_since_is_known_by_its_members_of_now(cluster: Cluster) -> None:
    told = iter([1])

    def scaled() -> ClusterConnection:
        return replace(cluster.connection(), members=next(told, 3))

    with MemoryStore(MasterClient(scaled)) as store:
        assert store.put(frame(0))
        assert store.put(frame(0), replicated=True)


def test_a_master_short_of_replicas_takes_no_write_and_says_why(cluster: Cluster, store: MemoryStore) -> None:
    store.put(frame(0))
    cluster.members[0].ask("CONFIG", "SET", "min-replicas-to-write", 1)
    detach(*cluster.replicas)
    eventually(lambda: not cluster.members[0].ask("ROLE")[2], "the master to notice")
    with pytest.raises(StoreUnavailableError, match="too few of its replicas are attached"):
        store.put(frame(1))
    with pytest.raises(NotReplicatedError, match="nothing was written"):
        store.put(frame(1), replicated=True)
    with pytest.raises(StoreUnavailableError, match="min-replicas-to-write"):
        store.delete(frame(0).key)
    assert store.get(frame(0).key) == frame(0)
    assert store.get(frame(1).key) is None


@pytest.mark.parametrize("replicated", [False, True])
def test_a_write_waits_for_replicas_that_come_back(cluster: Cluster, patient: MemoryStore, replicated: bool) -> None:
    master, gone = cluster.members[0], cluster.replicas
    master.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    detach(*gone)
    eventually(lambda: not master.ask("ROLE")[2], "the master to notice")
    master.ask("CONFIG RESETSTAT")
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(patient.put, frame(0), replicated=replicated)
        eventually(lambda: "errorstat_NOREPLICAS" in master.ask("INFO", "errorstats"), "it to be refused")
        attach(gone[0], master)
        assert writing.result(30)
    assert patient.get(frame(0).key) == frame(0)


def test_a_full_store_makes_room_for_replicated_writes(cluster: Cluster, patient: MemoryStore) -> None:
    cluster.members[0].ask(
        "CONFIG", "SET", "maxmemory", cluster.members[0].ask("INFO", "memory")["used_memory"] + 32_000_000
    )
    patient.set_policy(SOURCE, SourcePolicy())
    for number in range(30):
        assert patient.put(frame(number, bytes([number]) * 3_000_000), replicated=True)
        for replica in cluster.replicas:
            assert replica.ask("STRLEN", frame(number).key) == 3_000_000
    stats = patient.stats(SOURCE)
    assert stats.count + stats.drops["evicted-unread"] == 30
    assert stats.drops["evicted-unread"] > 0


def test_a_frame_that_the_policy_turned_away_needs_no_replicas(cluster: Cluster, store: MemoryStore) -> None:
    store.set_policy(SOURCE, SourcePolicy("drop-newest", max_frames=1))
    assert store.put(frame(0), replicated=True)
    cluster.replicas[0].pause()
    for number in (1, 2):
        assert store.put(frame(number), replicated=True).dropped == "drop-newest"


def test_a_server_that_forgot_the_functions_is_given_them(cluster: Cluster, store: MemoryStore) -> None:
    cluster.members[0].ask("FUNCTION FLUSH")
    assert store.put(frame(0), replicated=True)
    for replica in cluster.replicas:
        assert replica.ask("HEXISTS", f"fdb:{SOURCE}:m", frame(0).key)


def test_a_write_whose_master_is_demoted_while_it_waits_is_repeated_on_the_new_one(
    cluster: Cluster, patient: MemoryStore
) -> None:
    old, (hanging, new) = cluster.members[0], cluster.replicas
    assert patient.put(frame(0), replicated=True)
    hanging.pause()
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(patient.put, frame(1), replicated=True)
        eventually(lambda: old.ask("INFO", "clients")["blocked_clients"] == 1, "it to wait for the replicas")
        detach(new)
        attach(old, new)
        assert writing.result(60)
    assert new.ask("MGET", frame(0).key, frame(1).key) == [frame(0).data, frame(1).data]
    assert old.ask("EXISTS", frame(1).key)


def test_an_acknowledged_write_survives_the_master(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "c") as cluster:
        master, *others = cluster.members
        with MemoryStore(MasterClient(cluster.connection)) as store:
            for number in range(50):
                assert store.put(frame(number, bytes([number]) * 100_000), replicated=True)
            master.kill()
            detach(others[0])
            assert [each for each in store.get_many([frame(n).key for n in range(50)]) if each is None] == []
