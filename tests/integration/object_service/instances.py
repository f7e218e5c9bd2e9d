"""Instances of either kind, and the flow of objects over them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from framedb.errors import NotFoundError
from framedb.placement.instances import PersistentInstances
from framedb.registry import open_engine, sqlite_url, upgrade
from framedb.resp import Endpoint, MasterClient
from framedb.routing import SQLLocator
from framedb.stores.memory import MemoryStore
from framedb.tiering.objects import Objects

STORAGE = "storage-db-1"
"""A persistent instance beside `local`."""


@contextmanager
def opened_objects(
    folder: Path, clusters: Mapping[str, Endpoint], tidb_url: str | None = None
) -> Iterator[tuple[Objects, PersistentInstances, SQLLocator]]:
    """Objects in the clusters, and in SQLite files of the folder, or in the database of that URL."""
    registry = open_engine(sqlite_url(folder / "registry.db"))
    upgrade(registry)
    routing = SQLLocator(registry)
    instances = PersistentInstances(registry, folder, tidb_url)
    instances.ensure_local()
    if tidb_url is None:
        instances.create(STORAGE)
    with ExitStack() as stack:
        memory = {
            name: stack.enter_context(MemoryStore(MasterClient.fixed(endpoint, cluster=name)))
            for name, endpoint in clusters.items()
        }

        def resolve(framedb_id: str) -> str:
            if framedb_id not in memory:
                raise NotFoundError(f"{framedb_id} is no cluster")
            return framedb_id

        objects = Objects(
            routing=routing, memory=memory.__getitem__, persistent=instances.store, resolve_memory=resolve
        )
        yield objects, instances, routing
    instances.close()
    registry.dispose()
