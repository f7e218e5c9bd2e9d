"""A master dies or hangs: readers and writers find the new one, and what was acknowledged as replicated is there."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from framedb.errors import NodeUnavailableError, NotReplicatedError
from framedb.frame import CameraKey, Frame, utc_now
from framedb.resp import ClusterConnection
from framedb.tiering.tiers import Tiers
from tests.engines.cluster import Cluster, eventually, running_cluster

SOURCE = "plant-a:gate"
NOW = utc_now()


class Node:
    """Answers until it goes down."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.is_down = False

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """The cluster, as it is now."""
        if self.is_down:
            raise NodeUnavailableError("no node answers")
        return self._cluster.connection(durable=False)


class Writer:
    """Writes one replicated frame after another, each until it is acknowledged."""

    def __init__(self, tiers: Tiers) -> None:
        self._tiers = tiers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged: list[Frame] = []
        self.failures: list[BaseException] = []

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def writes_again(self) -> None:
        """Return once five more frames are acknowledged."""
        enough = len(self.acknowledged) + 5
        eventually(lambda: len(self.acknowledged) >= enough or self.failures, "the writer to go on", within=30)
        assert not self.failures, self.failures

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            each = frame(number)
            try:
                self._tiers.put(each, replicated=True)
            except NotReplicatedError:
                continue  # the same again
            except Exception as exc:
                self.failures.append(exc)
                return
            self.acknowledged.append(each)
            number += 1


def frame(number: int) -> Frame:
    key = CameraKey("plant-a", "gate", NOW + timedelta(milliseconds=number))
    return Frame(str(key), number.to_bytes(4, "big", signed=True) * 250, source=key.source, captured_at=key.captured_at)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three members and their sentinels, as the driver makes them."""
    with running_cluster(tmp_path / "c", sentinels=3, options=("min-replicas-to-write 1",)) as cluster:
        yield cluster


def all_there(tiers: Tiers, frames: list[Frame]) -> bool:
    frames = list(frames)  # its writer may go on
    found = tiers.get_many([each.key for each in frames])
    return [each.key for each, there in zip(frames, found, strict=True) if there != each] == []


def test_every_acknowledged_write_survives_the_death_of_its_master(cluster: Cluster, soak: int) -> None:
    node = Node(cluster)
    with Tiers(node, None, wait=30.0) as tiers, Tiers(node, None, wait=30.0) as reader, Writer(tiers) as writer:
        writer.writes_again()
        assert reader.get(frame(0).key) == frame(0)
        node.is_down = True
        for _ in range(max(1, soak)):
            dead = cluster.master
            dead.kill()
            assert reader.get_leased(frame(0).key, seconds=60) == frame(0)
            writer.writes_again()
            assert cluster.master is not dead
            assert reader.latest(SOURCE) is not None
            assert all_there(reader, writer.acknowledged)
            for each in (tiers, reader):
                assert each.memory(SOURCE).transport() == f"unix socket {cluster.master.folder / 's'}"
            cluster.restart(dead)
            eventually(lambda: cluster.attached() == 2, "the dead member to be a replica")
        assert all_there(reader, writer.acknowledged)


def test_a_master_that_hangs_is_left_and_believed_no_more_when_it_goes_on(cluster: Cluster) -> None:
    node = Node(cluster)
    with Tiers(node, None, timeout=1.0, wait=30.0) as tiers, Tiers(node, None, wait=30.0) as idle:
        with Writer(tiers) as writer:
            writer.writes_again()
            assert idle.get(frame(0).key) == frame(0)
            node.is_down = True
            hanging = cluster.master
            hanging.pause()
            writer.writes_again()
            hanging.go_on()
            # For seconds it takes itself for the master, and so does who has not been told.
            late = frame(-1)
            assert idle.put(late, replicated=True)
            writer.writes_again()
        assert all_there(tiers, [*writer.acknowledged, late])
        assert tiers.memory(SOURCE).transport() == idle.memory(SOURCE).transport()
        assert str(hanging.folder) not in idle.memory(SOURCE).transport()
