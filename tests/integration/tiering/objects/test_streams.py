"""Streams: items go in and are taken, first in and first out."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from framedb.errors import (
    ConflictError,
    FrameDBError,
    InvalidInputError,
    NotFoundError,
    NotRegisteredError,
    StoreFullError,
)
from framedb.registry import write
from framedb.stores.streams import LARGEST_ITEM_BYTES, Streams
from tests.contracts.frame_store import until

from .conftest import World


def test_items_are_taken_in_the_order_they_came(world: World) -> None:
    for item in (b"one", b"", b"\x00\xff"):
        stored = world.objects.set("queue", "mem-db-1", item, "stream", metadata={"fps": 5})
        assert (stored.key, stored.framedb_id, stored.type, stored.size) == ("queue", "mem-db-1", "stream", len(item))

    assert world.objects.stream_length("queue") == 3
    found = world.objects.get("queue")
    assert found is not None
    assert (found[0].type, found[0].framedb_id, found[0].metadata, found[1]) == (
        "stream",
        "mem-db-1",
        {"fps": 5},
        b"one",
    )
    assert world.objects.pop("queue") == b""
    assert world.objects.pop("queue") == b"\x00\xff"
    assert world.objects.pop("queue") is None
    assert world.objects.get("queue") is None
    assert world.objects.stream_length("queue") == 0
    assert world.objects.is_registered("queue")


def test_a_stream_is_a_list_that_any_redis_client_can_fill_and_empty(world: World) -> None:
    world.objects.push("queue", b"ours")
    world.redis["local"].lpush("fdb:q:queue", b"theirs")
    assert world.redis["local"].rpop("fdb:q:queue") == b"ours"
    assert world.objects.pop("queue") == b"theirs"


def test_a_blank_name_gets_a_generated_one_and_a_blank_instance_is_local(world: World) -> None:
    stored = world.objects.set(None, "", b"item", "stream")
    assert uuid.UUID(stored.key).version == 7
    assert stored.framedb_id == "local"
    assert world.objects.pop(stored.key) == b"item"


def test_an_object_comes_before_a_stream_of_its_name_and_reading_takes_no_item(world: World) -> None:
    world.objects.push("k", b"item")
    assert world.objects.read("k") is None
    assert world.objects.stat("k") is None
    world.objects.set("k", "local", b"object", "storage")

    found = world.objects.get("k")
    assert found is not None
    assert found[1] == b"object"
    assert world.objects.stream_length("k") == 1
    item = world.objects.get("k", type="stream")
    assert item is not None
    assert item[1] == b"item"


def test_a_named_instance_is_asked_itself(world: World) -> None:
    Streams(world.memory("mem-db-1").master).push("queue", b"elsewhere")
    world.objects.push("queue", b"here")

    found = world.objects.get("queue", framedb_id="mem-db-1")

    assert found is not None
    assert (found[0].framedb_id, found[1]) == ("mem-db-1", b"elsewhere")
    assert world.objects.get("queue", framedb_id="storage-db-1") is None
    assert world.objects.pop("queue", framedb_id="mem-db-1") is None
    assert world.objects.pop("queue") == b"here"


def test_a_stream_nobody_registered_or_an_unknown_instance_is_an_error(world: World) -> None:
    assert world.objects.get("nothing") is None
    assert world.objects.stream_length("nothing") is None
    assert world.objects.stream_drops("nothing") == {}
    with pytest.raises(NotFoundError, match="there is no stream 'nothing'"):
        world.objects.pop("nothing")
    with pytest.raises(NotFoundError, match=r"^FrameDB instance not found: nowhere$"):
        world.objects.push("queue", b"item", "nowhere")
    with pytest.raises(NotFoundError, match=r"^FrameDB instance not found: nowhere$"):
        world.objects.pop("queue", framedb_id="nowhere")


def test_a_stream_stays_in_its_instance(world: World) -> None:
    world.objects.push("queue", b"1", "mem-db-1")
    with pytest.raises(ConflictError, match="mem-db-1"):
        world.objects.push("queue", b"2", "local")
    assert world.objects.push("queue", b"2").framedb_id == "mem-db-1"
    assert world.objects.push("queue", b"3", "mem-db-1-0").framedb_id == "mem-db-1"
    assert [world.objects.pop("queue") for _ in range(4)] == [b"1", b"2", b"3", None]
    assert world.keys("local") == []


def test_a_deleted_stream_is_gone_with_its_items(world: World) -> None:
    world.objects.push("queue", b"item", "mem-db-1")
    assert world.objects.delete("queue")
    assert world.objects.delete("queue") is False
    assert world.keys("mem-db-1") == []
    assert world.objects.push("queue", b"item", "local").framedb_id == "local"


def test_a_reader_waits_for_an_item(world: World) -> None:
    world.objects.push("queue", b"first")
    world.objects.pop("queue")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.objects.pop, "queue", wait=30)
        until(lambda: world.redis["local"].info("clients")["blocked_clients"] == 1, "the reader waits")
        world.objects.push("queue", b"second", max_length=1)
        assert waiting.result(10) == b"second"
    assert world.objects.pop("queue", wait=0.05) is None


def test_many_readers_and_writers_lose_nothing_and_take_nothing_twice(world: World) -> None:
    writing = threading.Event()
    writing.set()
    world.objects.push("queue", b"first", "mem-db-1")

    def fill(n: int) -> None:
        for number in range(150):
            world.objects.push("queue", b"%d/%d" % (n, number))

    def empty() -> list[bytes]:
        taken = []
        while True:
            done = not writing.is_set()
            item = world.objects.pop("queue", wait=0.05)
            if item is not None:
                taken.append(item)
            elif done:
                return taken

    with ThreadPoolExecutor(5) as pool:
        readers = [pool.submit(empty) for _ in range(3)]
        try:
            for done in [pool.submit(fill, n) for n in range(2)]:
                done.result()
        finally:
            writing.clear()
        taken = [item for reader in readers for item in reader.result()]
    assert sorted(taken) == sorted([b"first", *(b"%d/%d" % (n, number) for n in range(2) for number in range(150))])


# Caps.


def test_at_its_cap_the_oldest_item_goes_and_is_counted(world: World) -> None:
    for n in range(5):
        world.objects.push("queue", b"%d" % n, max_length=3)
    assert world.objects.stream_length("queue") == 3
    assert world.objects.stream_drops("queue") == {"evicted-unread": 2}
    assert [world.objects.pop("queue") for _ in range(4)] == [b"2", b"3", b"4", None]


@pytest.mark.parametrize(("policy", "drops"), [("drop-newest", {"drop-newest": 2}), ("wait", {})])
def test_at_its_cap_the_newest_item_is_turned_away(world: World, policy: Any, drops: dict[str, int]) -> None:
    for n in range(3):
        world.objects.push("queue", b"%d" % n, max_length=3, policy=policy)
    for _ in range(2):
        with pytest.raises(StoreFullError, match="queue is at its cap of 3 items"):
            world.objects.push("queue", b"more", max_length=3, policy=policy)
    assert world.objects.stream_drops("queue") == drops
    assert [world.objects.pop("queue") for _ in range(4)] == [b"0", b"1", b"2", None]
    world.objects.push("queue", b"more", max_length=3, policy=policy)


def test_a_cap_may_stand_in_the_metadata_of_the_stream(world: World) -> None:
    cap = {"max_length": 2, "policy": "drop-oldest", "note": "x"}
    world.objects.push("queue", b"0", metadata=cap)
    for n in range(1, 4):
        world.objects.set("queue", None, b"%d" % n, "stream")
    assert world.objects.stream_length("queue") == 2
    world.objects.push("queue", b"4", metadata={})
    assert world.objects.stream_length("queue") == 3
    route = world.routing.stream("queue")
    assert route is not None
    assert route.metadata == {}


@pytest.mark.parametrize(
    "given",
    [
        {"max_length": 0}, {"max_length": -1}, {"max_length": True}, {"max_length": 1.5}, {"policy": "drop-all"},
        {"metadata": {"max_length": "many"}}, {"metadata": {"policy": 1}},
    ],
)  # fmt: skip
def test_a_cap_that_is_none_is_refused(world: World, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        world.objects.push("queue", b"item", **given)
    assert world.keys() == []
    assert world.objects.is_registered("queue") is False


def test_an_item_that_is_too_large_is_refused_and_the_largest_is_not(world: World) -> None:
    with pytest.raises(InvalidInputError, match="put it as an object"):
        world.objects.push("queue", bytes(LARGEST_ITEM_BYTES + 1))
    assert world.keys() == []
    world.objects.push("queue", memoryview(bytes(LARGEST_ITEM_BYTES)))
    assert len(world.objects.pop("queue") or b"") == LARGEST_ITEM_BYTES


@pytest.mark.parametrize("max_length", [None, 10])
def test_a_full_server_refuses_items_and_gives_those_it_has(world: World, max_length: int | None) -> None:
    world.objects.push("queue", b"first", max_length=max_length)
    world.redis["local"].config_set("maxmemory", "1mb")
    with pytest.raises(StoreFullError, match="maxmemory"):
        world.objects.push("queue", b"second", max_length=max_length)
    assert world.objects.pop("queue") == b"first"
    assert world.objects.pop("queue") is None


def test_an_item_whose_stream_cannot_be_registered_is_taken_back(world: World) -> None:
    trigger = "CREATE TRIGGER no_streams BEFORE INSERT ON streams BEGIN SELECT RAISE(FAIL, 'no'); END"
    write(world.registry, lambda connection: connection.execute(text(trigger)))
    Streams(world.memory("local").master).push("queue", b"of somebody else")

    with pytest.raises(NotRegisteredError, match="stream queue could not be registered"):
        world.objects.push("queue", b"ours")

    assert world.redis["local"].lrange("fdb:q:queue", 0, -1) == [b"of somebody else"]


def test_what_is_no_stream_is_an_error_that_says_so(world: World) -> None:
    world.redis["local"].set("fdb:q:queue", b"a string")
    with pytest.raises(FrameDBError, match="WRONGTYPE"):
        world.objects.push("queue", b"item")
    assert world.objects.is_registered("queue") is False
