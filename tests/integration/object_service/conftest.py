"""A served object service, and a client of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from framedb.placement.instances import PersistentInstances
from framedb.proto.objects_pb2_grpc import ObjectServiceStub
from framedb.resp import Endpoint, Redis, close_redis, open_redis
from framedb.routing import SQLLocator
from framedb.server.grpc import ObjectServer
from framedb.tiering.objects import Objects
from tests.engines.valkey import running_valkey
from tests.integration.object_service.instances import opened_objects

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@dataclass
class Service:
    """An object server of this process."""

    objects: Objects
    instances: PersistentInstances
    routing: SQLLocator
    server: ObjectServer
    stub: ObjectServiceStub
    channel: grpc.Channel


Serve = Callable[..., Service]


@pytest.fixture(scope="package")
def second_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The server of cluster `mem-db-1`."""
    with running_valkey(tmp_path_factory.mktemp("second")) as endpoint:
        yield endpoint


@pytest.fixture
def second_redis(second_valkey: Endpoint) -> Iterator[Redis]:
    """A client of it; it is empty."""
    client = open_redis(second_valkey)
    client.flushall()
    yield client
    close_redis(client)


@pytest.fixture
def flow(
    tmp_path: Path, valkey: Endpoint, second_valkey: Endpoint, redis: Redis, second_redis: Redis
) -> Iterator[tuple[Objects, PersistentInstances, SQLLocator]]:
    """Objects over empty clusters `local` and `mem-db-1`, and empty databases."""
    with opened_objects(tmp_path, {"local": valkey, "mem-db-1": second_valkey}) as opened:
        yield opened


@pytest.fixture
def serve(flow: tuple[Objects, PersistentInstances, SQLLocator]) -> Iterator[Serve]:
    """Start a server with these options, and a client of it."""
    with ExitStack() as stack:

        def start(**options: Any) -> Service:
            server = stack.enter_context(ObjectServer(flow[0], port=0, **options))
            channel = stack.enter_context(grpc.insecure_channel(server.address, options=UNLIMITED))
            return Service(*flow, server, ObjectServiceStub(channel), channel)

        yield start


@pytest.fixture
def service(serve: Serve) -> Service:
    """A server as it is by default."""
    return serve()
