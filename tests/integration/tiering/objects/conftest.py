"""Objects over two clusters of memory and two persistent instances, all of them real."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from framedb.errors import NotFoundError
from framedb.placement.instances import PersistentInstances
from framedb.registry import open_engine, sqlite_url, upgrade
from framedb.resp import Endpoint, MasterClient, Redis, close_redis, open_redis
from framedb.routing import SQLLocator
from framedb.stores.memory import MemoryStore
from framedb.stores.sql import SQLStore
from framedb.tiering.objects import Objects


@dataclass
class World:
    """What a test works with, and looks into."""

    objects: Objects
    routing: SQLLocator
    registry: Engine
    instances: PersistentInstances
    redis: dict[str, Redis]
    """Clients of the clusters `local` and `mem-db-1`."""
    memory: Callable[[str], MemoryStore]

    def storage(self, framedb_id: str = "local") -> SQLStore:
        """A persistent instance: `local` or `storage-db-1`."""
        return self.instances.store(framedb_id)

    def keys(self, cluster: str = "local", pattern: str = "*") -> list[Any]:
        """Redis keys, sorted."""
        return sorted(self.redis[cluster].keys(pattern))


@pytest.fixture
def world(valkey: Endpoint, redis: Redis, second_valkey: Endpoint, tmp_path: Path) -> Iterator[World]:
    """Clusters `local` and `mem-db-1`, persistent instances `local` and `storage-db-1`; all empty."""
    second = open_redis(second_valkey)
    second.flushall()
    registry = open_engine(sqlite_url(tmp_path / "metadata.db"))
    upgrade(registry)
    instances = PersistentInstances(registry, tmp_path)
    instances.ensure_local()
    instances.create("storage-db-1")
    stores = {
        name: MemoryStore(MasterClient.fixed(endpoint, cluster=name, timeout=2.0, wait=1.0))
        for name, endpoint in (("local", valkey), ("mem-db-1", second_valkey))
    }

    def memory(cluster: str) -> MemoryStore:
        if cluster not in stores:
            raise NotFoundError(f"Cluster {cluster} does not exist")
        return stores[cluster]

    def resolve(framedb_id: str) -> str:
        memory(framedb_id.removesuffix("-0"))
        return framedb_id.removesuffix("-0")

    routing = SQLLocator(registry)
    objects = Objects(
        routing=routing,
        memory=memory,
        persistent=instances.store,
        resolve_memory=resolve,
        mark_durable=lambda source: routing.place(source, "local", durable=True),
        is_near=lambda copy: copy.framedb_id != "storage-db-1",
    )
    yield World(objects, routing, registry, instances, {"local": redis, "mem-db-1": second}, memory)
    for store in stores.values():
        store.close()
    instances.close()
    registry.dispose()
    close_redis(second)
