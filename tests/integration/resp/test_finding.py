"""Finding the master by sentinels, some of which are dead, hang, or are behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from framedb.resp import ClusterConnection, MasterClient, find_master, verified_master
from framedb.resp.sentinel import MASTER_NAME
from tests.engines import free_port
from tests.engines.cluster import Cluster, Process, eventually, running_cluster
from tests.engines.valkey import PASSWORD


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three members and their sentinels."""
    with running_cluster(tmp_path_factory.mktemp("c") / "c", sentinels=3) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    """The cluster; what a test paused goes on."""
    yield shared
    for process in [*shared.sentinels, *shared.members]:
        process.go_on()
    eventually(lambda: all(each.answers() for each in [*shared.sentinels, *shared.members]), "all to go on")


def addresses(cluster: Cluster) -> list[tuple[str, int]]:
    return [("127.0.0.1", sentinel.port) for sentinel in cluster.sentinels]


def found(sentinels: list[tuple[str, int]], *, timeout: float = 1.0) -> int | None:
    """Port of the master."""
    master = find_master(sentinels, password=PASSWORD, timeout=timeout)
    return None if master is None else master.port


def test_the_master_is_told_with_its_socket_and_the_process_it_is(cluster: Cluster) -> None:
    connection = cluster.connection()
    master = find_master(
        connection.sentinels, cluster="c", username="default", password=PASSWORD, sockets=connection.sockets
    )
    assert master == connection.master
    assert PASSWORD not in repr(master)


def test_any_living_sentinel_is_enough(cluster: Cluster) -> None:
    dead = [("127.0.0.1", free_port()), ("127.0.0.1", free_port())]
    assert found([*dead, *addresses(cluster)[2:]]) == cluster.master.port


def test_sentinels_that_hang_are_not_waited_for(cluster: Cluster) -> None:
    for sentinel in cluster.sentinels[:2]:
        sentinel.pause()
    # With this timeout the test would not end in time if they were.
    assert found(addresses(cluster), timeout=600.0) == cluster.master.port


def test_nobody_knows_a_master_where_no_sentinel_answers(cluster: Cluster) -> None:
    assert found([]) is None
    assert found([("127.0.0.1", free_port())]) is None
    assert found([("127.0.0.1", cluster.members[0].port)]) is None, "that is no sentinel"
    assert find_master(addresses(cluster), password="wrong") is None


def test_a_master_that_does_not_answer_is_none(cluster: Cluster) -> None:
    master = cluster.master
    master.pause()
    assert verified_master(master.endpoint, timeout=0.2) is None
    master.go_on()
    assert verified_master(master.endpoint) is not None
    assert verified_master(cluster.replicas[0].endpoint) is None


def test_a_server_of_another_cluster_is_not_believed(cluster: Cluster) -> None:
    master = cluster.master
    master.ask("CONFIG SET", "masteruser", "alpha")
    try:
        assert verified_master(master.endpoint, cluster="beta") is None
        assert verified_master(master.endpoint, cluster="alpha") is not None
        assert find_master(addresses(cluster), cluster="beta", password=PASSWORD) is None
    finally:
        master.ask("CONFIG SET", "masteruser", "")


@pytest.fixture
def unwatched(tmp_path: Path) -> Iterator[Cluster]:
    """Two members without sentinels, whose roles only a test changes."""
    with running_cluster(tmp_path / "c", members=2) as cluster:
        yield cluster


def fail_over(cluster: Cluster) -> Process:
    """By hand; the new master."""
    old, new = cluster.members
    new.ask("REPLICAOF", "NO", "ONE")
    old.ask("REPLICAOF", "127.0.0.1", new.port)
    eventually(lambda: cluster.attached() == 1, "the old master to be a replica")
    return new


@contextmanager
def sentinel_of(master: Process, folder: Path) -> Iterator[tuple[str, int]]:
    """A sentinel that was told of that master, and has heard of nothing since."""
    sentinel = Process(folder, sentinel=True)
    sentinel.start(f"sentinel monitor {MASTER_NAME} 127.0.0.1 {master.port} 1", "sentinel resolve-hostnames no")
    eventually(sentinel.answers, "the sentinel to answer")
    yield "127.0.0.1", sentinel.port
    sentinel.kill()


def test_a_sentinel_that_was_away_is_not_believed(unwatched: Cluster, tmp_path: Path) -> None:
    old = unwatched.master
    new = fail_over(unwatched)
    with sentinel_of(old, tmp_path / "behind") as behind, sentinel_of(new, tmp_path / "right") as right:
        assert found([behind]) is None
        assert found([behind, right]) == found([right, behind]) == new.port


def test_a_master_that_was_demoted_is_not_asked_over_a_new_line(unwatched: Cluster) -> None:
    client = MasterClient(unwatched.connection)
    client.run(lambda redis: redis.set("k", "before"))
    old, new = unwatched.master, fail_over(unwatched)
    # It would still answer, with what it has.
    old.ask("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
    new.ask("SET", "k", "after")
    assert client.run(lambda redis: redis.get("k")) == b"after"
    assert client.connection.master.port == new.port
    client.close()


def test_another_server_at_the_address_of_the_master_is_not_taken_for_it(unwatched: Cluster) -> None:
    located: list[ClusterConnection] = []

    def locate() -> ClusterConnection:
        located.append(unwatched.connection())
        return located[-1]

    client = MasterClient(locate)
    client.run(lambda redis: redis.set("k", "before"))
    first = unwatched.master
    first.kill()
    first.start()  # on the same port, and with nothing
    eventually(first.answers, "another server to take its place")
    client.run(lambda redis: redis.get("k"))
    assert [each.master.port for each in located] == [first.port] * 2
    assert located[0].master.run_id != located[1].master.run_id
    client.close()
