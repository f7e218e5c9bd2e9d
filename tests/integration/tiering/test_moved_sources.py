"""A source that was moved: its frames are found wherever they are, and its writers follow it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from framedb.errors import NotReplicatedError, StaleWriterError, StoreError, StoreUnavailableError
from framedb.frame import CameraKey, Frame, utc_now
from framedb.registry import sqlite_url
from framedb.resp import Endpoint, MasterClient
from framedb.stores.base import SourceStats
from framedb.stores.memory import Fence, MemoryStore
from framedb.stores.policy import SourcePolicy
from framedb.stores.sql import SQLStore
from framedb.tiering.tiers import Tiers
from tests.contracts.frame_store import until
from tests.engines import free_port
from tests.engines.cluster import running_cluster
from tests.integration.tiering.conftest import Map

SOURCE = "plant-a:gate"
NOW = utc_now()
LATER = datetime(2126, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("no_ageing")


def frame(number: int, data: bytes = b"bytes") -> Frame:
    key = CameraKey("plant-a", "gate", NOW + timedelta(seconds=number))
    return Frame(str(key), data, source=key.source, captured_at=key.captured_at)


def key(number: int) -> str:
    return frame(number).key


@pytest.fixture
def tiers(places: Map) -> Iterator[Tiers]:
    with Tiers(places, None, clusters=lambda: list(places.clusters), wait=2.0) as memory:
        yield memory


@pytest.fixture
def old(places: Map) -> Iterator[MemoryStore]:
    with MemoryStore(MasterClient.fixed(places.clusters["old"])) as store:
        yield store


@pytest.fixture
def new(places: Map) -> Iterator[MemoryStore]:
    with MemoryStore(MasterClient.fixed(places.clusters["new"])) as store:
        yield store


def move(places: Map, old: MemoryStore, *, until: datetime | None = LATER) -> None:
    """As placement does: the old cluster first."""
    epoch = (places.connection(source=SOURCE).epoch or 0) + 1
    old.raise_epoch(SOURCE, epoch)
    places.place(SOURCE, "new", previous=(("old", until),))


@pytest.fixture
def moved(places: Map, tiers: Tiers, old: MemoryStore) -> Tiers:
    """Frames 0, 2 and 4 were written before the move, 1, 3 and 5 since."""
    tiers.put_many([frame(0), frame(2), frame(4)])
    move(places, old)
    tiers.put_many([frame(1), frame(3), frame(5)])
    return tiers


def test_frames_are_read_wherever_they_are(moved: Tiers, old: MemoryStore, new: MemoryStore) -> None:
    assert sorted(old.scan(source=SOURCE)) == [key(0), key(2), key(4)]
    assert sorted(new.scan(source=SOURCE)) == [key(1), key(3), key(5)]
    numbers = [4, 1, 0, 9, 5]
    assert moved.get_many([key(number) for number in numbers]) == [
        None if number == 9 else frame(number) for number in numbers
    ]
    for number in range(6):
        buffer = bytearray(5)
        assert moved.get_into(key(number), buffer) == 5
        assert buffer == b"bytes"
    assert moved.get_into(key(9), bytearray(5)) is None


def test_what_is_asked_of_the_source_is_asked_of_all_its_clusters(moved: Tiers) -> None:
    assert moved.latest(SOURCE) == frame(5)
    assert moved.nearest(SOURCE, frame(2).captured_at + timedelta(seconds=0.4)) == frame(2)
    assert moved.nearest(SOURCE, frame(2).captured_at + timedelta(seconds=0.6)) == frame(3)
    assert moved.nearest(SOURCE, frame(9).captured_at, tolerance=timedelta(seconds=3)) is None
    assert list(moved.range(SOURCE, frame(1).captured_at, frame(5).captured_at)) == [frame(n) for n in (1, 2, 3, 4)]
    assert sorted(moved.scan(source=SOURCE)) == [key(number) for number in range(6)]
    assert sorted(moved.scan()) == [key(number) for number in range(6)]
    assert moved.sources() == [SOURCE]
    assert (moved.stats(SOURCE).count, moved.stats(SOURCE).bytes) == (6, 30)


def test_a_frame_that_was_written_again_is_the_new_one_everywhere(moved: Tiers) -> None:
    moved.put(frame(2, b"better"))
    assert moved.get(key(2)) == frame(2, b"better")
    assert moved.nearest(SOURCE, frame(2).captured_at) == frame(2, b"better")
    assert list(moved.range(SOURCE, frame(2).captured_at, frame(3).captured_at)) == [frame(2, b"better")]
    assert list(moved.scan(key(2), source=SOURCE)) == [key(2)]
    assert moved.delete(key(2))
    assert moved.get(key(2)) is None, "the one before it is gone, too"


def test_frames_are_removed_wherever_they_are(moved: Tiers, old: MemoryStore, new: MemoryStore) -> None:
    assert moved.delete_many([key(0), key(1), key(9)]) == 2
    assert moved.release(key(2))
    assert not moved.release(key(2))
    assert moved.drop(key(4), reason="queue-full")
    assert moved.drop(key(3), reason="queue-full")
    assert list(old.scan(source=SOURCE)) == []
    assert list(new.scan(source=SOURCE)) == [key(5)]
    assert moved.stats(SOURCE).drops == {"queue-full": 2}


def test_drops_stay_in_the_count_when_the_cluster_that_counted_them_is_left_for_good(
    places: Map, tiers: Tiers, old: MemoryStore
) -> None:
    tiers.put_many([frame(0), frame(1)])
    tiers.count_drops(SOURCE, reason="queue-full", number=2)
    move(places, old, until=utc_now() - timedelta(hours=1))
    tiers.put(frame(2))
    tiers.count_drops(SOURCE, reason="queue-full", number=3)
    assert tiers.stats(SOURCE) == SourceStats(count=1, bytes=5, drops={"queue-full": 5})

    del places.clusters["old"]
    assert tiers.stats(SOURCE).drops == {"queue-full": 3}


def test_drops_of_a_cluster_that_does_not_answer_are_left_out_and_that_is_said(
    places: Map, tiers: Tiers, old: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    move(places, old, until=utc_now() - timedelta(hours=1))
    tiers.count_drops(SOURCE, reason="queue-full", number=3)
    places.clusters["old"] = Endpoint("127.0.0.1", free_port())
    assert tiers.stats(SOURCE).drops == {"queue-full": 3}
    assert "drops counted there are left out" in caplog.text


def test_announcements_from_before_the_move_are_confirmed_after_it(
    places: Map, tiers: Tiers, old: MemoryStore, new: MemoryStore
) -> None:
    tiers.put(frame(0), announce=True)
    move(places, old)
    tiers.put(frame(1), announce=True)
    assert len(old.unannounced(older_than=-1)) == len(new.unannounced(older_than=-1)) == 1
    tiers.confirm([key(0), key(1)])
    assert old.unannounced(older_than=-1) == new.unannounced(older_than=-1) == []


def test_a_worker_holds_frames_wherever_they_are(moved: Tiers, old: MemoryStore) -> None:
    assert moved.lease(key(0), seconds=60)
    assert moved.lease(key(5), seconds=60)
    assert not moved.lease(key(9), seconds=60)
    assert old.get(key(0)) == frame(0)


def test_a_worker_reads_and_holds_frames_wherever_they_are(moved: Tiers, old: MemoryStore, new: MemoryStore) -> None:
    for number, there in ((0, old), (5, new)):
        assert moved.get_leased(key(number), seconds=60) == frame(number)
        there.set_policy(SOURCE, SourcePolicy(max_frames=1))
        there.put(frame(number + 10), fence=Fence(epoch=2))
        assert there.stats(SOURCE).drops["evicted-leased"] == 1
    assert moved.get_leased(key(9), seconds=60) is None


def test_a_worker_that_has_an_old_route_reads_and_holds_new_frames(
    places: Map, tiers: Tiers, old: MemoryStore, new: MemoryStore
) -> None:
    tiers.put(frame(0))
    move(places, old)
    new.put(frame(1), fence=Fence(epoch=2))
    assert tiers.get_leased(key(1), seconds=60) == frame(1)


def test_a_reader_that_has_an_old_route_finds_new_frames_once_it_misses(
    places: Map, tiers: Tiers, old: MemoryStore, new: MemoryStore
) -> None:
    tiers.put(frame(0))
    move(places, old)
    new.put(frame(1), fence=Fence(epoch=2))
    assert tiers.get(key(1)) == frame(1)
    assert tiers.latest(SOURCE) == frame(1)
    assert tiers.get(key(0)) == frame(0)


def test_a_cluster_that_was_left_is_asked_no_more_when_its_frames_have_gone(
    places: Map, tiers: Tiers, old: MemoryStore
) -> None:
    tiers.put(frame(0))
    move(places, old, until=utc_now() - timedelta(hours=1))
    assert tiers.latest(SOURCE) is None
    assert tiers.get(key(0)) is None
    places.place(SOURCE, "new", previous=(("old", None),))
    assert tiers.get(key(0)) == frame(0)


def test_a_cluster_that_was_left_and_removed_holds_up_nobody(places: Map, moved: Tiers) -> None:
    del places.clusters["old"]
    with Tiers(places, None, clusters=lambda: ["old", "new"]) as reader:
        assert reader.get_many([key(0), key(1)]) == [None, frame(1)]
        assert reader.latest(SOURCE) == frame(5)
        assert list(reader.range(SOURCE, NOW, LATER)) == [frame(n) for n in (1, 3, 5)]
        assert sorted(reader.scan()) == [key(1), key(3), key(5)]
        assert reader.stats(SOURCE).count == 3
        assert reader.sources() == [SOURCE]
        assert reader.delete_many([key(0), key(1)]) == 1


def test_frames_in_a_cluster_that_does_not_answer_are_not_said_to_be_absent(places: Map, moved: Tiers) -> None:
    port_of_nobody = places.clusters["old"].__class__("127.0.0.1", 1)
    places.clusters["old"] = port_of_nobody
    with Tiers(places, None, wait=0.2) as reader:
        assert reader.get(key(1)) == frame(1)
        with pytest.raises(StoreUnavailableError):
            reader.get(key(0))
        with pytest.raises(StoreUnavailableError):
            reader.latest(SOURCE)


def test_the_durable_tier_is_merged_with_every_cluster(places: Map, moved: Tiers, tmp_path: Path) -> None:
    places.place(SOURCE, "new", previous=(("old", LATER),), durable=True)
    with Tiers(places, SQLStore.open(sqlite_url(tmp_path / "durable.db"))) as tiers:
        tiers.put_many([frame(2, b"durable"), frame(6, b"durable")], durable=True)
        assert tiers.get_many([key(0), key(1), key(2), key(6)]) == [
            frame(0), frame(1), frame(2), frame(6, b"durable"),
        ]  # fmt: skip
        assert tiers.get_leased(key(2), seconds=60) == frame(2)
        assert tiers.get_leased(key(6), seconds=60) == frame(6, b"durable")
        assert tiers.get_leased(key(9), seconds=60) is None
        assert tiers.latest(SOURCE) == frame(6, b"durable")
        assert [each.key for each in tiers.range(SOURCE, NOW, LATER)] == [key(number) for number in range(7)]
        assert tiers.delete_many([key(2), key(6), key(0), key(9)]) == 3
        assert tiers.get_many([key(2), key(6), key(0)]) == [None] * 3


def test_while_the_node_is_away_everybody_goes_on_with_the_routes_they_have(places: Map, moved: Tiers) -> None:
    places.is_down = True
    assert moved.get(key(0)) == frame(0)
    assert moved.get(key(9)) is None
    assert moved.latest(SOURCE) == frame(5)
    assert moved.put(frame(6))
    assert moved.delete(key(6))


def test_a_writer_follows_its_source(places: Map, tiers: Tiers, old: MemoryStore, new: MemoryStore) -> None:
    for number in range(10):
        if number == 5:
            move(places, old)
        assert tiers.put(frame(number), fence=Fence(token=1))
    assert sorted(old.scan(source=SOURCE)) == [key(number) for number in range(5)]
    assert sorted(new.scan(source=SOURCE)) == [key(number) for number in range(5, 10)]


def test_a_writer_waits_out_a_move_that_is_under_way(
    places: Map, tiers: Tiers, old: MemoryStore, new: MemoryStore
) -> None:
    tiers.put(frame(0))
    old.raise_epoch(SOURCE, 2)
    asked = places.asked
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(tiers.put, frame(1))
        until(lambda: places.asked > asked + 2, "the writer to ask for its route")
        places.place(SOURCE, "new", previous=(("old", LATER),))
        assert writing.result(20)
    assert new.get(key(1)) == frame(1)
    assert old.get(key(1)) is None


def test_a_writer_whose_lease_has_gone_to_another_is_told_at_once(places: Map, tiers: Tiers, old: MemoryStore) -> None:
    assert tiers.put(frame(0), fence=Fence(token=1))
    old.put(frame(1), fence=Fence(epoch=1, token=2))
    asked = places.asked
    with pytest.raises(StaleWriterError, match="another writer"):
        tiers.put(frame(2), fence=Fence(token=1))
    assert places.asked == asked, "no route can help it"


def test_a_writer_that_stays_behind_a_raised_epoch_is_refused_in_the_end(
    places: Map, tiers: Tiers, old: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framedb.tiering.memory._MOVE_WAIT", 0.2)
    tiers.put(frame(0))
    old.raise_epoch(SOURCE, 9)
    with pytest.raises(StaleWriterError):
        tiers.put(frame(1))


def test_no_frame_is_lost_or_written_twice_while_its_source_moves_to_and_fro(places: Map, tiers: Tiers) -> None:
    stores = {name: MemoryStore(MasterClient.fixed(endpoint)) for name, endpoint in places.clusters.items()}
    tiers.put(frame(0))

    written = {key(0)}

    def write(start: int) -> None:
        for number in range(start, 2000, 4):
            assert tiers.put(frame(number))
            written.add(key(number))

    with ThreadPoolExecutor(4) as threads:
        writing = [threads.submit(write, start) for start in range(1, 5)]
        here, there = "old", "new"
        for moved in range(1, 10):
            until(lambda moved=moved: len(written) > 200 * moved, "frames to be written")  # type: ignore[misc]
            epoch = (places.connection(source=SOURCE).epoch or 0) + 1
            stores[here].raise_epoch(SOURCE, epoch)
            places.place(SOURCE, there, previous=((here, LATER),))
            here, there = there, here
        for each in writing:
            each.result(60)
    assert len(written) == 2000
    held = {name: set(store.scan(source=SOURCE)) for name, store in stores.items()}
    assert held["old"] | held["new"] == written
    assert held["old"], "it was there for a while"
    assert held["new"], "and there"
    assert not held["old"] & held["new"]
    assert [each.key for each in tiers.get_many(sorted(written)) if each is not None] == sorted(written)
    assert [each.key for each in tiers.range(SOURCE, NOW, LATER)] == sorted(written)
    for store in stores.values():
        store.close()


def test_a_replicated_write_follows_its_source_from_a_cluster_without_replicas(
    places: Map, tiers: Tiers, old: MemoryStore, tmp_path: Path
) -> None:
    assert tiers.put(frame(0))
    with pytest.raises(NotReplicatedError):
        tiers.put(frame(1), replicated=True)
    with running_cluster(tmp_path / "pair", members=2) as pair:
        places.clusters["pair"] = pair.master.endpoint
        old.raise_epoch(SOURCE, 2)
        places.place(SOURCE, "pair", previous=(("old", LATER),))
        places.members["pair"] = 2
        assert tiers.put(frame(1), replicated=True)
        assert pair.replicas[0].ask("EXISTS", key(1))
        assert tiers.get_many([key(0), key(1)]) == [frame(0), frame(1)]


def test_a_source_without_a_cluster_takes_no_frames_and_shows_those_it_has(places: Map, moved: Tiers) -> None:
    places.place(SOURCE, None, previous=(("new", LATER), ("old", LATER)))
    with Tiers(places, None) as tiers:
        with pytest.raises(StoreError, match="assigned to no cluster"):
            tiers.put(frame(6))
        with pytest.raises(StoreError, match="assigned to no cluster"):
            tiers.memory(SOURCE)
        assert tiers.get_many([key(0), key(1), key(9)]) == [frame(0), frame(1), None]
        assert tiers.get_leased(key(0), seconds=60) == frame(0)
        assert tiers.latest(SOURCE) == frame(5)
        assert tiers.delete(key(5))
        places.place(SOURCE, "new", previous=(("old", LATER),))
        assert tiers.put(frame(6)), "once it is assigned again"


def test_a_cluster_that_was_removed_under_its_writer_and_reader_is_left(places: Map, tiers: Tiers) -> None:
    tiers.put(frame(0))
    places.clusters["gone"] = places.clusters.pop("old")
    places.place(SOURCE, "gone")
    with Tiers(places, None, wait=0.2) as client:
        assert client.get(key(0)) == frame(0)
        del places.clusters["gone"]
        places.place(SOURCE, "new")
        client.memory(SOURCE).close()
        assert client.put(frame(1))
        assert client.get(key(1)) == frame(1)
