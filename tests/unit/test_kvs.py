"""The store of the process, called as Savant's programs call theirs."""

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import Iterator

import pytest

from framedb import kvs
from framedb.errors import InvalidInputError, SubscriptionClosedError
from framedb.primitives import Attribute, AttributeValue


@pytest.fixture(autouse=True)
def _the_store_is_empty_and_nobody_watches() -> Iterator[None]:
    yield
    kvs.del_attributes()
    kvs.store().close_subscriptions()


def made(name: str, number: int = 0) -> Attribute:
    return Attribute(namespace="some", name=name, hint="x", values=[AttributeValue.integer(number, confidence=0.5)])


def test_a_program_written_for_savant_finds_everything() -> None:
    attribute = made("attr", 7)
    kvs.set_attributes([attribute], 60_000)
    assert len(kvs.search_attributes("*", "*")) == 1
    assert len(kvs.search_attributes(None, "*")) == 1
    assert kvs.search_keys("so*", None, True) == [("some", "attr")]
    assert kvs.search_keys(ns="some", name="attr", no_gil=True) == [("some", "attr")]
    found = kvs.get_attribute("some", "attr")
    assert found is not None
    assert (found.namespace, found.name, found.hint) == ("some", "attr", "x")
    assert kvs.get_attribute("some", "other") is None
    removed = kvs.del_attribute("some", "attr")
    assert removed is not None
    assert kvs.del_attribute("some", "attr") is None
    kvs.set_attributes(attributes=[removed], ttl=0)
    assert kvs.get_attribute(ns="some", name="attr") is None
    kvs.set_attributes([made("a"), made("b")])
    kvs.del_attributes("*", "a")
    assert kvs.search_keys() == [("some", "b")]
    kvs.del_attributes("*", "*", no_gil=False)
    assert kvs.search_attributes() == []


def test_arguments_have_savants_names_and_order() -> None:
    def names(function: object) -> list[str]:
        assert callable(function)
        return list(inspect.signature(function).parameters)

    assert names(kvs.set_attributes) == ["attributes", "ttl"]
    assert names(kvs.get_attribute) == names(kvs.del_attribute) == ["ns", "name"]
    for search in (kvs.search_attributes, kvs.search_keys, kvs.del_attributes):
        assert names(search) == ["ns", "name", "no_gil"]
    assert names(kvs.KvsSubscription) == ["name", "max_inflight_ops"]


def test_attributes_become_bytes_and_come_back() -> None:
    attributes = [made("a", 1), made("b", 2)]
    back = kvs.deserialize_attributes(kvs.serialize_attributes(attributes))
    assert [(one.name, one.values[0].as_integer()) for one in back] == [("a", 1), ("b", 2)]
    assert kvs.serialize_attributes([]) == b""
    assert kvs.deserialize_attributes(b"") == []
    with pytest.raises(ValueError, match="AttributeSet"):
        kvs.deserialize_attributes(b"\xff")


def test_bad_patterns_and_ttls_are_value_errors() -> None:
    for search in (kvs.search_attributes, kvs.search_keys, kvs.del_attributes):
        with pytest.raises(ValueError, match="pattern"):
            search("[")
    with pytest.raises(ValueError, match="ttl"):
        kvs.set_attributes([made("a")], -1)


def test_a_subscription_yields_savants_operations() -> None:
    before = time.time_ns() // 1_000_000
    with kvs.KvsSubscription("events", 100) as subscription:
        kvs.set_attributes([made("a", 5)], 60_000)
        kvs.set_attributes([made("b")])
        kvs.del_attribute("some", "a")
        kvs.del_attributes("nothing")
        first, second, third, fourth = (subscription.recv() for _ in range(4))
        assert subscription.try_recv() is None
    assert isinstance(first, kvs.KvsSetOperation)
    assert (first.ttl, first.attributes[0].values[0].as_integer()) == (60_000, 5)
    assert before <= first.timestamp <= time.time_ns() // 1_000_000
    assert isinstance(second, kvs.KvsSetOperation)
    assert second.ttl is None
    assert isinstance(third, kvs.KvsDeleteOperation)
    assert [one.name for one in third.attributes] == ["a"]
    assert isinstance(fourth, kvs.KvsDeleteOperation)
    assert fourth.attributes == []


def test_what_a_subscriber_changes_nobody_else_sees() -> None:
    one, other = kvs.KvsSubscription("one", 10), kvs.KvsSubscription("other", 10)
    kvs.set_attributes([made("a", 1)])
    mine = one.recv()
    assert mine is not None
    mine.attributes[0].values = []
    mine.attributes.clear()
    theirs = other.recv()
    assert theirs is not None
    assert theirs.attributes[0].values[0].as_integer() == 1
    stored = kvs.get_attribute("some", "a")
    assert stored is not None
    assert stored.values[0].as_integer() == 1


def test_who_waits_is_let_go_when_subscriptions_end() -> None:
    got: list[object] = []
    subscription = kvs.KvsSubscription("events", 100)

    def receive() -> None:
        while (operation := subscription.recv()) is not None:
            got.append(operation)

    thread = threading.Thread(target=receive)
    thread.start()
    for _ in range(10):
        kvs.set_attributes([made("a")])
    kvs.store().close_subscriptions()
    thread.join()
    assert len(got) == 10
    with pytest.raises(SystemError, match="is closed"):
        subscription.try_recv()


def test_who_falls_behind_is_told_so() -> None:
    subscription = kvs.KvsSubscription("slow", 2)
    for _ in range(3):
        kvs.set_attributes([made("a")])
    assert subscription.overflowed
    assert [subscription.try_recv() is not None for _ in range(2)] == [True, True]
    with pytest.raises(SubscriptionClosedError, match="'slow' fell behind"):
        subscription.try_recv()
    assert subscription.recv() is None


def test_a_subscription_that_could_hold_nothing_is_a_value_error() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        kvs.KvsSubscription("events", 0)


def test_a_subscription_that_nobody_holds_is_not_told_any_more() -> None:
    subscription = kvs.KvsSubscription("events", 10)
    assert kvs.store().stats.watchers == 1
    del subscription
    gc.collect()
    assert kvs.store().stats.watchers == 0


def test_asyncio_programs_watch_with_async_for() -> None:
    async def watch() -> list[kvs.Operation]:
        changes = kvs.watch(expiries=True)
        threading.Thread(target=write).start()  # what it does is seen, though nobody has asked for it yet
        return [operation async for operation in changes]

    def write() -> None:
        kvs.set_attributes([made("a")])
        kvs.set_attributes([made("b")], 1)
        while kvs.store().stats.entries > 1:
            time.sleep(0.01)
        kvs.del_attribute("some", "a")
        kvs.store().close_subscriptions()

    operations = asyncio.run(watch())
    assert [type(operation) for operation in operations] == [
        kvs.KvsSetOperation,
        kvs.KvsSetOperation,
        kvs.KvsExpireOperation,
        kvs.KvsDeleteOperation,
    ]
    assert [operation.attributes[0].name for operation in operations] == ["a", "b", "b", "a"]


def test_expiries_are_told_only_on_request() -> None:
    async def watch() -> list[str]:
        changes = kvs.watch()
        kvs.set_attributes([made("a")], 0)
        while kvs.store().stats.entries:
            await asyncio.sleep(0.01)
        kvs.store().close_subscriptions()
        return [type(operation).__name__ async for operation in changes]

    assert asyncio.run(watch()) == ["KvsSetOperation"]


def test_an_asyncio_program_that_falls_behind_is_told_so() -> None:
    async def watch() -> None:
        changes = kvs.watch("idle", max_inflight_ops=3)
        for _ in range(10):
            kvs.set_attributes([made("a")])
        await anext(changes)
        await anext(changes)
        await anext(changes)
        with pytest.raises(SubscriptionClosedError, match="'idle' fell behind"):
            await anext(changes)

    asyncio.run(watch())
    assert kvs.store().stats.watchers == 0
