"""What sources may take up in memory, who may write them, and what becomes of frames nobody acknowledged."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from framedb.errors import InvalidFrameError, StaleWriterError, StoreFullError
from framedb.frame import CameraKey, Frame, utc_now
from framedb.resp import Endpoint, MasterClient, Redis, close_redis, open_redis
from framedb.stores.memory import LARGEST_FRAME_BYTES, Fence, MemoryStore
from framedb.stores.policy import SourcePolicy
from tests.contracts.frame_store import until
from tests.engines.valkey import running_valkey

SOURCE = "plant-a:gate"
NOW = utc_now()


def frame(seconds: float = 0.0, data: bytes = b"x" * 1000, *, camera: str = "gate") -> Frame:
    key = CameraKey("plant-a", camera, NOW + timedelta(seconds=seconds))
    return Frame(str(key), data, source=key.source, captured_at=key.captured_at)


@pytest.fixture
def store(valkey: Endpoint, redis: Redis) -> Iterator[MemoryStore]:
    with MemoryStore(MasterClient.fixed(valkey)) as memory:
        yield memory


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[MemoryStore, Redis]]:
    """A store on a server of 32 MiB, and a client of it."""
    with running_valkey(tmp_path, maxmemory="32mb") as endpoint, MemoryStore(MasterClient.fixed(endpoint)) as memory:
        client = open_redis(endpoint)
        yield memory, client
        close_redis(client)


def keys(store: MemoryStore) -> set[str]:
    return set(store.scan(source=SOURCE))


def consistent(redis: Redis, source: str) -> bool:
    """Every row has its bytes, and all bytes their row."""
    rows = redis.hkeys(f"fdb:{source}:m")
    return sorted(rows) == sorted(redis.keys(f"frame:{source}:*"))


def test_the_oldest_go_when_a_source_has_its_number_of_frames(store: MemoryStore) -> None:
    store.set_policy(SOURCE, SourcePolicy(max_frames=3))
    store.put_many([frame(n) for n in range(5)])
    assert keys(store) == {frame(n).key for n in (2, 3, 4)}
    assert store.stats(SOURCE).drops == {"evicted-unread": 2}


def test_the_oldest_go_when_a_source_has_its_number_of_bytes(store: MemoryStore) -> None:
    store.set_policy(SOURCE, SourcePolicy(max_bytes=3500))
    for n in range(5):
        store.put(frame(n))
    assert keys(store) == {frame(n).key for n in (2, 3, 4)}
    assert store.stats(SOURCE).bytes == 3000


def test_frames_older_than_the_cap_go_with_the_next_write(store: MemoryStore) -> None:
    store.put_many([frame(-10_000), frame(-5)])
    store.set_policy(SOURCE, SourcePolicy(max_age_s=5000))
    store.put(frame())
    assert keys(store) == {frame(-5).key, frame().key}


def test_a_late_frame_may_itself_be_the_oldest_and_go(store: MemoryStore) -> None:
    store.set_policy(SOURCE, SourcePolicy(max_frames=2))
    store.put_many([frame(1), frame(2)])
    put = store.put(frame(0))
    assert not put
    assert put.dropped == "evicted-unread"
    assert store.get(frame(0).key) is None
    assert keys(store) == {frame(1).key, frame(2).key}


def test_an_eviction_of_a_held_frame_is_counted_apart(store: MemoryStore) -> None:
    store.set_policy(SOURCE, SourcePolicy(max_frames=1))
    store.put(frame(0))
    assert store.lease(frame(0).key, seconds=60)
    assert store.get(frame(0).key) == frame(0)
    store.put(frame(1))
    assert store.stats(SOURCE).drops == {"evicted-leased": 1}


def test_a_frame_is_read_and_held_at_once(store: MemoryStore, redis: Redis) -> None:
    store.set_policy(SOURCE, SourcePolicy(max_frames=1))
    store.put(frame(0))
    redis.function_flush()  # as a server that restarted
    assert store.get_leased(frame(0).key, seconds=60) == frame(0)
    assert store.get_leased(frame(9).key, seconds=60) is None
    store.put(frame(1))
    assert store.get_leased(frame(0).key, seconds=60) is None
    assert store.stats(SOURCE).drops == {"evicted-leased": 1}


def test_a_released_frame_is_no_drop_and_a_dropped_one_has_its_reason(store: MemoryStore) -> None:
    store.put_many([frame(0), frame(1)])
    assert store.delete(frame(0).key)
    assert store.drop(frame(1).key, reason="queue-full")
    assert not store.drop(frame(1).key, reason="queue-full")
    assert store.stats(SOURCE).drops == {"queue-full": 1}


def test_drop_newest_turns_frames_away_and_counts_each_once(store: MemoryStore) -> None:
    store.set_policy(SOURCE, SourcePolicy(policy="drop-newest", max_frames=2))
    puts = [store.put(frame(n)) for n in range(5)]
    assert [put.dropped for put in puts] == [None, None, "drop-newest", "drop-newest", "drop-newest"]
    assert keys(store) == {frame(0).key, frame(1).key}
    assert store.stats(SOURCE).drops == {"drop-newest": 3}


def test_under_wait_a_cap_drops_nothing_and_room_ends_the_wait(store: MemoryStore, redis: Redis) -> None:
    store.set_policy(SOURCE, SourcePolicy(policy="wait", max_frames=2))
    store.put_many([frame(0), frame(1)])
    for _ in range(2):
        with pytest.raises(StoreFullError, match="no room for source plant-a:gate"):
            store.put(frame(2))
    assert store.stats(SOURCE).drops == {}
    assert consistent(redis, SOURCE)
    store.delete(frame(0).key)
    assert store.put(frame(2))


def test_a_frame_may_be_replaced_at_the_cap(store: MemoryStore) -> None:
    store.set_policy(SOURCE, SourcePolicy(policy="wait", max_frames=1))
    store.put(frame(0))
    assert store.put(frame(0, b"better"))
    assert store.stats(SOURCE).bytes == len(b"better")


def test_the_sources_own_ttl_holds_unless_the_frame_has_one(store: MemoryStore, redis: Redis) -> None:
    store.set_policy(SOURCE, SourcePolicy(ttl_s=100))
    store.put(frame(0))
    store.put(frame(1), ttl=10)
    store.put(frame(2), ttl=float("inf"))
    assert 90_000 < redis.pttl(frame(0).key) <= 100_000
    assert 0 < redis.pttl(frame(1).key) <= 10_000
    assert redis.pttl(frame(2).key) == -1


def test_the_index_of_a_source_that_stopped_goes_an_hour_after_its_last_frame(store: MemoryStore, redis: Redis) -> None:
    store.put(frame(0), ttl=100, announce=True)
    for part in ("t", "x", "m", "out"):
        assert 3_600_000 < redis.pttl(f"fdb:{SOURCE}:{part}") <= 3_700_000
    store.put(frame(1))  # kept for ever
    assert redis.pttl(f"fdb:{SOURCE}:m") == -1


def test_expired_frames_of_a_source_that_is_written_again_are_counted(store: MemoryStore) -> None:
    store.put_many([frame(n) for n in range(100)], ttl=0.05)
    until(lambda: store.get(frame(0).key) is None, "the frames to expire")
    store.put(frame(200))
    assert store.stats(SOURCE).drops == {"expired": 100}
    assert store.stats(SOURCE).count == 1


def test_a_frame_a_plain_client_deleted_is_no_drop(store: MemoryStore, redis: Redis) -> None:
    store.put(frame(0))
    redis.delete(frame(0).key)
    assert store.get(frame(0).key) is None
    assert store.latest(SOURCE) is None
    assert store.stats(SOURCE) == type(store.stats(SOURCE))(0, 0, {})


def test_what_a_plain_client_wrote_is_read(store: MemoryStore, redis: Redis) -> None:
    key = "frame:pharma-ng:0:01_14_2024-17_45_00"
    redis.set(key, b"/9j/4AAQ")
    got = store.get(key)
    assert got is not None
    assert (got.source, got.encoding, bytes(got.view())) == ("pharma-ng:0", "base64-jpeg", b"/9j/4AAQ")


def test_a_plain_client_reads_the_plain_bytes(store: MemoryStore, redis: Redis) -> None:
    store.put(frame(0, b"\xff\xd8\xff image"))
    assert redis.get(frame(0).key) == b"\xff\xd8\xff image"


def test_an_older_writer_is_refused_and_leaves_nothing(store: MemoryStore, redis: Redis) -> None:
    assert store.put(frame(0), fence=Fence(epoch=3, token=7))
    for stale in (Fence(epoch=2, token=9), Fence(epoch=3, token=6)):
        with pytest.raises(StaleWriterError):
            store.put(frame(1), fence=stale)
    assert consistent(redis, SOURCE)
    assert store.put(frame(1), fence=Fence(epoch=4, token=8))
    with pytest.raises(StaleWriterError):
        store.put(frame(2), fence=Fence(epoch=3, token=7))
    assert store.put(frame(2)), "a program that holds no lease and knows no route may write"
    store.release_token(SOURCE)
    assert store.put(frame(3), fence=Fence(epoch=4, token=1))


def test_announcements_wait_until_they_are_confirmed(store: MemoryStore) -> None:
    store.put_many([frame(0), frame(1), frame(2)], announce=True)
    store.put(frame(3))
    assert sorted(store.unannounced(older_than=-1)) == [(SOURCE, frame(n).key) for n in range(3)]
    assert store.unannounced(older_than=10) == []
    store.confirm([frame(0).key])
    store.delete(frame(1).key)
    assert store.unannounced(older_than=-1) == [(SOURCE, frame(2).key)]


def test_a_write_of_unknown_outcome_may_be_repeated(store: MemoryStore) -> None:
    for _ in range(3):
        store.put_many([frame(0), frame(1)], announce=True)
    stats = store.stats(SOURCE)
    assert (stats.count, stats.bytes, stats.drops) == (2, 2000, {})


def test_the_functions_are_loaded_again_when_a_server_forgot_them(store: MemoryStore, redis: Redis) -> None:
    store.put(frame(0))
    redis.function_flush()
    assert store.put(frame(1))
    redis.function_flush()
    assert store.delete(frame(1).key)


def test_a_frame_over_the_limit_is_refused_before_it_is_sent(store: MemoryStore) -> None:
    with pytest.raises(InvalidFrameError, match="durable"):
        store.put(Frame("huge", bytearray(LARGEST_FRAME_BYTES + 1)))


def test_a_full_server_makes_room_for_a_source_that_may_drop(small: tuple[MemoryStore, Redis]) -> None:
    store, redis = small
    store.set_policy(SOURCE, SourcePolicy())
    data = b"x" * 3_000_000
    for n in range(30):
        assert store.put(frame(n, data))
    stats = store.stats(SOURCE)
    assert stats.count + stats.drops["evicted-unread"] == 30
    assert store.get(frame(29).key) is not None
    assert consistent(redis, SOURCE)


@pytest.mark.parametrize("policy", [None, SourcePolicy(policy="wait")], ids=["no policy", "wait"])
def test_a_full_server_is_an_error_for_a_source_that_may_not_drop(
    small: tuple[MemoryStore, Redis], policy: SourcePolicy | None
) -> None:
    store, redis = small
    if policy:
        store.set_policy(SOURCE, policy)
    stored = 0
    for size in (3_000_000, 300_000, 30_000, 3_000, 100):
        for _ in range(100_000):
            try:
                store.put(frame(stored, b"x" * size))
            except StoreFullError:
                break
            stored += 1
        assert stored > 0
    assert store.stats(SOURCE).count == stored
    assert store.stats(SOURCE).drops == {}
    assert consistent(redis, SOURCE)
    # What takes room away goes on at the brim.
    assert store.lease(frame(0).key, seconds=5)
    assert store.delete_many([frame(n).key for n in range(stored)]) == stored
    assert store.put(frame(0, b"x" * 3_000_000))


def test_a_full_server_turns_the_newest_away_where_the_policy_says_so(small: tuple[MemoryStore, Redis]) -> None:
    store, redis = small
    store.set_policy(SOURCE, SourcePolicy(policy="drop-newest"))
    puts = [store.put(frame(n, b"x" * 3_000_000)) for n in range(20)]
    kept = sum(map(bool, puts))
    assert 0 < kept < 20
    assert store.stats(SOURCE).drops == {"drop-newest": 20 - kept}
    assert consistent(redis, SOURCE)
