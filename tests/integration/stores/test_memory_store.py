"""The memory store keeps the contract of every store on a real Valkey."""

from collections.abc import Iterator

import pytest

from framedb.resp import Endpoint, MasterClient, Redis
from framedb.stores.memory import MemoryStore
from tests.contracts.frame_store import FrameStoreContract


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
