"""Uploads an object: `upload_program FACE URL KEY TYPE MEBIBYTES UNTIL`.

FACE is `grpc` or `http`. Mebibyte n is `block(n)`. When UNTIL of them are on their way it says so, and sends no more; an
upload of all MEBIBYTES is one to the end.
"""

import hashlib
import http.client
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import grpc

from framedb.config import MiB
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceStub


def block(number: int) -> bytes:
    """A mebibyte unlike the others."""
    return hashlib.sha256(b"%d" % number).digest() * (MiB // 32)


def blocks(mebibytes: int, until: int) -> Iterator[bytes]:
    """The object, as far as it goes."""
    yield from map(block, range(until))
    if until < mebibytes:
        print("so far", flush=True)
        sys.stdin.read()


def main() -> None:
    """Send it."""
    face, url, key, kind, mebibytes, until = sys.argv[1:]
    send = {"grpc": over_grpc, "http": over_http}[face]
    send(url, key, kind, int(mebibytes), blocks(int(mebibytes), int(until)))


def over_grpc(url: str, key: str, kind: str, mebibytes: int, data: Iterator[bytes]) -> None:
    """With PutObject."""

    def messages() -> Iterator[pb.PutObjectRequest]:
        yield pb.PutObjectRequest(header=pb.PutObjectHeader(key=key, type=kind, size=mebibytes * MiB))
        for piece in data:
            yield pb.PutObjectRequest(data=piece)
        yield pb.PutObjectRequest(end=pb.PutObjectEnd())

    with grpc.insecure_channel(url) as channel:
        ObjectServiceStub(channel).PutObject(messages(), timeout=1000)


def over_http(url: str, key: str, kind: str, mebibytes: int, data: Iterator[bytes]) -> None:
    """With PUT."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=1000)
    headers = {"Content-Length": str(mebibytes * MiB)}
    connection.request("PUT", f"/v1/objects/{key}?type={kind}", body=data, headers=headers)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()


if __name__ == "__main__":
    main()
