"""A disk that is full refuses an object whole, and goes on with everything else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from sqlalchemy import func, select

from framedb.config import MiB
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceStub
from framedb.registry import open_engine, reading, sqlite_url
from framedb.resp import Endpoint, Redis
from framedb.stores.sql import SQLStore
from framedb.stores.sql_tables import chunks, loose_versions
from tests.engines.disk import SIZE, Disk

FULL = grpc.StatusCode.RESOURCE_EXHAUSTED
PROGRAM = [sys.executable, "-m", "tests.integration.object_service.server_program"]
KEPT = bytes(range(256)) * 4096 * 3  # 3 MiB: gRPC clients take up to 4 in one message


@pytest.fixture
def stub(small_disk: Disk, valkey: Endpoint, redis: Redis) -> Iterator[ObjectServiceStub]:
    """A client of a service whose databases are on the small disk."""
    arguments = [str(small_disk.folder), valkey.host, str(valkey.port), str(valkey.password)]
    with subprocess.Popen(
        [*small_disk.prefix, *PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(process.stdout.readline().strip()) as channel:
            yield ObjectServiceStub(channel)


def upload(stub: ObjectServiceStub, key: str, mebibytes: int) -> pb.PutObjectResponse:
    def messages() -> Iterator[pb.PutObjectRequest]:
        yield pb.PutObjectRequest(header=pb.PutObjectHeader(key=key, type="storage"))
        for _ in range(mebibytes):
            yield pb.PutObjectRequest(data=b"x" * MiB)
        yield pb.PutObjectRequest(end=pb.PutObjectEnd())

    answer: pb.PutObjectResponse = stub.PutObject(messages(), timeout=100)
    return answer


def put(stub: ObjectServiceStub, key: str, data: bytes, kind: str) -> pb.SetObjectResponse:
    given = pb.Object(key=key, data=data, type=kind)
    answer: pb.SetObjectResponse = stub.SetObject(pb.SetObjectRequest(object=given), timeout=60)
    return answer


def got(stub: ObjectServiceStub, key: str) -> bytes | None:
    answer = stub.GetObject(pb.GetObjectRequest(key=key), timeout=60)
    return bytes(answer.object.data) if answer.found else None


def test_an_upload_that_the_disk_cannot_hold_changes_nothing_and_what_was_there_can_be_removed(
    stub: ObjectServiceStub, small_disk: Disk, soak: int
) -> None:
    assert put(stub, "kept", KEPT, "storage").success
    for _ in range(soak or 2):
        for key in ("huge", "kept"):
            with pytest.raises(grpc.RpcError) as caught:
                upload(stub, key, SIZE // MiB * 2)
            assert key in str(caught.value.details())
            assert caught.value.code() is (FULL if small_disk.is_real else grpc.StatusCode.UNAVAILABLE)
        assert got(stub, "kept") == KEPT
        assert got(stub, "huge") is None
        assert put(stub, "small", b"in memory", "in-memory").success  # the registry is on the same disk
        if small_disk.is_real:
            assert upload(stub, "fits", 20).size == 20 * MiB
            assert stub.DeleteObject(pb.DeleteObjectRequest(key="fits"), timeout=60).deleted
    if small_disk.is_real:
        assert_nothing_is_left_but(3, small_disk.folder / "persistent" / "local.db")


def assert_nothing_is_left_but(number: int, path: Path) -> None:
    """Chunks, after a sweep."""
    with SQLStore.open(sqlite_url(path)) as store:
        store.sweep(-1)
    engine = open_engine(sqlite_url(path))
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(chunks)) == number
        assert connection.scalar(select(func.count()).select_from(loose_versions)) == 0
    engine.dispose()
