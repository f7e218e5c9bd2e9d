"""The memory store keeps the contract of every store on a real Valkey."""

from collections.abc import Iterator

import pytest

from framedb.resp import Endpoint, MasterClient, Redis, close_redis, open_redis
from framedb.stores.memory import MemoryStore
from tests.contracts.frame_store import FrameStoreContract
from tests.engines.valkey import running_valkey


@pytest.fixture
def memory_store(valkey: Endpoint, redis: Redis) -> Iterator[MemoryStore]:
    """A memory store on an empty Valkey."""
    with MemoryStore(MasterClient.fixed(valkey)) as store:
        yield store


class TestMemoryStore(FrameStoreContract):
    """The contract, over a Unix socket."""

    @pytest.fixture
    def store(self, memory_store: MemoryStore) -> MemoryStore:
        return memory_store


@pytest.fixture(scope="module")
def redis_7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Debian's Redis 7.0: the oldest server that is supported."""
    with running_valkey(tmp_path_factory.mktemp("redis"), binary="/usr/bin/redis-server") as endpoint:
        yield endpoint


class TestMemoryStoreOnRedis7(FrameStoreContract):
    """The contract, on the oldest server there may be."""

    @pytest.fixture
    def store(self, redis_7: Endpoint) -> Iterator[MemoryStore]:
        client = open_redis(redis_7)
        client.flushall()
        close_redis(client)
        with MemoryStore(MasterClient.fixed(redis_7)) as store:
            yield store
