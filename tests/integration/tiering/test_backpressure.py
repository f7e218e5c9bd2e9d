"""Back-pressure: a writer that sees it on holds back by its source's policy, and what it turned away is counted."""

from collections.abc import Iterator

import pytest

from framedb.errors import InvalidInputError, StoreFullError
from framedb.frame import Frame
from framedb.resp import MasterClient
from framedb.stores.memory import MemoryStore
from framedb.stores.policy import SourcePolicy
from framedb.tiering.tiers import Tiers
from tests.integration.tiering.conftest import Map

pytestmark = pytest.mark.usefixtures("no_ageing")


def frame(number: int) -> Frame:
    return Frame(f"s:{number}", b"bytes", source="s")


@pytest.fixture
def tiers(places: Map) -> Iterator[Tiers]:
    with Tiers(places, None) as memory:
        yield memory


@pytest.fixture
def store(places: Map) -> Iterator[MemoryStore]:
    with MemoryStore(MasterClient.fixed(places.clusters["old"])) as memory:
        yield memory


def switch(places: Map, store: MemoryStore, *, on: bool) -> None:
    """As placement does: the route changes, and with it the epoch that the cluster demands."""
    route = places.place("s", "old", backpressure=on)
    assert route.epoch is not None
    store.raise_epoch("s", route.epoch)


def test_frames_are_dropped_and_counted_while_it_is_on(places: Map, tiers: Tiers, store: MemoryStore) -> None:
    assert tiers.put(frame(0))
    switch(places, store, on=True)
    assert tiers.put(frame(1)).dropped == "backpressure", "a writer that knew nothing of it is told at its next write"
    assert [put.dropped for put in tiers.put_many([frame(2), frame(3)])] == ["backpressure"] * 2
    assert tiers.get(frame(0).key, source="s") is not None
    assert tiers.get(frame(1).key, source="s") is None
    assert tiers.stats("s").drops == {"backpressure": 3}
    switch(places, store, on=False)
    assert tiers.put(frame(4))
    assert tiers.stats("s").count == 2


def test_under_the_policy_wait_the_writer_is_refused(places: Map, tiers: Tiers, store: MemoryStore) -> None:
    store.set_policy("s", SourcePolicy("wait"))
    switch(places, store, on=True)
    with pytest.raises(StoreFullError, match="back-pressure is on for source s"):
        tiers.put(frame(1))
    assert tiers.stats("s").drops == {}
    switch(places, store, on=False)
    assert tiers.put(frame(1))


def test_other_sources_are_written(places: Map, tiers: Tiers, store: MemoryStore) -> None:
    switch(places, store, on=True)
    puts = tiers.put_many([frame(0), Frame("t:0", b"bytes", source="t"), frame(1)])
    assert [put.dropped for put in puts] == ["backpressure", None, "backpressure"]


def test_it_is_asked_for_again_only_so_often(
    places: Map, tiers: Tiers, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch(places, store, on=True)
    assert not tiers.put(frame(0))
    monkeypatch.setattr("framedb.tiering.memory.ROUTE_AGE", 3600.0)
    asked = places.asked
    for number in range(100):
        assert not tiers.put(frame(number))
    assert places.asked == asked


def test_a_durable_frame_is_not_a_replicated_one(tiers: Tiers) -> None:
    with pytest.raises(InvalidInputError, match="one of durable and replicated"):
        tiers.put(frame(0), durable=True, replicated=True)
