"""What waits for watchers: bounded, shared, and in order."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from framedb.attributes.attribute import Attribute
from framedb.attributes.store import AttributeStore
from framedb.attributes.values import AttributeValue
from framedb.server.kvs import feed
from framedb.server.kvs.events import Event
from framedb.server.kvs.feed import BEHIND, GONE, STOPPING, Feed, Watcher

LARGE = Attribute.persistent("large", "one", [AttributeValue.bytes([10_000], bytes(10_000))])


def numbered(number: int) -> Attribute:
    return Attribute.persistent("n", str(number), [])


def run(talk: Callable[[AttributeStore, Feed], Coroutine[Any, Any, None]]) -> None:
    with AttributeStore() as store:

        async def main() -> None:
            await talk(store, Feed(store, expiries=False))

        asyncio.run(main())


async def names(watcher: Watcher, number: int) -> list[str]:
    """The names of so many changes."""
    found = []
    for _ in range(number):
        event = await watcher.next()
        assert isinstance(event, Event)
        found.append(event.meta.partition('"name":"')[2].partition('"')[0])
    return found


def test_every_watcher_gets_every_change_and_the_store_has_one_subscription() -> None:
    async def talk(store: AttributeStore, feed: Feed) -> None:
        watchers = [feed.join() for _ in range(3)]
        assert (len(feed), store.stats.watchers) == (3, 1)
        for number in range(1000):
            store.set([numbered(number)])
        for watcher in watchers:
            assert await names(watcher, 1000) == [str(number) for number in range(1000)]
            feed.leave(watcher)
        assert (len(feed), store.stats.watchers) == (0, 0)

    run(talk)


def test_an_event_is_made_once_for_all() -> None:
    async def talk(store: AttributeStore, feed: Feed) -> None:
        first, second = feed.join(), feed.join()
        store.set([LARGE])
        one, other = await first.next(), await second.next()
        assert one is other

    run(talk)


def test_a_new_watcher_gets_nothing_of_what_was_done_before() -> None:
    async def talk(store: AttributeStore, feed: Feed) -> None:
        early = feed.join()
        store.set([numbered(1)])  # still waits to be handed out
        late = feed.join()
        store.set([numbered(2)])
        assert await names(early, 2) == ["1", "2"]
        assert await names(late, 1) == ["2"]

    run(talk)


def test_who_takes_nothing_falls_behind_and_the_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_WAITING", 10)

    async def talk(store: AttributeStore, feed: Feed) -> None:
        slow, quick = feed.join(), feed.join()
        for number in range(20):
            store.set([numbered(number)])
            assert await names(quick, 1) == [str(number)]
        assert await slow.next() == BEHIND

    run(talk)


def test_what_waits_is_bounded_in_bytes_but_one_change_is_always_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_WAITING_BYTES", 1000)

    async def talk(store: AttributeStore, feed: Feed) -> None:
        watcher = feed.join()
        store.set([LARGE])
        assert isinstance(await watcher.next(), Event)
        store.set([LARGE])
        store.set([LARGE])
        await asyncio.sleep(0)
        assert await watcher.next() == BEHIND

    run(talk)


def test_a_loop_that_does_not_get_to_it_loses_no_watcher_silently() -> None:
    async def talk(store: AttributeStore, feed: Feed) -> None:
        watcher = feed.join()
        for number in range(20_000):  # without the loop's turn
            store.set([numbered(number)])
        while (end := await watcher.next()) and isinstance(end, Event):
            pass
        assert end == BEHIND
        again = feed.join()
        store.set([numbered(7)])
        assert await names(again, 1) == ["7"]

    run(talk)


@pytest.mark.parametrize("close", [AttributeStore.close, AttributeStore.close_subscriptions])
def test_a_store_that_closes_ends_its_watchers(close: Callable[[AttributeStore], None]) -> None:
    async def talk(store: AttributeStore, feed: Feed) -> None:
        watcher = feed.join()
        close(store)
        assert await watcher.next() == STOPPING
        assert len(feed) == 0

    run(talk)


def test_the_first_reason_to_end_stays() -> None:
    async def talk(store: AttributeStore, feed: Feed) -> None:
        watcher = feed.join()
        for end in (GONE, STOPPING):
            watcher.end(end)
        watcher.offer(Event(None))  # type: ignore[arg-type]
        assert await watcher.next() is GONE

    run(talk)
