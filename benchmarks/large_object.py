"""Putting a 1 GiB object and reading it back through the object service: memory that server and client come to use for it.

The server is the node's own process, which serves HTTP and gRPC; the engines beside it keep the bytes. The client is this one.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import grpc
import psutil
from tests.integration.object_service.peak import Peak

from benchmarks.comparison import Absolute, Side
from benchmarks.target import Target
from framedb.client.http import NodeClient
from framedb.config import MiB
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceStub

OBJECT_MIB = 1024
"""What is put and read."""

KEY = "bench-large"
DEADLINE = 300.0  # seconds of a call
FACES, TYPES = ("gRPC", "HTTP"), ("storage", "in-memory")
COMPARISONS = [
    Absolute(
        f"put a 1 GiB object and read it back, {face}, {type_}",
        f"{face}-{type_}",
        "MiB",
        at_most=80,
        against="idle; server or client, whichever grows more",
    )
    for face in FACES
    for type_ in TYPES
]
TIMES = 1
ROUNDS = 2  # each takes a minute, and memory hardly differs from one to the next

Pass = Callable[[Target, str, int], None]
"""Puts an object of that type and so many MiB, and reads it back."""


def grown(through: Pass, type_: str, target: Target, times: int) -> list[float]:
    """MiB that the peak of server or client, whichever is more, is above what it has when idle."""
    through(target, type_, 1)  # what is opened, loaded and cached once is there
    sizes = []
    for _ in range(times):
        with Peak(psutil.Process(target.pid)) as server, Peak(psutil.Process()) as client:
            through(target, type_, OBJECT_MIB)
        sizes.append(max(server.grown, client.grown) / MiB)
    return sizes


def over_grpc(target: Target, type_: str, size: int) -> None:
    """`PutObject`, `ReadObject`, `DeleteObject`."""
    with grpc.insecure_channel(target.grpc) as channel:
        stub = ObjectServiceStub(channel)
        stored = stub.PutObject(_upload(type_, size), timeout=DEADLINE)
        received = 0
        for message in stub.ReadObject(pb.ReadObjectRequest(key=KEY), timeout=DEADLINE):
            received += len(message.data)
        assert stored.size == received == size * MiB
        assert stub.DeleteObject(pb.DeleteObjectRequest(key=KEY), timeout=DEADLINE).deleted


def over_http(target: Target, type_: str, size: int) -> None:
    """`PUT`, `GET`, `DELETE` of `/v1/objects/{key}`."""
    path = f"/v1/objects/{KEY}"
    with closing(NodeClient(target.url, timeout=DEADLINE)) as node:
        node.request("PUT", f"{path}?type={type_}", body=_blocks(size)).close()
        received = 0
        with node.request("GET", path) as answer:
            for piece in node.stream(answer):
                received += len(piece)
        assert received == size * MiB
        assert node.json("DELETE", path)["deleted"]


PASSES: dict[str, Pass] = {"gRPC": over_grpc, "HTTP": over_http}
SIDES: dict[str, Side] = {f"{face}-{type_}": partial(grown, PASSES[face], type_) for face in FACES for type_ in TYPES}


def _upload(type_: str, size: int) -> Iterator[pb.PutObjectRequest]:
    yield pb.PutObjectRequest(header=pb.PutObjectHeader(key=KEY, type=type_, size=size * MiB))
    for block in _blocks(size):
        yield pb.PutObjectRequest(data=block)
    yield pb.PutObjectRequest(end=pb.PutObjectEnd())


def _blocks(size: int) -> Iterator[bytes]:
    """So many MiB, each unlike the others."""
    for number in range(size):
        yield hashlib.sha256(b"%d" % number).digest() * (MiB // 32)
