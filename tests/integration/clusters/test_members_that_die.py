"""Members and sentinels die, all of them too: another master is found, and what was acknowledged is not lost."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import psutil

from framedb.clusters import server
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.spec import ClusterSpec, SentinelSettings
from framedb.config import MiB
from framedb.errors import StoreError
from framedb.resp import Endpoint, close_redis, open_redis
from tests.contracts.frame_store import until
from tests.engines.sentinels import sentinel_master
from tests.integration.clusters.members import THREE, Cluster, writing

SEVERAL = 2
"""Repetitions of a fault when not soaking."""


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


def _priority(cluster: Cluster, ordinal: int) -> int:
    """What a replica says of itself; -1 if it does not answer."""
    with suppress(StoreError), cluster.opened(ordinal) as client:
        return int(client.info("replication")["slave_priority"])
    return -1
