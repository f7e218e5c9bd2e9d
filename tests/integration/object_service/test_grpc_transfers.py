"""`PutObject` and `ReadObject`, and the calls beside them."""

import hashlib
import json
import random
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import grpc
import pytest

from framedb.config import MiB
from framedb.errors import StoreUnavailableError
from framedb.proto import objects_pb2 as pb
from framedb.resp import Redis
from tests.contracts.frame_store import until
from tests.integration.object_service.conftest import Serve, Service

NOISE = random.Random(1).randbytes(3 * MiB + 17)
KINDS = ["in-memory", "storage"]
END = pb.PutObjectEnd()


def messages(
    data: Iterable[bytes], *, end: pb.PutObjectEnd | None = END, **header: Any
) -> Iterator[pb.PutObjectRequest]:
    yield pb.PutObjectRequest(header=pb.PutObjectHeader(**{"key": "big", "type": "storage", **header}))
    for piece in data:
        yield pb.PutObjectRequest(data=piece)
    if end is not None:
        yield pb.PutObjectRequest(end=end)


def pieces(data: bytes, size: int = 300_000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def upload(service: Service, data: Iterable[bytes], **header: Any) -> pb.PutObjectResponse:
    answer: pb.PutObjectResponse = service.stub.PutObject(messages(data, **header), timeout=30)
    return answer


def download(service: Service, key: str, **fields: Any) -> tuple[pb.ObjectStat, bytes, pb.ReadObjectEnd]:
    first, *rest = service.stub.ReadObject(pb.ReadObjectRequest(key=key, **fields), timeout=30)
    *data, last = rest
    assert first.WhichOneof("part") == "stat"
    assert last.WhichOneof("part") == "end"
    assert all(0 < len(message.data) <= MiB for message in data)
    return first.stat, b"".join(message.data for message in data), last.end


def refused(service: Service, call: Iterator[pb.PutObjectRequest]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.PutObject(call, timeout=30)
    assert service.objects.stat("big") is None
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_in_pieces_comes_back_whole_with_its_digest(service: Service, kind: str) -> None:
    answer = upload(service, pieces(NOISE), type=kind, metadata='{"camera": "hall"}')
    digest = hashlib.sha256(NOISE).digest()
    assert (answer.key, answer.framedb_id, answer.size, answer.sha256) == ("big", "local", len(NOISE), digest)
    stat, data, end = download(service, "big")
    assert data == NOISE
    assert (end.size, end.sha256) == (len(NOISE), digest)
    assert (stat.key, stat.type, stat.size, stat.version) == ("big", kind, len(NOISE), answer.version)
    assert json.loads(stat.metadata) == {"camera": "hall"}
    assert not stat.HasField("expires_at")
    assert abs(stat.stored_at.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("kind", KINDS)
def test_any_part_can_be_read(service: Service, kind: str) -> None:
    upload(service, pieces(NOISE), type=kind)
    for offset, length, wanted in (
        (0, 10, NOISE[:10]),
        (MiB - 5, 10, NOISE[MiB - 5 : MiB + 5]),
        (17, None, NOISE[17:]),
        (len(NOISE) - 1, 100, NOISE[-1:]),
        (len(NOISE), None, b""),
        (2**63, 2**63, b""),
        (5, 0, b""),
    ):
        stat, data, end = download(service, "big", offset=offset, length=length)
        assert data == wanted
        assert stat.size == len(NOISE)
        assert end.sha256 == hashlib.sha256(wanted).digest()


def test_an_object_without_data_and_without_a_key(service: Service) -> None:
    answer = upload(service, [], key="")
    assert answer.size == 0
    stat, data, _ = download(service, answer.key)
    assert (stat.size, data) == (0, b"")


def test_a_digest_or_size_that_was_said_before_or_after_is_checked(service: Service) -> None:
    digest, wrong = hashlib.sha256(NOISE).digest(), hashlib.sha256(b"").digest()
    upload(service, pieces(NOISE), key="said before", sha256=digest, size=len(NOISE))
    upload(service, pieces(NOISE), key="said after", end=pb.PutObjectEnd(sha256=digest))
    for call in (
        messages(pieces(NOISE), sha256=wrong),
        messages(pieces(NOISE), end=pb.PutObjectEnd(sha256=wrong)),
        messages(pieces(NOISE), size=len(NOISE) - 1),
        messages(pieces(NOISE), size=len(NOISE) + 1),
    ):
        error = refused(service, call)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "'big'" in str(error.details())


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_without_an_end_is_no_upload(service: Service, kind: str) -> None:
    error = refused(service, messages(pieces(NOISE), end=None, type=kind))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "broke off" in str(error.details())


def test_all_announced_bytes_are_an_end_too(service: Service) -> None:
    upload(service, pieces(NOISE), end=None, size=len(NOISE))
    assert download(service, "big")[1] == NOISE


def test_a_header_that_cannot_be_is_refused_at_once(service: Service) -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    wrong: list[tuple[dict[str, Any], grpc.StatusCode, str]] = [
        ({"type": "tape"}, invalid, "Unsupported type: tape"),
        ({"type": "stream"}, invalid, "Unsupported type: stream"),
        ({"framedb_id": "nowhere"}, grpc.StatusCode.NOT_FOUND, "FrameDB instance not found: nowhere"),
        ({"metadata": "[]"}, invalid, "metadata"),
        ({"key": "k" * 2000}, invalid, "2000 bytes"),
        ({"ttl": -1.0}, invalid, "time to live"),
        ({"ttl": float("nan")}, invalid, "time to live"),
    ]
    for header, code, said in wrong:
        error = refused(service, messages([], **header))
        assert error.code() is code
        assert said in str(error.details())
        assert "key" in header or "(key=big)" in str(error.details())


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_that_cannot_be_registered_is_taken_back_and_may_be_tried_again(
    service: Service, redis: Redis, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def refuse(*_: object) -> None:
        raise StoreUnavailableError("the registry does not answer")

    monkeypatch.setattr(service.routing, "exchange_object", refuse)
    error = refused(service, messages(pieces(NOISE), type=kind))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "big" in str(error.details())
    assert "the registry does not answer" in str(error.details())
    assert redis.keys("*big*") == []
    monkeypatch.undo()
    assert upload(service, pieces(NOISE), type=kind).size == len(NOISE)


def test_an_upload_begins_with_its_header_and_has_one(service: Service) -> None:
    assert "first message" in str(refused(service, iter([pb.PutObjectRequest(data=b"x")])).details())
    assert "first message" in str(refused(service, iter([])).details())
    twice = [*messages([b"x"], end=None), *messages([])]
    assert "second time" in str(refused(service, iter(twice)).details())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_client_that_vanishes_in_the_middle_leaves_what_was_there(
    service: Service, redis: Redis, kind: str, earlier: bool
) -> None:
    if earlier:
        upload(service, [b"the earlier one"], type=kind)
    for _ in range(3):
        underway = threading.Event()

        def forever(underway: threading.Event = underway) -> Iterator[bytes]:
            for number in count():
                yield NOISE
                if number > 7:
                    underway.set()

        call = service.stub.PutObject.future(messages(forever(), type=kind))
        assert underway.wait(30)
        call.cancel()
    until(lambda: service.instances.store("local").sweep(older_than=0.0).unfinished == 0, "nothing to be left to sweep")
    stored = service.objects.get("big")
    assert (bytes(stored[1]) if stored else None) == (b"the earlier one" if earlier else None)
    until(
        lambda: all((redis.memory_usage(key) or 0) < MiB for key in redis.scan_iter("*")),
        "the parts in memory to be gone",
    )


def test_a_peer_that_does_nothing_is_sent_away(serve: Serve) -> None:
    service = serve(patience=0.3)
    sent_away = threading.Event()

    def silent() -> Iterator[bytes]:
        yield b"x"
        sent_away.wait(30)

    call = service.stub.PutObject.future(messages(silent()), timeout=30)
    try:
        assert call.exception(timeout=20) is not None
        assert not sent_away.is_set()
    finally:
        sent_away.set()
    assert service.objects.stat("big") is None


def test_only_so_many_transfers_go_on_at_once(serve: Serve) -> None:
    service = serve(transfers=1)
    upload(service, [NOISE] * 5)
    slow = service.stub.ReadObject(pb.ReadObjectRequest(key="big"), timeout=30)
    assert next(slow).WhichOneof("part") == "stat"
    with pytest.raises(grpc.RpcError) as caught:
        upload(service, [b"x"], key="another")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "try again" in str(caught.value.details())
    assert service.stub.StatObject(pb.StatObjectRequest(key="big"), timeout=10).size == 5 * len(NOISE)
    slow.cancel()

    def works() -> bool:
        try:
            return bool(upload(service, [b"x"], key="another").size)
        except grpc.RpcError:
            return False

    until(works, "the place of the cancelled read to be free")


def test_what_is_not_there_is_not_found(service: Service) -> None:
    for call in (
        lambda: service.stub.StatObject(pb.StatObjectRequest(key="nothing"), timeout=10),
        lambda: list(service.stub.ReadObject(pb.ReadObjectRequest(key="nothing"), timeout=10)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert "'nothing'" in str(caught.value.details())
    assert not service.stub.DeleteObject(pb.DeleteObjectRequest(key="nothing"), timeout=10).deleted
    assert not service.stub.ExpireObject(pb.ExpireObjectRequest(key="nothing", ttl=5), timeout=10).found


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_can_be_deleted_and_given_a_time_to_live(service: Service, kind: str) -> None:
    upload(service, [b"x"], type=kind, ttl=3600.0)
    lifetime = _lifetime(service)
    assert lifetime is not None
    assert timedelta(minutes=59) < lifetime < timedelta(minutes=61)
    assert service.stub.ExpireObject(pb.ExpireObjectRequest(key="big", ttl=60), timeout=10).found
    lifetime = _lifetime(service)
    assert lifetime is not None
    assert timedelta(seconds=50) < lifetime < timedelta(seconds=70)
    assert service.stub.ExpireObject(pb.ExpireObjectRequest(key="big"), timeout=10).found
    assert _lifetime(service) is None
    assert service.stub.DeleteObject(pb.DeleteObjectRequest(key="big"), timeout=10).deleted
    assert service.objects.stat("big") is None


def _lifetime(service: Service) -> timedelta | None:
    stat = service.stub.StatObject(pb.StatObjectRequest(key="big"), timeout=10)
    return stat.expires_at.ToDatetime(UTC) - datetime.now(UTC) if stat.HasField("expires_at") else None


def test_objects_are_listed_a_page_at_a_time_in_the_order_of_their_bytes(service: Service) -> None:
    keys = [f"many/{number:03}" for number in range(25)]
    for number, key in enumerate(keys):
        upload(service, [b"x" * number], key=key, type=KINDS[number % 2], metadata=json.dumps({"n": number}))
    upload(service, [b""], key="other")
    found: list[pb.ObjectStat] = []
    after = ""
    pages = 0
    while True:
        page = service.stub.ListObjects(pb.ListObjectsRequest(prefix="many/", after=after, limit=10), timeout=10)
        found += page.objects
        pages += 1
        after = page.next
        if not after:
            break
    assert [stat.key for stat in found] == keys
    assert pages == 3
    assert [(stat.size, stat.type) for stat in found] == [(n, KINDS[n % 2]) for n in range(25)]
    assert json.loads(found[7].metadata) == {"n": 7}
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.ListObjects(pb.ListObjectsRequest(limit=1001), timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_page_of_long_metadata_fits_the_message_a_client_takes_by_default(service: Service) -> None:
    long = json.dumps({"text": "x" * 900_000})
    for number in range(8):
        upload(service, [b""], key=f"long/{number}", metadata=long)
    found, after = [], ""
    with grpc.insecure_channel(service.server.address) as plain:
        stub = type(service.stub)(plain)
        while True:
            page = stub.ListObjects(pb.ListObjectsRequest(after=after), timeout=10)
            found += [stat.key for stat in page.objects]
            after = page.next
            if not after:
                break
    assert found == [f"long/{number}" for number in range(8)]


def test_a_stream_can_be_waited_for(service: Service) -> None:
    service.stub.PushItem(pb.PushItemRequest(queue_name="line", data=b"0"), timeout=10)
    first = service.stub.PopItem(pb.PopItemRequest(queue_name="line", wait=20), timeout=30)
    assert (first.found, first.data) == (True, b"0")
    waiting = service.stub.PopItem.future(pb.PopItemRequest(queue_name="line", wait=20), timeout=30)
    service.stub.PushItem(pb.PushItemRequest(queue_name="line", data=b"1"), timeout=10)
    assert waiting.result().data == b"1"
    assert not service.stub.PopItem(pb.PopItemRequest(queue_name="line"), timeout=10).found
    assert not service.stub.PopItem(pb.PopItemRequest(queue_name="line", wait=0.1), timeout=10).found


def test_a_reader_that_went_away_while_it_waited_takes_no_item(service: Service) -> None:
    service.stub.PushItem(pb.PushItemRequest(queue_name="line", data=b"0"), timeout=10)
    service.stub.PopItem(pb.PopItemRequest(queue_name="line"), timeout=10)
    gone = service.stub.PopItem.future(pb.PopItemRequest(queue_name="line", wait=20), timeout=30)
    gone.cancel()
    until(lambda: service.server.waiting == 0, "the server to notice")
    service.stub.PushItem(pb.PushItemRequest(queue_name="line", data=b"1"), timeout=10)
    assert service.stub.PopItem(pb.PopItemRequest(queue_name="line"), timeout=10).data == b"1"


def test_a_wait_has_bounds(service: Service) -> None:
    for wait in (-1.0, 31.0, float("nan"), float("inf")):
        with pytest.raises(grpc.RpcError) as caught:
            service.stub.PopItem(pb.PopItemRequest(queue_name="line", wait=wait), timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_only_so_many_readers_of_streams_wait_at_once(serve: Serve) -> None:
    service = serve(waits=1)
    service.stub.PushItem(pb.PushItemRequest(queue_name="line", data=b"0"), timeout=10)
    service.stub.PopItem(pb.PopItemRequest(queue_name="line"), timeout=10)
    first = service.stub.PopItem.future(pb.PopItemRequest(queue_name="line", wait=20), timeout=30)
    until(lambda: service.server.waiting == 1, "the first one to wait")
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.PopItem(pb.PopItemRequest(queue_name="line", wait=20), timeout=30)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    service.stub.PushItem(pb.PushItemRequest(queue_name="line", data=b"1"), timeout=10)
    assert first.result().data == b"1"


def test_a_full_stream_says_so(service: Service) -> None:
    metadata = json.dumps({"max_length": 2, "policy": "wait"})
    for _ in range(2):
        service.stub.PushItem(pb.PushItemRequest(queue_name="line", data=b"x", metadata=metadata), timeout=10)
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.PushItem(pb.PushItemRequest(queue_name="line", data=b"x"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
