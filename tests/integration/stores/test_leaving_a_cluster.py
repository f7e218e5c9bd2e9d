"""A source leaves a cluster: old writers are refused there, and what it holds is told and handed out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from framedb.errors import InvalidKeyError, StaleWriterError
from framedb.frame import NO_SOURCE, CameraKey, Frame, utc_now
from framedb.resp import Endpoint, MasterClient, Redis, close_redis, open_redis
from framedb.stores.base import KEEP
from framedb.stores.memory import Fence, MemoryStore
from framedb.stores.policy import SourcePolicy
from tests.contracts.frame_store import until
from tests.engines.valkey import running_valkey

SOURCE = "plant-a:gate"
NOW = utc_now()


def frame(number: int, data: bytes = b"x" * 1000) -> Frame:
    key = CameraKey("plant-a", "gate", NOW + timedelta(seconds=number))
    return Frame(
        str(key), data, source=key.source, captured_at=key.captured_at, pts=number, time_base=Fraction(1, 90_000)
    )


@pytest.fixture
def store(valkey: Endpoint, redis: Redis) -> Iterator[MemoryStore]:
    with MemoryStore(MasterClient.fixed(valkey)) as memory:
        yield memory


def epoch(store: MemoryStore) -> int:
    return int(store.policy(SOURCE)["epoch"])


def test_a_raised_epoch_refuses_older_writers_and_lets_newer_ones_write(store: MemoryStore) -> None:
    assert store.put(frame(0), fence=Fence(epoch=3))
    store.raise_epoch(SOURCE, 4)
    with pytest.raises(StaleWriterError):
        store.put(frame(1), fence=Fence(epoch=3))
    assert store.get(frame(1).key) is None
    assert store.put(frame(1), fence=Fence(epoch=4))


def test_an_epoch_is_never_lowered(store: MemoryStore) -> None:
    store.raise_epoch(SOURCE, 7)
    store.raise_epoch(SOURCE, 5)
    assert epoch(store) == 7
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: store.raise_epoch(SOURCE, number), range(200, 0, -1)))
    assert epoch(store) == 200


def test_raising_the_epoch_leaves_the_policy_and_the_lease_alone(store: MemoryStore) -> None:
    store.set_policy(SOURCE, SourcePolicy("wait", max_frames=9))
    store.put(frame(0), fence=Fence(epoch=1, token=12))
    store.raise_epoch(SOURCE, 2)
    assert store.policy(SOURCE) == {"policy": "wait", "max_frames": "9", "token": "12", "epoch": "2"}
    with pytest.raises(InvalidKeyError):
        store.raise_epoch("no source id!", 1)


def test_the_epoch_is_raised_on_a_server_that_is_full_or_was_never_told_the_functions(tmp_path: Path) -> None:
    with running_valkey(tmp_path, maxmemory="16mb") as endpoint, MemoryStore(MasterClient.fixed(endpoint)) as store:
        store.raise_epoch(SOURCE, 1)
        client = open_redis(endpoint)
        client.config_set("maxmemory", "1mb")
        store.raise_epoch(SOURCE, 2)
        close_redis(client)
        assert epoch(store) == 2


def test_what_a_cluster_holds_of_a_source_ends_with_its_last_frame(store: MemoryStore) -> None:
    before = utc_now()
    store.put(frame(0), ttl=50)
    store.put(frame(1), ttl=100)
    holding = store.holds(SOURCE)
    assert holding.count == 2
    assert holding.until is not None
    assert before + timedelta(seconds=99) < holding.until < utc_now() + timedelta(seconds=101)
    store.put(frame(2))
    assert (store.holds(SOURCE).count, store.holds(SOURCE).until) == (3, None)
    store.delete(frame(2).key)
    assert store.holds(SOURCE) == holding


def test_a_cluster_that_holds_nothing_has_nothing_to_wait_for(store: MemoryStore) -> None:
    empty = store.holds(SOURCE)
    assert empty.count == 0
    assert empty.until is not None
    assert empty.until <= utc_now() + timedelta(seconds=1)
    store.put(frame(0), ttl=0.05)
    until(lambda: store.get(frame(0).key) is None, "the frame to expire")
    assert store.holds(SOURCE).count == 0
    assert store.stats(SOURCE).drops == {"expired": 1}


def test_every_frame_is_exported_with_what_is_left_of_its_time(store: MemoryStore) -> None:
    frames = {each.key: each for each in (frame(number, bytes([number]) * 1000) for number in range(200))}
    store.put_many(list(frames.values())[:100], ttl=100)
    store.put_many(list(frames.values())[100:], announce=True)
    store.confirm([frame(150).key])
    exported = {each.key: (each, ttl, unannounced) for each, ttl, unannounced in store.export(SOURCE)}
    assert {key: each for key, (each, _, _) in exported.items()} == frames
    for number in range(200):
        _, ttl, unannounced = exported[frame(number).key]
        assert 90 < ttl <= 100 if number < 100 else ttl == KEEP
        assert unannounced == (number >= 100 and number != 150)


def test_frames_of_the_source_without_a_name_and_large_ones_are_exported_too(store: MemoryStore) -> None:
    frames = {f"k{number}": Frame(f"k{number}", bytes([number]) * 5_000_000) for number in range(5)}
    store.put_many(list(frames.values()))
    exported = {each.key: each.data for each, _, _ in store.export(NO_SOURCE)}
    assert exported == {key: each.data for key, each in frames.items()}


def test_frames_may_go_while_they_are_exported(store: MemoryStore, redis: Redis) -> None:
    store.put_many([frame(number) for number in range(300)])
    redis.delete(frame(7).key)  # bytes that a plain client took, so that their row stands alone
    taken = []
    for each, _, _ in store.export(SOURCE):
        taken.append(each.key)
        assert store.delete(each.key)
    assert sorted(taken) == sorted(frame(number).key for number in range(300) if number != 7)
    assert store.holds(SOURCE).count in (0, 1)


def test_what_was_exported_is_stored_elsewhere_as_it_was(store: MemoryStore, tmp_path: Path) -> None:
    store.put_many([frame(number) for number in range(20)], ttl=60, announce=True)
    with running_valkey(tmp_path) as endpoint, MemoryStore(MasterClient.fixed(endpoint)) as other:
        for each, ttl, unannounced in store.export(SOURCE):
            other.put(each, ttl=ttl, announce=unannounced, fence=Fence(epoch=2))
        for number in range(20):
            there = other.get(frame(number).key)
            assert there == frame(number)
        assert len(other.unannounced(older_than=-1)) == 20
        assert other.holds(SOURCE).until is not None
