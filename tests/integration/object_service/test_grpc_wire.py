"""`SetObject` and `GetObject`: what clients of all kinds have spoken all along."""

from typing import Any
from uuid import UUID

import grpc
import pytest

from framedb.config import MiB
from framedb.errors import StoreUnavailableError
from framedb.proto import objects_pb2 as pb
from framedb.resp import Redis
from tests.integration.object_service.conftest import Service


def put(service: Service, **fields: object) -> pb.SetObjectResponse:
    given: dict[str, Any] = {"framedb_id": "local", "type": "in-memory", "key": "one", "data": b"data", **fields}
    answer: pb.SetObjectResponse = service.stub.SetObject(pb.SetObjectRequest(object=pb.Object(**given)), timeout=20)
    return answer


def get(service: Service, key: str, framedb_id: str = "") -> pb.GetObjectResponse:
    answer: pb.GetObjectResponse = service.stub.GetObject(
        pb.GetObjectRequest(key=key, framedb_id=framedb_id), timeout=20
    )
    return answer


@pytest.mark.parametrize("kind", ["in-memory", "storage", "stream"])
def test_what_was_set_is_got(service: Service, kind: str) -> None:
    answer = put(service, key=f"a {kind}/ünï", framedb_id="local", type=kind, metadata='{"n": [1, "ü"]}')
    assert answer == pb.SetObjectResponse(
        success=True, message=f"Object stored and routed successfully (key=a {kind}/ünï)", key=f"a {kind}/ünï"
    )
    found = get(service, f"a {kind}/ünï")
    assert found.found, found.message
    assert (found.object.data, found.object.type, found.object.framedb_id) == (b"data", kind, "local")
    assert found.object.metadata == '{"n":[1,"ü"]}'


def test_an_object_in_memory_is_a_plain_value_to_any_redis_client(service: Service, redis: Redis) -> None:
    answer = put(service, key="plain", data=b"\x00\xff")
    assert answer.success, answer.message
    assert redis.get("plain") == b"\x00\xff"


def test_a_stream_gives_its_items_in_their_order_and_once(service: Service, redis: Redis) -> None:
    for number in range(5):
        put(service, key="line", type="stream", data=b"%d" % number)
    assert redis.llen("fdb:q:line") == 5
    assert [get(service, "line").object.data for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
    gone = get(service, "line")
    assert (gone.found, gone.message) == (False, "No data found for key 'line'")


def test_a_blank_key_gets_one_that_sorts_by_time(service: Service) -> None:
    answers = [
        put(service, key=blank, type=kind) for kind in ("in-memory", "storage", "stream") for blank in ("", "  ")
    ]
    keys = [answer.key for answer in answers]
    assert {UUID(key).version for key in keys} == {7}
    assert keys == sorted(keys)
    assert all(get(service, key).found for key in keys)


def test_no_bytes_are_an_object_too(service: Service) -> None:
    for kind in ("in-memory", "storage"):
        assert put(service, key=kind, type=kind, framedb_id="", data=b"").success
        answer = get(service, kind)
        assert (answer.found, answer.object.data) == (True, b"")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "tape"}, "Unsupported type: tape (key=one)"),
        ({"type": ""}, "Unsupported type:  (key=one)"),
        ({"framedb_id": "nowhere"}, "FrameDB instance not found: nowhere (key=one)"),
        ({"framedb_id": "nowhere", "type": "storage"}, "FrameDB instance not found: nowhere (key=one)"),
        ({"framedb_id": "nowhere", "type": "stream"}, "FrameDB instance not found: nowhere (key=one)"),
    ],
)
def test_what_cannot_be_set_is_said_in_the_published_words(
    service: Service, fields: dict[str, str], message: str
) -> None:
    answer = put(service, **fields)
    assert (answer.success, answer.message, answer.key) == (False, message, "one")
    assert not get(service, "one").found


def test_metadata_that_are_no_json_object_are_refused_before_anything_is_written(
    service: Service, redis: Redis
) -> None:
    for kind in ("in-memory", "storage", "stream"):
        for metadata in ("no json", "[1, 2]", '"text"', "1", "null", '{"a": NaN}', "{" * 100_000, "[" * 100_000):
            answer = put(service, metadata=metadata, type=kind)
            assert not answer.success
            assert "metadata" in answer.message
            assert answer.message.endswith("(key=one)")
            assert get(service, "one").message == "Object/stream 'one' not found in routing service"
    assert redis.dbsize() == 0


def test_a_key_that_is_not_legal_is_refused_with_a_reason(service: Service) -> None:
    for key in ("k" * 2000, "fdb:frames", "fdb:q:line"):
        for kind in ("in-memory", "storage", "stream"):
            answer = put(service, key=key, type=kind)
            assert not answer.success
            assert "key" in answer.message
        assert not get(service, key).found


def test_a_key_may_hold_anything_that_utf_8_can(service: Service) -> None:
    key = "".join(map(chr, range(1, 128))) + "\x00/../%2F é 🎥"
    for kind in ("in-memory", "storage"):
        assert put(service, key=key + kind, type=kind, framedb_id="local").success
        assert get(service, key + kind).object.data == b"data"


def test_a_key_that_is_no_utf_8_is_an_invalid_argument(service: Service) -> None:
    # What another language's library sends that does not look at its strings.
    send = service.channel.unary_unary(
        "/framedb.ObjectService/GetObject", request_serializer=bytes, response_deserializer=bytes
    )
    with pytest.raises(grpc.RpcError) as caught:
        send(b"\x0a\x02\xff\xfe", timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "cannot be decoded" in str(caught.value.details())
    assert "UTF-8" in str(caught.value.details())


def test_what_nobody_wrote_is_not_found_in_the_published_words(service: Service) -> None:
    answer = get(service, "nothing")
    assert (answer.found, answer.message) == (False, "Object/stream 'nothing' not found in routing service")


def test_an_object_whose_bytes_are_gone_is_not_found_in_other_words(service: Service, redis: Redis) -> None:
    put(service, key="lost")
    redis.delete("lost")
    answer = get(service, "lost")
    assert (answer.found, answer.message) == (False, "No data found for key 'lost'")


def test_one_named_instance_is_read_route_or_no_route(service: Service) -> None:
    put(service, key="here", type="storage", framedb_id="storage-db-1")
    assert get(service, "here", "storage-db-1").object.data == b"data"
    elsewhere = get(service, "here", "mem-db-1")
    assert (elsewhere.found, elsewhere.message) == (False, "No data found for key 'here'")
    unknown = get(service, "here", "nowhere")
    assert (unknown.found, unknown.message) == (False, "FrameDB instance not found: nowhere")


def test_a_failed_registration_is_reported_and_leaves_no_orphan(
    service: Service, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise StoreUnavailableError("the registry does not answer")

    monkeypatch.setattr(service.routing, "exchange_object", refuse)
    monkeypatch.setattr(service.routing, "register_stream", refuse)
    for kind in ("in-memory", "storage", "stream"):
        answer = put(service, type=kind, framedb_id="local")
        assert not answer.success
        assert answer.message.startswith("Routing failed: ")
        assert "the registry does not answer" in answer.message
        assert answer.message.endswith("(key=one)")
    assert redis.get("one") is None
    assert redis.llen("fdb:q:one") == 0
    assert service.instances.store("local").stat("one") is None


def test_a_store_that_fails_is_a_failed_write(service: Service, redis: Redis) -> None:
    redis.config_set("maxmemory", "3mb")
    answer = put(service, data=bytes(8 * MiB))
    assert not answer.success
    assert answer.message.startswith("Write failed: ")
    assert answer.message.endswith("(key=one)")
    assert get(service, "one").message == "Object/stream 'one' not found in routing service"


def test_64_mib_go_in_one_message_and_more_is_told_of_put_object(service: Service) -> None:
    assert put(service, data=bytes(64 * MiB), type="storage", framedb_id="local").success
    assert len(get(service, "one").object.data) == 64 * MiB
    with pytest.raises(grpc.RpcError) as caught:
        put(service, key="two", data=bytes(65 * MiB), type="storage", framedb_id="local")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "PutObject" in str(caught.value.details())
    assert not get(service, "two").found


def test_an_item_that_is_too_large_is_to_be_put_as_an_object(service: Service, redis: Redis) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        put(service, key="line", data=bytes(65 * MiB), type="stream")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "'line' has 68157440 bytes" in str(caught.value.details())
    assert "push its key" in str(caught.value.details())
    assert redis.dbsize() == 0


def test_an_object_too_large_for_one_message_is_told_of_read_object(service: Service) -> None:
    service.objects.write("large", "local", "storage", (bytes(MiB) for _ in range(65)))
    answer = get(service, "large")
    assert not answer.found
    assert "ReadObject" in answer.message
