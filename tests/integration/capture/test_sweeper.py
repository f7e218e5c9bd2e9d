"""Forgotten announcements are made good in every cluster, by one sweeper each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from framedb.capture.sweeper import Sweeper
from framedb.errors import StoreUnavailableError
from framedb.frame import Frame
from framedb.queueing.base import FrameQueue
from framedb.queueing.streams import StreamsQueue
from framedb.registry import Leases, open_engine, sqlite_url, upgrade
from framedb.resp import Endpoint, MasterClient, Redis
from framedb.stores.memory import MemoryStore
from tests.engines import free_port
from tests.engines.valkey import running_valkey
from tests.integration.capture.conftest import eventually


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    """Nobody holds one."""
    engine = open_engine(sqlite_url(tmp_path / "metadata.db"))
    upgrade(engine)
    yield Leases(engine)
    engine.dispose()


@pytest.fixture
def stores(store: MemoryStore, tmp_path: Path) -> Iterator[dict[str, MemoryStore]]:
    """Two clusters that answer, and between them one that does not."""
    nobody = MasterClient.fixed(Endpoint("127.0.0.1", free_port()), wait=0.1)
    (tmp_path / "other").mkdir()
    with (
        running_valkey(tmp_path / "other") as endpoint,
        MemoryStore(nobody) as dead,
        MemoryStore(MasterClient.fixed(endpoint)) as other,
    ):
        yield {"one": store, "dead": dead, "two": other}


def sweeper(stores: dict[str, MemoryStore], leases: Leases, redis: Redis, *, holder: str = "here") -> Sweeper:
    return Sweeper(lambda: list(stores), stores.__getitem__, lambda: StreamsQueue(redis), leases, holder=holder)


def announced(queue: FrameQueue) -> set[tuple[str, str]]:
    found = set()
    while (delivery := queue.take(timeout=0.0)) is not None:
        found.add((delivery.announcement.key, delivery.announcement.framedb_id))
        queue.acknowledge(delivery)
    return found


def test_every_cluster_is_swept_past_one_that_does_not_answer(
    stores: dict[str, MemoryStore], leases: Leases, redis: Redis, queue: FrameQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        stores[name].put(Frame(f"{name}:1", b"bytes", source=name), announce=True)
    sweeping = sweeper(stores, leases, redis)
    with pytest.raises(StoreUnavailableError):
        sweeping.sweep("dead", queue, older_than=-1)
    monkeypatch.setattr(Sweeper.sweep, "__kwdefaults__", {"older_than": -1})
    sweeping.look()
    assert announced(queue) == {("one:1", "one"), ("two:1", "two")}
    assert [store.unannounced(older_than=-1) for store in (stores["one"], stores["two"])] == [[], []]
    sweeping.look()
    assert announced(queue) == set()


def test_each_cluster_has_one_sweeper_at_a_time(
    stores: dict[str, MemoryStore], leases: Leases, redis: Redis, queue: FrameQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sweeper.sweep, "__kwdefaults__", {"older_than": -1})
    del stores["dead"]
    here, there = (sweeper(stores, leases, redis, holder=holder) for holder in ("here", "there"))
    here.look()
    stores["two"].put(Frame("two:1", b"bytes", source="two"), announce=True)
    there.look()
    assert announced(queue) == set()
    here.look()
    assert announced(queue) == {("two:1", "two")}
    lease = leases.holder("sweeper:two")
    assert lease is not None
    assert lease.holder == "here"


def test_a_cluster_that_comes_later_is_swept_by_the_thread(
    stores: dict[str, MemoryStore], leases: Leases, redis: Redis, queue: FrameQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sweeper.sweep, "__kwdefaults__", {"older_than": -1})
    monkeypatch.setattr("framedb.capture.sweeper._PERIOD", 0.05)
    later = stores.pop("two")
    sweeping = sweeper(stores, leases, redis)
    sweeping.start()
    later.put(Frame("two:1", b"bytes", source="two"), announce=True)
    stores["two"] = later
    eventually(lambda: later.unannounced(older_than=-1) == [])
    sweeping.stop()
    assert announced(queue) == {("two:1", "two")}
