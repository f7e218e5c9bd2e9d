"""What has a ttl is there until then, and its memory comes back whether or not anybody looks."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from framedb.attributes.store import AttributeStore
from framedb.attributes.ttl import MAX_TTL
from framedb.errors import InvalidInputError, StoreFullError
from tests.engines.cluster import eventually
from tests.unit.attributes.making import Clock, made, number


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[AttributeStore]:
    with AttributeStore(clock=clock) as store:
        yield store


def test_it_is_there_until_its_ttl_has_run_out(store: AttributeStore, clock: Clock) -> None:
    store.set([made("a", "x", 1)], ttl=500)
    clock.now += 0.499
    assert number(store.get("a", "x")) == 1
    clock.now += 0.001
    assert store.get("a", "x") is None
    assert store.get_encoded("a", "x") == b""
    assert store.search() == store.search("a", "x") == store.search("a") == []
    assert store.delete("a", "x") is None
    assert store.delete_matching() == 0


def test_a_set_renews_the_ttl(store: AttributeStore, clock: Clock) -> None:
    for beat in range(40):
        store.set([made("a", "x", beat)], ttl=1000)
        clock.now += 0.5
        assert number(store.get("a", "x")) == beat
    clock.now += 0.5
    assert store.get("a", "x") is None


def test_a_set_without_ttl_keeps_for_good_what_would_have_expired(store: AttributeStore, clock: Clock) -> None:
    store.set([made("a", "x", 1)], ttl=10)
    store.set([made("a", "x", 2)])
    clock.now += 1e9
    assert store.expire() == 0
    assert number(store.get("a", "x")) == 2


def test_a_set_with_a_shorter_ttl_expires_earlier(store: AttributeStore, clock: Clock) -> None:
    store.set([made("a", "x", 1)], ttl=10_000)
    store.set([made("a", "x", 2)], ttl=10)
    clock.now += 0.01
    assert store.get("a", "x") is None


def test_a_ttl_of_0_is_visible_to_nobody(store: AttributeStore) -> None:
    store.set([made("a", "x", 1)])
    store.set([made("a", "x", 2)], ttl=0)
    assert store.get("a", "x") is None
    assert store.search() == []
    eventually(lambda: store.stats.entries == 0, "the memory is back")


def test_the_longest_ttl_is_centuries(store: AttributeStore, clock: Clock) -> None:
    store.set([made("a", "x", 1)], ttl=MAX_TTL)
    clock.now += 1e10
    assert number(store.get("a", "x")) == 1


@pytest.mark.parametrize("ttl", [-1, 2**63, 2**64, 10**30, 1.5, "5", b"5", [5]])
def test_an_impossible_ttl_is_refused_and_nothing_is_set(store: AttributeStore, ttl: int) -> None:
    with pytest.raises(InvalidInputError, match="ttl"):
        store.set([made("a", "x")], ttl)
    assert store.stats.entries == 0


def test_memory_comes_back_without_anybody_looking() -> None:
    with AttributeStore() as store:
        store.set([made("kept", "x")])
        for batch in range(5):
            store.set([made(f"n{batch}", f"x{order}") for order in range(1000)], ttl=1 + 20 * batch)
        eventually(lambda: store.stats.entries == 1, "5000 attributes were dropped")
        stats = store.stats
        assert (stats.expired, stats.deletes) == (5000, 0)
        only = stats.bytes
        store.set([made("kept", "x")])
        assert store.stats.bytes == only


def test_an_earlier_ttl_is_not_kept_waiting_by_a_later_one() -> None:
    with AttributeStore() as store:
        store.set([made("a", "late")], ttl=3_600_000)
        eventually(lambda: store._expiry._sleeps_until > 0, "the thread sleeps until then")
        store.set([made("a", "early")], ttl=1)
        eventually(lambda: store.search_keys() == [("a", "late")] and store.stats.entries == 1, "the early one is gone")


def expiry_threads() -> int:
    return sum(thread.name == "framedb-expiry" for thread in threading.enumerate())


def test_a_thread_runs_only_while_something_can_expire() -> None:
    with AttributeStore() as store:
        store.set([made("a", "x")])
        assert expiry_threads() == 0
        store.set([made("a", "x")], ttl=1)
        eventually(lambda: expiry_threads() == 0, "the thread has ended")
        store.set([made("a", "x")], ttl=3_600_000)
        assert expiry_threads() == 1
    assert expiry_threads() == 0


def test_what_was_deleted_or_replaced_does_not_expire(store: AttributeStore, clock: Clock) -> None:
    store.set([made("a", name) for name in "wxyz"], ttl=10)
    store.delete("a", "w")
    store.delete_matching("a", "x")
    store.set([made("a", "y", 5)])
    clock.now += 1
    while store.expire():
        pass
    assert store.search_keys() == [("a", "y")]
    assert store.stats.expired == 1


def test_heartbeats_leave_nothing_behind(store: AttributeStore, clock: Clock) -> None:
    for beat in range(50_000):
        store.set([made("a", f"x{beat % 10}", beat)], ttl=3_600_000)
        clock.now += 0.001
    # Nothing of the kind can be seen from outside but as memory, and that only roughly.
    assert len(store._expiry._heap) < 5000
    clock.now += 3600 - 0.0055
    while store.expire():
        pass
    assert sorted(number(found) or 0 for found in store.search()) == list(range(49_995, 50_000))


def test_a_full_store_makes_room_of_what_has_expired(clock: Clock) -> None:
    with AttributeStore(max_entries=3000, clock=clock) as store:
        store.set([made("a", f"x{order}") for order in range(2999)], ttl=10)
        store.set([made("b", "x")])
        with pytest.raises(StoreFullError):
            store.set([made("b", "y")])
        clock.now += 0.01
        store.set([made("b", f"y{order}") for order in range(2999)])
        assert store.stats.entries == 3000


FORK = """
import os, threading, time
from framedb import kvs
from framedb.primitives import Attribute, AttributeValue

def made(name):
    return Attribute.persistent("a", name, [AttributeValue.integer(1)])

def write():
    while True:
        kvs.set_attributes([made("busy"), made("busier")], 50)

kvs.set_attributes([made("kept")])
kvs.set_attributes([made("long")], 3_600_000)
for _ in range(3):
    threading.Thread(target=write, daemon=True).start()
for _ in range(50):
    child = os.fork()
    if child == 0:
        kvs.set_attributes([made("mine")], 10)
        assert kvs.get_attribute("a", "kept") is not None
        deadline = time.monotonic() + 30
        while kvs.store().stats.entries > 2:
            assert time.monotonic() < deadline, kvs.search_keys()
            time.sleep(0.01)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_process_that_forks_has_a_working_store_on_both_sides() -> None:
    # Python warns of every fork beside threads.
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK], check=True, timeout=100)
