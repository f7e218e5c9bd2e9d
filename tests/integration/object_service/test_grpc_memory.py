"""A large object passes through the service without being in memory, at either end."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from framedb.config import MiB
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceStub
from framedb.resp import Endpoint, Redis
from tests.integration.object_service.peak import Peak

MOST = 80 * MiB
"""Above idle, at either end."""


@pytest.fixture
def served(tmp_path: Path, valkey: Endpoint, redis: Redis) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a server in a process of its own, and that process."""
    redis.config_set("maxmemory", "1200mb")
    command = [sys.executable, "-m", "tests.integration.object_service.server_program", str(tmp_path)]
    with subprocess.Popen(
        [*command, valkey.host, str(valkey.port), str(valkey.password)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address
        yield address, psutil.Process(process.pid)


def block(number: int) -> bytes:
    """A mebibyte unlike the others."""
    return hashlib.sha256(b"%d" % number).digest() * (MiB // 32)


@pytest.mark.parametrize(("kind", "told"), [("in-memory", False), ("storage", True)])
def test_a_large_object_goes_in_and_out_in_little_memory(
    served: tuple[str, psutil.Process], kind: str, told: bool, soak: int
) -> None:
    address, process = served
    blocks = 1024 if soak else 72
    digest = hashlib.sha256()

    header = pb.PutObjectHeader(key="large", type=kind, size=blocks * MiB if told else None)

    def upload() -> Iterator[pb.PutObjectRequest]:
        yield pb.PutObjectRequest(header=header)
        for number in range(blocks):
            data = block(number)
            digest.update(data)
            yield pb.PutObjectRequest(data=data)
        yield pb.PutObjectRequest(end=pb.PutObjectEnd(sha256=digest.digest()))

    with grpc.insecure_channel(address) as channel:
        stub = ObjectServiceStub(channel)
        for warm in ("first", "second"):  # code and pools are loaded: from here on it is idle
            stub.SetObject(pb.SetObjectRequest(object=pb.Object(key=warm, type=kind, data=b"x")), timeout=30)
            assert stub.GetObject(pb.GetObjectRequest(key=warm), timeout=30).found
        with Peak(process) as server, Peak(psutil.Process()) as client:
            stored = stub.PutObject(upload(), timeout=600)
            assert (stored.size, stored.sha256) == (blocks * MiB, digest.digest())
            received = 0
            for message in stub.ReadObject(pb.ReadObjectRequest(key="large"), timeout=600):
                if message.WhichOneof("part") == "data":
                    assert message.data == block(received)
                    received += 1
                elif message.WhichOneof("part") == "end":
                    assert message.end.sha256 == digest.digest()
            assert received == blocks
    print(f"{kind}, {blocks} MiB: server +{server.grown / MiB:.1f} MiB, client +{client.grown / MiB:.1f} MiB")
    assert server.grown < MOST
    assert client.grown < MOST
