"""Programs on asyncio are told of changes that threads make."""

import asyncio
import gc
import threading

import pytest

from framedb.attributes.store import AttributeStore
from framedb.attributes.watching import Watcher
from tests.unit.attributes.making import made


def test_changes_of_other_threads_come_in_order() -> None:
    async def watch() -> list[str]:
        async with Watcher(store, "test", 1_000_000) as watcher:
            writer = threading.Thread(target=write)
            writer.start()
            names = []
            async for change in watcher:
                names += [record.name for record in change.records]
                if len(names) % 100 == 0:
                    await asyncio.sleep(0)
                if len(names) == 3000:
                    break
            writer.join()
            return names

    def write() -> None:
        for order in range(3000):
            store.set([made("a", str(order))])

    with AttributeStore() as store:
        assert asyncio.run(watch()) == [str(order) for order in range(3000)]
        assert store.stats.watchers == 0


def test_many_wait_at_once_and_all_are_told_of_the_end() -> None:
    async def watch() -> list[list[str]]:
        watchers = [Watcher(store, f"watcher {order}", 10) for order in range(200)]
        waiting = [asyncio.create_task(names(watcher)) for watcher in watchers]
        await asyncio.sleep(0)
        threading.Thread(target=write).start()
        return await asyncio.gather(*waiting)

    async def names(watcher: Watcher) -> list[str]:
        return [record.name async for change in watcher for record in change.records]

    def write() -> None:
        store.set([made("a", "x")])
        store.set([made("a", "y")])
        store.close_subscriptions()

    with AttributeStore() as store:
        assert asyncio.run(watch()) == [["x", "y"]] * 200


def test_a_watcher_that_does_not_read_falls_behind_and_holds_nobody_up() -> None:
    async def watch() -> tuple[int, bool]:
        watcher = Watcher(store, "idle", 5)
        for order in range(100):
            store.set([made("a", "x", order)])
        return len([change async for change in watcher]), watcher.overflowed

    with AttributeStore() as store:
        assert asyncio.run(watch()) == (5, True)
        assert store.stats.watchers == 0


def test_a_watcher_that_nobody_holds_is_not_told_any_more() -> None:
    async def watch() -> None:
        watcher = Watcher(store, "forgotten", 5)
        assert store.stats.watchers == 1
        del watcher
        gc.collect()
        assert store.stats.watchers == 0

    with AttributeStore() as store:
        asyncio.run(watch())


def test_a_writer_goes_on_when_the_loop_has_ended() -> None:
    async def watch() -> Watcher:
        return Watcher(store, "left over", 5)

    with AttributeStore() as store:
        watcher = asyncio.run(watch())
        for order in range(10):
            store.set([made("a", "x", order)])
        assert store.stats.watchers == 0
        watcher.close()


def test_without_a_loop_there_is_no_watcher_and_no_subscription() -> None:
    with AttributeStore() as store:
        with pytest.raises(RuntimeError, match="loop"):
            Watcher(store, "test", 5)
        assert store.stats.watchers == 0
