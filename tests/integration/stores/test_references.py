"""Frames that several consumers share: released by the last of them, exactly, whatever breaks in between."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from framedb.errors import InvalidInputError, StaleWriterError, StoreError, StoreFullError
from framedb.resp import Endpoint, MasterClient, Redis, close_redis, open_redis
from framedb.stores.memory import MemoryStore
from framedb.stores.policy import SourcePolicy
from framedb.stores.references import References, Release
from tests.engines.cluster import eventually, running_cluster
from tests.integration.resp.conftest import line_to

P = "cam?0?0__7"
SOURCE = "cam"
SIZES = ("416x416", "80x60")
FRAMES = {f"{P}__416x416": b"large", f"{P}__80x60": b"small"}


@pytest.fixture
def master(valkey: Endpoint, redis: Redis) -> Iterator[MasterClient]:
    """A client of an empty server."""
    client = MasterClient.fixed(valkey)
    yield client
    client.close()


@pytest.fixture
def references(master: MasterClient) -> References:
    """On an empty server."""
    return References(master.run, default_ttl=60.0)


@pytest.fixture
def store(master: MasterClient) -> MemoryStore:
    """The same server, as others see it."""
    return MemoryStore(master)


def release(references: References, *, by: int = 1, consumer: str = "one", step: int = 1, queue: bool = False) -> str:
    (result,) = references.release(SOURCE, [Release(f"ref__{P}", by, SIZES, step)], consumer=consumer, queue=queue)
    return result


def keys(redis: Redis) -> list[str]:
    return sorted(str(key, "utf-8") for key in redis.keys("*") if isinstance(key, bytes))


def test_frames_and_their_count_are_written_in_one_step_and_indexed(
    references: References, store: MemoryStore, redis: Redis
) -> None:
    puts = references.put(SOURCE, {**FRAMES, f"ref__{P}": 2})
    assert [put.dropped for put in puts] == [None, None]
    assert redis.mget([*FRAMES, f"ref__{P}"]) == [b"large", b"small", b"2"]
    assert store.stats(SOURCE).count == 2
    assert store.stats(SOURCE).bytes == 10
    assert sorted(store.scan(source=SOURCE)) == sorted(FRAMES)


def test_frames_and_count_live_as_long_as_the_source_says_or_else_as_the_default(
    references: References, store: MemoryStore, redis: Redis
) -> None:
    references.put(SOURCE, {**FRAMES, f"ref__{P}": 2})
    for key in (*FRAMES, f"ref__{P}"):
        assert 50_000 < redis.pttl(key) <= 60_000, key
    store.set_policy("other", SourcePolicy(ttl_s=5.0))
    references.put("other", {"other?0?0__1__80x60": b"x", "ref__other?0?0__1": 1})
    for key in ("other?0?0__1__80x60", "ref__other?0?0__1"):
        assert 4_000 < redis.pttl(key) <= 5_000, key


def test_a_count_without_frames_lives_as_long_as_a_frame_would(references: References, redis: Redis) -> None:
    assert references.put(SOURCE, {"ref__cam?0?0__8": 3}) == []
    assert 50_000 < redis.pttl("ref__cam?0?0__8") <= 60_000


def test_the_last_consumer_releases_the_frame_in_every_size(
    references: References, store: MemoryStore, redis: Redis
) -> None:
    references.put(SOURCE, {**FRAMES, f"ref__{P}": 2})
    assert release(references, step=1) == "left:1"
    assert 50_000 < redis.pttl(f"ref__{P}") <= 60_000
    assert redis.exists(*FRAMES) == 2
    assert release(references, step=2) == "released"
    assert redis.exists(*FRAMES, f"ref__{P}") == 0
    assert store.stats(SOURCE).count == 0
    assert store.stats(SOURCE).bytes == 0
    assert store.stats(SOURCE).drops == {}


def test_a_release_takes_an_unannounced_frame_off_that_list(
    references: References, store: MemoryStore, redis: Redis
) -> None:
    references.put(SOURCE, {**FRAMES, f"ref__{P}": 1})
    redis.zadd(f"fdb:{SOURCE}:out", {next(iter(FRAMES)): 1.0})
    assert release(references) == "released"
    assert store.unannounced(older_than=0.0) == []


def test_more_than_is_left_releases_too(references: References, redis: Redis) -> None:
    references.put(SOURCE, {**FRAMES, f"ref__{P}": 2})
    assert release(references, by=5) == "released"
    assert redis.exists(*FRAMES, f"ref__{P}") == 0


def test_frames_of_an_older_producer_are_released_just_the_same(references: References, redis: Redis) -> None:
    redis.mset({**FRAMES, f"ref__{P}": 2})
    assert release(references, step=1) == "left:1"
    assert release(references, step=2) == "released"
    assert redis.exists(*FRAMES, f"ref__{P}") == 0


def test_a_missing_count_changes_nothing_and_creates_nothing(references: References, redis: Redis) -> None:
    redis.mset(FRAMES)
    assert release(references) == "missing"
    assert keys(redis) == sorted(FRAMES)


def test_a_step_that_was_taken_counts_no_second_time(references: References, redis: Redis) -> None:
    references.put(SOURCE, {**FRAMES, f"ref__{P}": 3})
    assert release(references, consumer="a", step=1) == "left:2"
    assert release(references, consumer="a", step=1) == "repeated"
    assert release(references, consumer="b", step=1) == "left:1"
    assert release(references, consumer="a", step=2) == "released"
    assert 0 < redis.ttl("fdb:refs:a") <= 86400


def test_what_is_no_count_is_refused_and_left_alone(references: References, redis: Redis) -> None:
    redis.mset({**FRAMES, f"ref__{P}": "two"})
    assert release(references).startswith("refused:")
    assert redis.mget([*FRAMES, f"ref__{P}"]) == [b"large", b"small", b"two"]
    redis.delete(f"ref__{P}")
    redis.rpush(f"ref__{P}", "1")
    assert release(references).startswith("refused:")


def test_released_frames_are_queued_for_whoever_unlinks_them_if_asked(
    references: References, store: MemoryStore, redis: Redis, valkey: Endpoint
) -> None:
    references.put(SOURCE, {**FRAMES, f"ref__{P}": 1})
    assert release(references, queue=True) == "released"
    assert store.stats(SOURCE).count == 0
    assert redis.exists(*FRAMES) == 2
    assert release(references, step=2, queue=True) == "missing"
    fifth = type(redis)(unix_socket_path=valkey.uds, password=valkey.password, db=5)
    queued = {str(key, "utf-8") for key in fifth.lrange("del_queue", 0, -1) if isinstance(key, bytes)}
    fifth.close()
    assert queued == {*FRAMES, f"ref__{P}"}
    assert references.unlink_queued() == 3
    assert references.unlink_queued() == 0
    assert redis.exists(*FRAMES) == 0


def test_rows_of_frames_that_others_have_queued_go_with_them(
    references: References, store: MemoryStore, redis: Redis, valkey: Endpoint
) -> None:
    references.put(SOURCE, FRAMES)
    fifth = type(redis)(unix_socket_path=valkey.uds, password=valkey.password, db=5)
    fifth.lpush("del_queue", *FRAMES)
    fifth.close()
    assert references.unlink_queued() == 2
    assert store.stats(SOURCE).count == 0
    assert redis.exists(*FRAMES) == 0


def test_frames_are_released_from_a_server_that_is_full(references: References, redis: Redis) -> None:
    references.put(SOURCE, {**FRAMES, f"ref__{P}": 2})
    redis.config_set("maxmemory", "1mb")
    try:
        assert release(references, step=1) == "left:1"
        assert release(references, step=2) == "released"
    finally:
        redis.config_set("maxmemory", "256mb")


def test_a_full_server_makes_room_for_new_frames_by_the_source_s_policy(
    references: References, store: MemoryStore, redis: Redis
) -> None:
    store.set_policy(SOURCE, SourcePolicy(max_frames=2))
    store.set_policy("waits", SourcePolicy(policy="wait", max_frames=1))
    references.put(SOURCE, {**FRAMES, f"ref__{P}": 1})
    later = {f"cam?0?0__8__{size}": b"new" for size in SIZES}
    assert all(references.put(SOURCE, {**later, "ref__cam?0?0__8": 1}))
    assert redis.exists(*later, "ref__cam?0?0__8") == 3
    assert redis.exists(*FRAMES) == 0
    references.put("waits", {"waits?0?0__1__80x60": b"x"})
    with pytest.raises(StoreFullError, match="waits"):
        references.put("waits", {"waits?0?0__2__80x60": b"x", "ref__waits?0?0__2": 1})
    assert redis.exists("ref__waits?0?0__2", "waits?0?0__2__80x60") == 0


def test_a_writer_of_before_a_move_is_refused(references: References, store: MemoryStore, redis: Redis) -> None:
    store.raise_epoch(SOURCE, 5)
    with pytest.raises(StaleWriterError, match="moved"):
        references.put(SOURCE, {**FRAMES, f"ref__{P}": 1}, epoch=4)
    assert redis.exists(*FRAMES, f"ref__{P}") == 0
    assert all(references.put(SOURCE, {**FRAMES, f"ref__{P}": 1}, epoch=5))


def test_many_large_frames_are_written_in_several_steps(references: References, store: MemoryStore) -> None:
    large = {f"cam?0?0__{n}__416x416": bytes(3 * 2**20) for n in range(8)}
    counts = {f"ref__cam?0?0__{n}": 1 for n in range(8)}
    assert len(references.put(SOURCE, {**large, **counts})) == 8
    assert store.stats(SOURCE).bytes == 24 * 2**20


@pytest.mark.parametrize(
    ("count", "by", "sizes"),
    [("P", 1, ["1x1"]), ("ref__P", -1, ["1x1"]), ("ref__P", "1", ["1x1"]), ("ref__P", 1, "1x1"), ("ref__P", True, [])],
)
def test_a_release_that_is_none_is_refused(count: str, by: int, sizes: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        Release.of(count, by, sizes, step=1)


@pytest.mark.parametrize("values", [{f"ref__{P}": "two"}, {"ref__": 1}, {"fdb:x": b""}, {"k": None}])
def test_values_that_are_none_are_refused_before_anything_is_written(
    references: References, redis: Redis, values: dict[str, bytes]
) -> None:
    with pytest.raises(InvalidInputError):
        references.put(SOURCE, {"a": b"x", **values})
    assert keys(redis) == []


def test_consumers_whose_lines_break_release_each_frame_when_the_count_says_so(
    references: References, store: MemoryStore, redis: Redis, valkey: Endpoint, soak: int
) -> None:
    consumers, frames = (1000, 5) if soak else (40, 20)
    prefixes = [f"cam?0?0__{n}" for n in range(frames)]
    for prefix in prefixes:
        references.put(SOURCE, {f"{prefix}__{size}": b"x" * 100 for size in SIZES} | {f"ref__{prefix}": consumers})

    def consume(number: int) -> int:
        chosen, early = random.Random(number), 0
        for step, prefix in enumerate(chosen.sample(prefixes, frames), start=1):
            # Nobody may find a frame gone that he has not released himself.
            early += redis.exists(*(f"{prefix}__{size}" for size in SIZES)) < len(SIZES)
            one = Release(f"ref__{prefix}", 1, SIZES, step)
            with line_to(valkey, breaks_after=chosen.randint(0, 60)) as line:
                broken = MasterClient.fixed(line, timeout=2.0, wait=0.15)
                with suppress(StoreError):
                    References(broken.run, default_ttl=60.0).release(SOURCE, [one], consumer=str(number))
                broken.close()
            references.release(SOURCE, [one], consumer=str(number))
        return early

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(consume, range(consumers))) == 0
    assert [key for key in keys(redis) if not key.startswith("fdb:")] == []
    assert store.stats(SOURCE).count == 0
    assert store.stats(SOURCE).drops == {}


def test_what_dead_consumers_have_not_released_goes_with_its_time(
    master: MasterClient, store: MemoryStore, redis: Redis
) -> None:
    short = References(master.run, default_ttl=0.3)
    short.put(SOURCE, {**FRAMES, f"ref__{P}": 2})
    release(short)
    eventually(lambda: redis.exists(*FRAMES, f"ref__{P}") == 0, "the frame to expire")
    assert store.stats(SOURCE).count == 0
    assert store.stats(SOURCE).drops == {"expired": 2}


def test_a_replica_holds_the_same_counts_and_the_same_queue(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "pair", members=2) as cluster:
        client = MasterClient(cluster.connection)
        references = References(client.run, default_ttl=60.0)
        (replica,) = cluster.replicas
        fifth = open_redis(replace(replica.endpoint, uds=None))
        fifth.connection_pool.connection_kwargs["db"] = 5
        references.put(SOURCE, {**FRAMES, f"ref__{P}": 2})
        release(references, consumer="a", queue=True)
        eventually(lambda: replica.ask("GET", "fdb:refs:a") == b"1", "the replica to follow")
        assert replica.ask("GET", f"ref__{P}") == b"1"
        release(references, consumer="a", step=2, queue=True)
        eventually(lambda: replica.ask("GET", "fdb:refs:a") == b"2", "the replica to follow")
        assert fifth.llen("del_queue") == 3
        assert replica.ask("EXISTS", *FRAMES) == 2
        references.unlink_queued()
        eventually(lambda: replica.ask("EXISTS", *FRAMES) == 0, "the replica to follow")
        assert fifth.llen("del_queue") == 0
        close_redis(fifth)
        client.close()


def test_counts_survive_the_death_of_a_master(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "three", members=3, sentinels=3) as cluster:
        client = MasterClient(cluster.connection)
        references = References(client.run, default_ttl=60.0)
        consumer = uuid4().hex
        references.put(SOURCE, {**FRAMES, f"ref__{P}": 3})
        assert release(references, consumer=consumer, step=1) == "left:2"
        for replica in cluster.replicas:
            eventually(lambda replica=replica: replica.ask("EXISTS", f"fdb:refs:{consumer}"), "the replicas to follow")  # type: ignore[misc]
        cluster.master.kill()
        assert release(references, consumer=consumer, step=1) == "repeated"
        assert release(references, consumer=consumer, step=2) == "left:1"
        assert release(references, consumer=consumer, step=3) == "released"
        client.close()
