"""A node with the instances that the documents of earlier deployments name, and their programs' clients for it."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from framedb_api.env import Env
from framedb_api.framedb import FrameDB
from framedb_writer_client import FrameDBWriter, ObjectRoutingClient
from framedb_writer_client.factory import new_framedb_writer
from tests.acceptance.compat.instances import http
from tests.acceptance.conftest import UpNode, node_on, object_service
from tests.acceptance.test_clusters import SMALL


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpNode]:
    """A node whose clusters are small, with the instances that the documents name."""
    with node_on(tmp_path_factory.mktemp("compat"), "--no-workers", **SMALL) as node:
        for base, name in (
            ("instances", "mem-db-1"),
            ("instances", "mem-db-2"),
            ("persistent-instances", "storage-db-1"),
        ):
            answer = http.request(
                "POST",
                f"{node.url}/global/framedb/{base}",
                json={"framedb_id": name, "node_id": "local", "cluster_id": "local", "metadata": {}},
            )
            assert answer.status == 200, answer.data
        yield node


@pytest.fixture(scope="package")
def grpc_address(up: UpNode) -> Iterator[str]:
    """Where the node's object service answers."""
    with object_service(up) as address:
        yield address


@pytest.fixture
def writer(up: UpNode) -> Iterator[FrameDBWriter]:
    """The factory's, for the node."""
    with new_framedb_writer(up.url, up.url) as made:
        yield made


@pytest.fixture
def objects(up: UpNode) -> Iterator[ObjectRoutingClient]:
    """Where objects are."""
    with closing(ObjectRoutingClient(up.url)) as client:
        yield client


@pytest.fixture
def framedb(up: UpNode) -> Iterator[FrameDB]:
    """A reader of the node."""
    with FrameDB({}, Env(routing_url=up.url)) as reader:
        yield reader
