"""The cache: in Redis, in this process while Redis is away, and back again; always within its bounds."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framedb.node import Node
from framedb.resp import Endpoint, Redis, close_redis, open_redis
from framedb.server.app import create_app
from framedb.server.extractor.cache import Cache
from framedb.server.extractor.cache_memory import MemoryCache
from framedb.server.extractor.cache_redis import PREFIX, RedisCache
from tests.contracts.frame_store import until
from tests.engines import free_port
from tests.engines.valkey import running_valkey
from tests.integration.extractor.conftest import Service, service_of, settings_of
from tests.live import live

MAX_BYTES = 64 * 1024
Kind = MemoryCache | RedisCache
Make = Callable[..., Kind]


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes one of the two kinds."""
    opened: list[RedisCache] = []

    def made(*, max_bytes: int = MAX_BYTES, ttl: float = 60.0) -> Kind:
        if request.param == "memory":
            return MemoryCache(max_bytes=max_bytes, ttl=ttl)
        request.getfixturevalue("redis")  # which empties it
        opened.append(RedisCache(request.getfixturevalue("valkey"), max_bytes=max_bytes, ttl=ttl))
        return opened[-1]

    yield made
    for cache in opened:
        cache.close()


def nbytes(cache: Kind) -> int:
    return cache.nbytes if isinstance(cache, MemoryCache) else cache.nbytes()


def test_what_was_kept_is_found_under_its_owner_and_name(make: Make) -> None:
    cache = make()
    cache.put("job", "a", b"1")
    cache.put("job:a", "", b"2")
    cache.put("", "a", b"\x00\xff\r\n")
    assert [cache.get(*name) for name in (("job", "a"), ("job:a", ""), ("", "a"))] == [b"1", b"2", b"\x00\xff\r\n"]
    assert cache.get("job", "b") is None
    cache.put("job", "a", b"other")
    assert cache.get("job", "a") == b"other"


def test_the_entries_of_an_owner_are_forgotten_together(make: Make) -> None:
    cache = make()
    for owner in ("ä", "b", ""):
        for name in ("1", "2"):
            cache.put(owner, name, b"x" * 100)
    before = nbytes(cache)
    cache.forget("ä")
    assert cache.get("ä", "1") is None
    assert cache.get("ä", "2") is None
    assert cache.get("b", "1") is not None
    assert cache.get("", "2") is not None
    assert nbytes(cache) < before
    for owner in ("b", ""):
        cache.forget(owner)
    assert nbytes(cache) == 0


def test_its_bytes_are_bounded_and_the_oldest_go(make: Make) -> None:
    cache = make()
    for number in range(200):
        cache.put(f"job-{number % 7}", str(number), bytes(1000))
        assert nbytes(cache) <= MAX_BYTES
    assert cache.get("job-3", "199") is not None
    assert cache.get("job-0", "0") is None
    kept = sum(cache.get(f"job-{number % 7}", str(number)) is not None for number in range(200))
    assert 40 <= kept <= 65


def test_what_is_larger_than_the_bound_is_not_kept(make: Make) -> None:
    cache = make()
    cache.put("a", "small", b"x")
    cache.put("a", "large", bytes(MAX_BYTES))
    assert cache.get("a", "large") is None
    assert cache.get("a", "small") == b"x"


def test_an_entry_runs_out(make: Make) -> None:
    cache = make(ttl=0.2)
    cache.put("a", "b", b"x")
    until(lambda: cache.get("a", "b") is None, "it runs out")
    cache.put("a", "c", b"x")
    assert nbytes(cache) < 1000


def test_what_redis_evicted_by_itself_is_counted_no_more_in_its_turn(redis: Redis, valkey: Endpoint) -> None:
    cache = RedisCache(valkey, max_bytes=MAX_BYTES, ttl=60.0)
    cache.put("a", "b", bytes(50_000))
    redis.delete(*redis.keys(f"{PREFIX}entry:*"))
    cache.put("a", "c", bytes(50_000))
    assert cache.get("a", "c") is not None
    assert 50_000 < cache.nbytes() <= MAX_BYTES
    cache.close()


def test_everything_of_it_runs_out_in_redis(redis: Redis, valkey: Endpoint) -> None:
    cache = RedisCache(valkey, max_bytes=MAX_BYTES, ttl=60.0)
    cache.put("a", "b", b"x")
    keys = redis.keys("*")
    assert len(keys) == 5
    assert all(redis.pttl(key) > 0 for key in keys)
    cache.forget("a")
    assert not redis.keys(f"{PREFIX}entry:*")
    cache.close()


def test_it_falls_back_to_memory_and_returns_to_redis(tmp_path: Path) -> None:
    port = free_port()
    with running_valkey(tmp_path, port=port) as endpoint:
        cache = Cache(RedisCache(_over_tcp(endpoint), max_bytes=MAX_BYTES, ttl=60.0), max_bytes=MAX_BYTES, ttl=60.0)
        cache.put("a", "b", b"in redis")
        assert cache.get("a", "b") == b"in redis"
        assert cache.is_in_redis()
    assert not cache.is_in_redis()
    assert cache.get("a", "b") is None
    cache.put("a", "b", b"in memory")
    assert cache.get("a", "b") == b"in memory"
    assert cache.info().redis_bytes is None
    with running_valkey(tmp_path, port=port):
        until(cache.is_in_redis, "it is in Redis again")
        assert cache.get("a", "b") is None
        cache.put("a", "b", b"in redis again")
        assert cache.get("a", "b") == b"in redis again"
    requests = cache.info().requests
    assert (requests["redis", "hit"], requests["memory", "hit"]) == (2, 1)
    cache.close()


def test_what_was_forgotten_while_redis_was_away_is_forgotten_there_too(redis: Redis, valkey: Endpoint) -> None:
    cache = Cache(RedisCache(_over_tcp(valkey), max_bytes=MAX_BYTES, ttl=60.0), max_bytes=MAX_BYTES, ttl=60.0)
    cache.put("removed", "x", b"1")
    cache.put("kept", "x", b"2")
    redis.config_set("requirepass", "another")  # it answers, and lets nobody in: no less away
    redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    try:
        cache.forget("removed")
        assert cache.get("kept", "x") is None
    finally:
        redis.execute_command("AUTH", "another")
        redis.config_set("requirepass", str(valkey.password))
    until(cache.is_in_redis, "it is in Redis again")
    assert cache.get("removed", "x") is None
    assert cache.get("kept", "x") == b"2"
    cache.close()


def test_a_redis_that_hangs_is_waited_for_once_and_not_by_each_request(redis: Redis, valkey: Endpoint) -> None:
    cache = Cache(RedisCache(_over_tcp(valkey), max_bytes=MAX_BYTES, ttl=60.0), max_bytes=MAX_BYTES, ttl=60.0)
    cache.put("a", "b", b"x")
    redis.execute_command("CLIENT", "PAUSE", 3000, "ALL")
    begun = time.monotonic()
    looks = 0
    while cache.info().redis_bytes is not None or looks < 1000:
        cache.get("a", "b")
        looks += 1
        assert time.monotonic() - begun < 30
    redis.execute_command("CLIENT", "UNPAUSE")
    assert cache.info().requests["memory", "miss"] >= 999
    cache.close()


def test_a_service_goes_on_without_its_redis(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    folder.mkdir()
    port = free_port()
    with running_valkey(folder, port=port) as endpoint:
        settings = settings_of(tmp_path, videos, redis_host=None)
        with service_of(settings, tmp_path / "runtime", control=_over_tcp(endpoint)) as service:
            _goes_on(service, endpoint)
            until(lambda: service.get("/health")["redis_available"], "Redis is back")
            service.get("/dashboard/recent-frames")
            assert service.get("/dashboard/recent-frames")["cached"] is True
            metrics = service.request("GET", "/metrics").data.decode()
            for place, hits in (("redis", 2), ("memory", 1)):
                found = re.search(f'framedb_cache_requests_total{{place="{place}",result="hit"}} (\\d+)', metrics)
                assert found
                assert int(found[1]) >= hits
            assert "framedb_cache_redis_up 1.0" in metrics
            assert "framedb_cache_max_bytes 1.048576e+08" in metrics


def test_a_node_closes_the_connections_of_its_cache_with_its_service(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    folder.mkdir()
    with running_valkey(folder) as endpoint:
        admin = open_redis(endpoint)
        admin.config_set("requirepass", "")  # REDIS_HOST has no password
        settings = settings_of(tmp_path, videos, redis_port=endpoint.port, frames_maxmemory_bytes=32 * 2**20)
        with Node(settings, tmp_path / "runtime", redis_port=free_port(), workers=False) as node:
            with live(create_app(node, token=None)) as served:
                assert served.request("GET", "/health").json()["redis_available"] is True
                assert len(admin.client_list()) > 1
            until(lambda: len(admin.client_list()) == 1, "only this test is connected")
        close_redis(admin)


def _goes_on(service: Service, endpoint: Endpoint) -> None:
    """With Redis, and while it lets nobody in."""
    service.completed()
    assert service.get("/health")["redis_available"] is True
    answers = [service.get("/dashboard/recent-frames")["cached"] for _ in range(2)]
    admin = open_redis(endpoint)
    admin.config_set("requirepass", "another")
    admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    try:
        assert service.get("/health")["redis_available"] is False
        answers += [service.get("/dashboard/recent-frames")["cached"] for _ in range(2)]
        service.completed()
    finally:
        admin.execute_command("AUTH", "another")
        admin.config_set("requirepass", str(endpoint.password))
        close_redis(admin)
    assert answers == [False, True, False, True]


def _over_tcp(endpoint: Endpoint) -> Endpoint:
    return Endpoint(endpoint.host, endpoint.port, password=endpoint.password)
