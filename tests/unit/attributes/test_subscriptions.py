"""Who subscribes is told of every change, in order, and holds nobody up."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from framedb.attributes.attribute import record_of
from framedb.attributes.store import AttributeStore
from framedb.attributes.subscriptions import Change, Subscription
from framedb.errors import DeadlineExceededError, InvalidInputError
from tests.unit.attributes.making import Clock, made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[AttributeStore]:
    with AttributeStore(clock=clock) as store:
        yield store


def taken(subscription: Subscription) -> list[Change]:
    return list(iter(subscription.try_recv, None))


def told(subscription: Subscription) -> list[tuple[str, list[str], int | None]]:
    return [
        (change.operation, [record.name for record in change.records], change.ttl) for change in taken(subscription)
    ]


def test_one_change_per_call_in_the_order_of_the_calls(store: AttributeStore) -> None:
    store.set([made("a", "before")])
    subscription = store.subscribe("test", 10)
    store.set([made("a", "x"), made("a", "y")], ttl=5000)
    store.set([made("a", "x")])
    store.delete("a", "x")
    store.delete_matching("a", "*")
    assert told(subscription) == [
        ("set", ["x", "y"], 5000),
        ("set", ["x"], None),
        ("delete", ["x"], None),
        ("delete", ["before", "y"], None),
    ]


def test_a_change_says_what_was_set_and_when(store: AttributeStore) -> None:
    before = time.time_ns()
    one, other = store.subscribe("one", 1), store.subscribe("other", 1)
    store.set([made("a", "x", 1)])
    change = one.recv()
    assert change is other.recv()
    assert change is not None
    assert before <= change.timestamp_ns <= time.time_ns()
    assert change.records == (record_of(made("a", "x", 1)),)


def test_a_call_that_touches_nothing_is_told_but_not_the_delete_of_what_is_not_there(store: AttributeStore) -> None:
    subscription = store.subscribe("test", 10)
    store.set([])
    store.delete_matching("nothing")
    store.delete("not", "there")
    assert told(subscription) == [("set", [], None), ("delete", [], None)]


def test_a_refused_set_is_not_told(store: AttributeStore) -> None:
    store.set_bounds(max_entries=0)
    subscription = store.subscribe("test", 10)
    with pytest.raises(Exception, match="room"):
        store.set([made("a", "x")])
    assert taken(subscription) == []


def test_what_expires_is_told_to_those_who_asked(store: AttributeStore, clock: Clock) -> None:
    store.set([made("a", "x"), made("a", "y")], ttl=100)
    silent, asking = store.subscribe("silent", 10), store.subscribe("asking", 10, expiries=True)
    clock.now += 0.1
    store.expire()
    assert told(asking) == [("expire", ["x", "y"], None)]
    assert taken(silent) == []


def test_what_expired_unnoticed_and_is_set_again_is_told_in_order(store: AttributeStore, clock: Clock) -> None:
    store.set([made("a", "x")], ttl=60_000)
    subscription = store.subscribe("test", 10, expiries=True)
    clock.now += 60
    store.set([made("a", "x")])
    assert told(subscription) == [("expire", ["x"], None), ("set", ["x"], None)]
    assert store.expire() == 0
    assert store.stats.expired == 1


def test_who_falls_behind_gets_what_was_held_and_is_closed(
    store: AttributeStore, caplog: pytest.LogCaptureFixture
) -> None:
    slow, quick = store.subscribe("slow", 3), store.subscribe("quick", 10)
    with caplog.at_level(logging.WARNING):
        for name in "vwxyz":
            store.set([made("a", name)])
    assert (slow.overflowed, slow.is_closed) == (True, True)
    assert [names for _, names, _ in told(slow)] == [["v"], ["w"], ["x"]]
    assert slow.recv() is None
    assert [record.message for record in caplog.records] == ["subscription closed: it fell behind"]
    assert len(taken(quick)) == 5
    stats = store.stats
    assert (stats.watchers, stats.overflowed) == (1, 1)


def test_who_takes_what_comes_never_falls_behind(store: AttributeStore) -> None:
    subscription = store.subscribe("test", 1)
    for order in range(1000):
        store.set([made("a", "x", order)])
        assert subscription.try_recv() is not None
    assert not subscription.overflowed


def test_a_closed_subscription_gives_what_it_holds_and_then_none(store: AttributeStore) -> None:
    subscription = store.subscribe("test", 10)
    store.set([made("a", "x")])
    with subscription:
        assert not subscription.is_closed
    store.set([made("a", "y")])
    subscription.close()
    change = subscription.recv()
    assert change is not None
    assert change.records[0].name == "x"
    assert [subscription.recv() for _ in range(3)] == [None, None, None]
    assert subscription.try_recv() is None
    assert subscription.is_drained
    assert not subscription.overflowed
    assert store.stats.watchers == 0


def test_recv_waits_for_a_change_and_for_no_longer_than_it_may(store: AttributeStore) -> None:
    subscription = store.subscribe("test", 10)
    with pytest.raises(DeadlineExceededError, match="nothing changed"):
        subscription.recv(timeout=0.01)
    writer = threading.Timer(0.05, store.set, [[made("a", "x")]])
    writer.start()
    assert subscription.recv() is not None
    writer.join()


@pytest.mark.parametrize("end", ["subscription", "all", "store"])
def test_everybody_who_waits_is_told_of_the_end(end: str) -> None:
    store = AttributeStore()
    subscription = store.subscribe("test", 10)
    got: list[Change | None] = []
    waiting = [threading.Thread(target=lambda: got.append(subscription.recv())) for _ in range(3)]
    for thread in waiting:
        thread.start()
    {"subscription": subscription.close, "all": store.close_subscriptions, "store": store.close}[end]()
    for thread in waiting:
        thread.join()
    assert got == [None, None, None]
    store.close()


def test_who_left_without_taking_all_has_not_fallen_behind(store: AttributeStore) -> None:
    subscription = store.subscribe("test", 1)
    store.set([made("a", "x")])
    subscription.close()
    store.set([made("a", "y")])
    assert not subscription.overflowed
    assert store.stats.overflowed == 0


def test_the_store_goes_on_after_all_subscriptions_were_closed(store: AttributeStore) -> None:
    first = store.subscribe("first", 10)
    store.close_subscriptions()
    second = store.subscribe("second", 10)
    store.set([made("a", "x")])
    assert (len(taken(first)), len(taken(second))) == (0, 1)


@pytest.mark.parametrize("max_inflight", [0, -1])
def test_a_subscription_that_could_hold_nothing_is_refused(store: AttributeStore, max_inflight: int) -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        store.subscribe("test", max_inflight)


def test_the_hook_is_called_for_the_first_of_those_that_wait_and_at_the_end(store: AttributeStore) -> None:
    calls: list[int] = []
    subscription = store.subscribe("test", 10, on_ready=lambda: calls.append(1))
    for _ in range(3):
        store.set([made("a", "x")])
    assert len(calls) == 1
    assert len(taken(subscription)) == 3
    store.set([made("a", "x")])
    assert len(calls) == 2
    subscription.close()
    assert len(calls) == 3


def test_a_hook_that_fails_costs_its_subscription_but_not_the_write(
    store: AttributeStore, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("Event loop is closed")

    with caplog.at_level(logging.WARNING):
        broken, whole = store.subscribe("broken", 10, on_ready=fail), store.subscribe("whole", 10)
        store.set([made("a", "x")])
    assert broken.is_closed
    assert "its hook failed" in caplog.text
    assert len(taken(whole)) == 1
    assert store.stats.watchers == 1


def test_no_change_is_lost_between_threads_that_write_and_one_that_reads(store: AttributeStore) -> None:
    # The hook is called for the first change alone: if it missed the moment when the reader went to sleep, this would hang.
    ready = threading.Event()
    subscription = store.subscribe("test", 1_000_000, on_ready=ready.set)
    writers = [threading.Thread(target=write_many, args=(store, f"w{order}")) for order in range(3)]
    for writer in writers:
        writer.start()
    counts = dict.fromkeys(("w0", "w1", "w2"), 0)
    while sum(counts.values()) < 3 * MANY:
        change = subscription.try_recv()
        if change is None:
            assert ready.wait(timeout=30), counts
            ready.clear()
            continue
        (record,) = change.records
        assert record.name == str(counts[record.namespace])
        counts[record.namespace] += 1
    for writer in writers:
        writer.join()


MANY = 5000


def write_many(store: AttributeStore, namespace: str) -> None:
    for order in range(MANY):
        store.set([made(namespace, str(order))])


def test_changes_are_told_in_the_order_in_which_they_took_place(store: AttributeStore) -> None:
    subscription = store.subscribe("test", 1_000_000)
    writers = [threading.Thread(target=write_same, args=(store, order)) for order in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    last = taken(subscription)[-1]
    assert store.get_encoded("a", "x") == last.records[0].encoded_set()


def write_same(store: AttributeStore, writer: int) -> None:
    for order in range(2000):
        store.set([made("a", "x", 10_000 * writer + order)])
