"""Threads that read and write at the same time see whole calls, and no other state."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from framedb.attributes.store import AttributeStore
from tests.unit.attributes.making import made, number

ROUNDS = 3000
CALLS = 100  # of a thread that writes, until the one that reads has seen enough


@pytest.fixture(autouse=True)
def _threads_take_turns_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@contextmanager
def in_threads(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do these again and again beside the block; what one raises is raised at the end."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def run(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


GROUP = [(namespace, f"{order:03}") for namespace in "abc" for order in range(300)]


def test_the_attributes_of_one_call_appear_together() -> None:
    def write(stop: threading.Event) -> None:
        order = 1
        while not stop.is_set():
            store.set([made(*key, order) for key in GROUP], ttl=None if order % 3 else 60_000)
            order += 1

    store = AttributeStore()
    store.set([made(*key, 0) for key in GROUP])
    some = [GROUP[0], GROUP[1], GROUP[450], GROUP[-1]]
    with store, in_threads(write):
        seen = [0]
        while seen[-1] < CALLS:
            # Of reads one after the other, the later one never shows an earlier state.
            seen = [number(store.get(*key)) or 0 for key in some]
            assert seen == sorted(seen)


def test_a_search_sees_the_attributes_of_one_call_together() -> None:
    def write(stop: threading.Event) -> None:
        order = 1
        while not stop.is_set():
            store.set([made(*key, order) for key in GROUP])
            order += 1

    store = AttributeStore()
    store.set([made(*key, 0) for key in GROUP])
    with store, in_threads(write):
        first = 0
        while first < CALLS:
            for ns in (None, "a", "[ab]"):
                assert len({number(found) for found in store.search(ns)}) == 1
            first = number(store.get("a", "000")) or 0
            assert (number(store.search("c")[-1]) or 0) >= first


def test_a_group_that_is_deleted_and_set_again_is_searched_whole() -> None:
    def write(stop: threading.Event) -> None:
        while not stop.is_set():
            store.set([made(*key) for key in GROUP])
            store.delete_matching(None, "[0-2]*")

    with AttributeStore() as store, in_threads(write):
        for _ in range(ROUNDS // 30):
            assert len(store.search()) in (0, 900)
            assert len(store.search("a", "??0")) in (0, 30)


def test_writers_do_not_lose_each_others_work() -> None:
    def writer(namespace: str) -> Callable[[threading.Event], None]:
        def write(stop: threading.Event) -> None:
            for order in range(ROUNDS):
                store.set([made(namespace, str(order % 50), order)], ttl=(None, 60_000, 0)[order % 3])
                if order % 7 == 0:
                    store.delete(namespace, str(order % 50))

        return write

    with AttributeStore() as store:
        with in_threads(*map(writer, ["a", "b", "c", "a"])):
            pass
        assert store.stats.sets == 4 * ROUNDS
        size = store.stats.bytes
        store.expire()
        fresh = AttributeStore()
        fresh.set(store.search())
        assert store.stats.bytes == fresh.stats.bytes <= size
        assert sorted(store.search_keys()) == sorted(key for ns in "abc" for key in store.search_keys(ns))
        store.delete_matching()
        assert (store.stats.entries, store.stats.bytes) == (0, 0)


def test_subscribing_and_leaving_disturbs_nobody() -> None:
    def come_and_go(stop: threading.Event) -> None:
        while not stop.is_set():
            with store.subscribe("guest", 10) as guest:
                guest.try_recv()

    with AttributeStore() as store:
        regular = store.subscribe("regular", ROUNDS)
        with in_threads(come_and_go, come_and_go):
            for order in range(ROUNDS):
                store.set([made("a", "x", order)])
        assert len(list(iter(regular.try_recv, None))) == ROUNDS
        assert store.stats.watchers == 1


def test_no_change_is_lost_between_writers_and_a_reader_that_sleeps() -> None:
    # The hook is called for the first change alone: if one came unseen while the reader lay down, it would sleep on.
    def write(stop: threading.Event) -> None:
        for order in range(5 * ROUNDS):
            store.set([made("a", str(order % 10))])

    ready = threading.Event()
    with AttributeStore() as store:
        subscription = store.subscribe("test", 10 * ROUNDS, on_ready=ready.set)
        with in_threads(write, write):
            for taken in range(10 * ROUNDS):
                while subscription.try_recv() is None:
                    assert ready.wait(timeout=30), f"asleep after {taken} changes"
                    ready.clear()
