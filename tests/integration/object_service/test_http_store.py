"""The client's durable tier keeps the contract of every store over the routes of objects."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import uvicorn

from framedb.client.http import NodeClient
from framedb.client.objects import HTTPStore
from framedb.placement.instances import PersistentInstances
from framedb.routing import SQLLocator
from framedb.server.listening import bound
from framedb.server.objects import objects_router
from framedb.server.service import new_service
from framedb.server.sources import sources_router
from framedb.tiering.durable import DurableTier
from framedb.tiering.objects import Objects
from tests.contracts.frame_store import FrameStoreContract


class TestHTTPStoreOverObjects(FrameStoreContract):
    """The contract, where each frame is a request of its own."""

    many = 50

    @pytest.fixture
    def store(self, flow: tuple[Objects, PersistentInstances, SQLLocator]) -> Iterator[HTTPStore]:
        objects, instances, routing = flow
        durable = DurableTier(
            instances.store("local"),
            routing,
            superseded=lambda source, keys: None,
            mark_durable=lambda source: None,
            remove_copies=objects.remove_copies,
        )
        # Memory is not looked at here: what it would answer is the durable tier's.
        backends = SimpleNamespace(
            durable=durable, tiers=SimpleNamespace(in_memory=durable), plane=SimpleNamespace(routing=routing)
        )
        app = new_service("objects", "", token=None)
        app.include_router(objects_router(objects, durable))
        app.include_router(sources_router(backends))  # type: ignore[arg-type]
        with bound("127.0.0.1", 0) as listening:
            config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            node = NodeClient(f"http://127.0.0.1:{listening.getsockname()[1]}")
            yield HTTPStore(node)
            node.close()
            server.should_exit = True
            thread.join()
