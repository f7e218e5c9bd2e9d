"""The database goes away in the middle of a read or a write: whoever reads or writes is told of which key, and why."""

import logging
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import urllib3
from sqlalchemy import func, select

from framedb.config import MiB
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceStub
from framedb.registry import open_engine, reading
from framedb.resp import Endpoint, Redis
from framedb.server.grpc import ObjectServer
from framedb.server.objects import objects_router
from framedb.server.service import new_service
from framedb.stores.sql import SQLStore
from framedb.stores.sql_tables import chunks, loose_versions
from framedb.tiering.objects import Objects
from tests.engines.mariadb import MariaDB
from tests.integration.object_service.instances import opened_objects
from tests.live import Live, live

LARGE = 48 * MiB
"""More than lies in buffers between a database and a reader who reads nothing."""


@pytest.fixture
def objects(tmp_path: Path, mariadb_url: str, valkey: Endpoint, redis: Redis) -> Iterator[Objects]:
    """Objects in MariaDB, one large one among them."""
    with opened_objects(tmp_path, {"local": valkey}, mariadb_url) as (opened, _, _):
        opened.write("large", "local", "storage", (bytes(MiB) for _ in range(LARGE // MiB)))
        yield opened


@pytest.fixture
def stub(objects: Objects) -> Iterator[ObjectServiceStub]:
    """A client of the service over gRPC."""
    with ObjectServer(objects, port=0) as server, grpc.insecure_channel(server.address) as channel:
        yield ObjectServiceStub(channel)


@pytest.fixture
def served(objects: Objects) -> Iterator[Live]:
    """The same over HTTP."""
    app = new_service("objects", "", token=None)
    app.include_router(objects_router(objects, None))  # type: ignore[arg-type]
    with live(app) as service:
        yield service


def cut(server: MariaDB, url: str) -> None:
    """End every connection to the database."""
    database = url.rpartition("/")[2]
    server.execute(
        f"BEGIN NOT ATOMIC FOR c IN (SELECT id FROM information_schema.processlist WHERE db = '{database}') DO"
        " EXECUTE IMMEDIATE CONCAT('KILL ', c.id); END FOR; END"
    )


def told(text: str, url: str) -> None:
    """What an error must say, and must not."""
    assert "large" in text
    assert url.rpartition("/")[2] in text
    assert "p@ss" not in text


def test_a_reader_over_grpc_is_told(stub: ObjectServiceStub, mariadb: MariaDB, mariadb_url: str) -> None:
    call = stub.ReadObject(pb.ReadObjectRequest(key="large"), timeout=60)
    assert next(call).WhichOneof("part") == "stat"
    cut(mariadb, mariadb_url)
    with pytest.raises(grpc.RpcError) as caught:
        for _ in call:
            pass
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    told(str(caught.value.details()), mariadb_url)
    again = stub.ReadObject(pb.ReadObjectRequest(key="large"), timeout=60)
    assert sum(len(message.data) for message in again) == LARGE


def test_a_reader_over_http_gets_no_whole_answer_and_the_log_says_why(
    served: Live, mariadb: MariaDB, mariadb_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        answer = pool.request("GET", f"{served.url}/v1/objects/large", preload_content=False)
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(LARGE))
        answer.read(1000)
        cut(mariadb, mariadb_url)
        with pytest.raises(urllib3.exceptions.ProtocolError):
            for _ in answer.stream(MiB):
                pass
        answer.close()
    (line,) = [record for record in caplog.records if record.name == "framedb.server.objects"]
    told(f"{line.__dict__['key']}: {line.getMessage()}", mariadb_url)
    assert len(served.request("GET", "/v1/objects/large").data) == LARGE


def test_a_write_over_grpc_is_refused_or_whole_and_leaves_nothing_else(
    stub: ObjectServiceStub, mariadb: MariaDB, mariadb_url: str, soak: int
) -> None:
    def messages(cut_at: int) -> Iterator[pb.PutObjectRequest]:
        yield pb.PutObjectRequest(header=pb.PutObjectHeader(key="large", type="storage"))
        for number in range(30):
            if number == cut_at:
                cut(mariadb, mariadb_url)
            yield pb.PutObjectRequest(data=bytes(MiB))
        yield pb.PutObjectRequest(end=pb.PutObjectEnd())

    size = LARGE
    for turn in range(soak or 3):
        # A connection that was cut between two transactions is noticed, and another one opened: such a write ends well.
        try:
            size = stub.PutObject(messages(9 + 5 * turn % 20), timeout=60).size
        except grpc.RpcError as error:
            told(str(error), mariadb_url)
        assert stub.StatObject(pb.StatObjectRequest(key="large"), timeout=30).size == size
    with SQLStore.open(mariadb_url) as store:
        store.sweep(-1)
    engine = open_engine(mariadb_url)
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(chunks)) == size // MiB
        assert connection.scalar(select(func.count()).select_from(loose_versions)) == 0
    engine.dispose()


def test_a_database_that_refuses_everyone_is_an_answer(
    stub: ObjectServiceStub, served: Live, mariadb: MariaDB, mariadb_url: str
) -> None:
    mariadb.execute("ALTER USER 'framedb'@'%' ACCOUNT LOCK")
    try:
        cut(mariadb, mariadb_url)
        read = stub.GetObject(pb.GetObjectRequest(key="large"), timeout=60)
        told(read.message, mariadb_url)
        given = pb.Object(key="large", type="storage", data=b"x")
        told(stub.SetObject(pb.SetObjectRequest(object=given), timeout=60).message, mariadb_url)
        for method in ("GET", "HEAD", "DELETE", "PUT"):
            answer = served.request(method, "/v1/objects/large", b"x" if method == "PUT" else None)
            assert answer.status == 503
            if method != "HEAD":
                told(answer.json()["error"], mariadb_url)
    finally:
        mariadb.execute("ALTER USER 'framedb'@'%' ACCOUNT UNLOCK")
    assert stub.StatObject(pb.StatObjectRequest(key="large"), timeout=30).size == LARGE
