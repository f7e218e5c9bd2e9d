"""Times to live, over HTTP."""

import time

import pytest

from framedb.attributes.store import AttributeStore
from tests.integration.kvs.serving import Served, served
from tests.integration.kvs.wire import attribute, integer

ONE = attribute("counter", "frames", integer(1))


class Clock:
    """Seconds, as a test says."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_attribute_is_gone_when_its_ttl_is_over() -> None:
    clock = Clock()
    with served(AttributeStore(clock=clock)) as kvs:
        kvs.post("/kvs/set-with-ttl/1000", ONE)
        clock.now = 0.999
        assert kvs.get("/kvs/get/counter/frames") == ONE
        clock.now = 1.0
        assert kvs.get("/kvs/get/counter/frames") == b""
        assert kvs.get("/kvs/search/*/*") == b""
        assert kvs.post("/kvs/delete-single/counter/frames") == b""


def test_a_set_replaces_the_ttl_too() -> None:
    clock = Clock()
    with served(AttributeStore(clock=clock)) as kvs:
        kvs.post("/kvs/set-with-ttl/1000", ONE)
        clock.now = 0.5
        kvs.post("/kvs/set-with-ttl/1000", ONE)
        clock.now = 1.2
        assert kvs.get("/kvs/get/counter/frames") == ONE
        kvs.post("/kvs/set", ONE)
        clock.now = 1e9
        assert kvs.get("/kvs/get/counter/frames") == ONE


def test_a_ttl_of_0_is_visible_to_nobody(kvs: Served) -> None:
    kvs.post("/kvs/set", ONE)
    kvs.post("/kvs/set-with-ttl/0", ONE)
    assert kvs.get("/kvs/search/*/*") == b""


@pytest.mark.soak
def test_a_heartbeat_is_visible_to_every_read(kvs: Served, soak: int) -> None:
    reads, end = 0, time.monotonic() + (20 if soak else 3)
    beat = -1.0
    while (now := time.monotonic()) < end:
        if now >= beat + 0.5:
            beat = now
            kvs.post("/kvs/set-with-ttl/1000", ONE)
        there = kvs.get("/kvs/get/counter/frames") == ONE
        assert there or time.monotonic() - beat >= 1.0, f"{time.monotonic() - beat:.3f} s after a set"
        reads += there
    assert reads > 100


def test_memory_comes_back_without_anybody_reading() -> None:
    with served() as kvs:
        kvs.post("/kvs/set-with-ttl/1", ONE)
        deadline = time.monotonic() + 30
        while kvs.metric("framedb_kvs_entries") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert kvs.metric("framedb_kvs_expired_total") == 1
