"""Writers of earlier deployments: objects and streams into instances directly, and over gRPC."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from framedb.resp import MasterClient, parse_redis_url
from framedb.stores.streams import Streams
from framedb_writer_client import (
    FrameDBClusterClient,
    FrameDBWriter,
    ObjectRoutingClient,
    ObjectsAPI,
    StreamRoutingClient,
)
from framedb_writer_client.factory import new_framedb_writer, new_objects_api_client
from tests.acceptance.compat.instances import memory, url_of
from tests.acceptance.conftest import UpNode, until
from tests.engines import free_port


@pytest.mark.parametrize(("framedb_id", "type_"), [("mem-db-1", "in-memory"), ("storage-db-1", "storage")])
def test_an_object_is_written_where_it_was_said_and_everyone_finds_it(
    up: UpNode, writer: FrameDBWriter, objects: ObjectRoutingClient, framedb_id: str, type_: str
) -> None:
    key = f"direct/{type_}"
    answer = writer.write(key, framedb_id, b"data", type_, {"line": 3})
    assert answer == {"success": True, "message": "Object stored and routed successfully", "key": key}
    status, found = objects.get_object(key)
    assert status == 200
    assert found["data"] == {
        "object_id": key,
        "framedb_id": framedb_id,
        "framedb_type": type_,
        "copies": [{"framedb_id": framedb_id, "framedb_type": type_}],
        "size": 4,
        "metadata": {"line": 3},
    }
    assert objects.copy_exists(key, framedb_id)[0] == 200


def test_an_object_may_be_empty_or_large(up: UpNode, writer: FrameDBWriter, objects: ObjectRoutingClient) -> None:
    large = bytes(range(256)) * (9 * 2**12)  # 9 MiB
    for key, data in (("empty", b""), ("large", large), ("array", memoryview(large)[:100])):
        for framedb_id, type_ in (("mem-db-1", "in-memory"), ("storage-db-1", "storage")):
            assert writer.write(key, framedb_id, data, type_)["success"]
            assert objects.get_object(key)[1]["data"]["size"] == len(data)
    too_large_for_one_value = bytes(65 * 2**20)
    assert writer.write("local-large", "local", too_large_for_one_value, "in-memory")["success"]


def test_a_write_to_another_instance_takes_the_earlier_one_away(
    up: UpNode, writer: FrameDBWriter, objects: ObjectRoutingClient
) -> None:
    first, second = memory(up, "mem-db-1"), memory(up, "mem-db-2")
    with first, second:
        assert writer.write("moving", "mem-db-1", b"1", "in-memory")["success"]
        assert first.redis.get("moving") == b"1"
        assert writer.write("moving", "mem-db-2", b"2", "in-memory")["success"]
        assert (first.redis.get("moving"), second.redis.get("moving")) == (None, b"2")
        assert writer.write("moving", "storage-db-1", b"3", "storage")["success"]
        assert second.redis.get("moving") is None


def test_what_is_in_the_way_of_readers_goes_too(up: UpNode, writer: FrameDBWriter) -> None:
    with up.connect() as db:
        db.put("hidden", b"old")
        assert writer.write("hidden", "local", b"new", "storage")["success"]
        assert bytes(db.get("hidden").view()) == b"new"  # type: ignore[union-attr]


def test_items_of_a_stream_come_out_in_order(up: UpNode, writer: FrameDBWriter) -> None:
    for number in range(3):
        assert writer.write("detections", "mem-db-1", str(number).encode(), "stream", {"model": "v3"})["success"]
    with closing(StreamRoutingClient(up.url)) as streams:
        status, found = streams.get_stream("detections")
        assert (status, found["data"]["framedb_id"], found["data"]["metadata"]) == (200, "mem-db-1", {"model": "v3"})
    elsewhere = writer.write("detections", "mem-db-2", b"x", "stream")
    assert elsewhere["success"] is False
    assert "mem-db-1" in elsewhere["message"]
    client = MasterClient.fixed(parse_redis_url(url_of(up, "mem-db-1")))
    stream = Streams(client)
    assert [stream.pop("detections") for _ in range(4)] == [b"0", b"1", b"2", None]
    client.close()


def test_a_stream_holds_no_more_than_its_metadata_say(up: UpNode, writer: FrameDBWriter) -> None:
    for number in range(5):
        assert writer.write("capped", "mem-db-1", str(number).encode(), "stream", {"max_length": 2})["success"]
    with memory(up, "mem-db-1") as instance:
        assert instance.redis.lrange("fdb:q:capped", 0, -1) == [b"4", b"3"]


@pytest.mark.parametrize(
    ("key", "framedb_id", "data", "type_", "metadata", "why"),
    [
        ("k", "nowhere", b"x", "in-memory", None, "FrameDB instance not found: nowhere"),
        ("k", "nowhere", b"x", "storage", None, "FrameDB instance not found: nowhere"),
        ("k", "local", b"x", "on-paper", None, "Unsupported type: on-paper"),
        ("k" * 2000, "local", b"x", "in-memory", None, "1024"),
        ("fdb:k", "local", b"x", "in-memory", None, "fdb:"),
        (7, "local", b"x", "in-memory", None, "a key is text"),
        ("k", "local", "text", "in-memory", None, "data must be bytes"),
        ("k", "local", b"x", "in-memory", ["a list"], "metadata must be a JSON object"),
        ("k", "local", b"x", "in-memory", {"x": b"bytes"}, "metadata is nothing JSON can say"),
        ("k", "mem-db-1", b"x", "stream", {"max_length": -1}, "max_length"),
    ],
)
def test_what_cannot_be_written_is_an_answer_that_says_why(
    writer: FrameDBWriter, key: Any, framedb_id: str, data: Any, type_: str, metadata: Any, why: str
) -> None:
    answer = writer.write(key, framedb_id, data, type_, metadata)
    assert answer["success"] is False
    assert answer["key"] == key
    assert why in answer["message"]


class Forgetful:
    """Routing that knows nothing, and takes nothing down: a service that dies in between."""

    def get_object(self, object_id: str) -> tuple[int, Any]:
        return 404, {"success": False, "error": "No document found"}

    get_stream = get_object

    def create_object(self, *_: Any, **__: Any) -> tuple[int, Any]:
        return 503, {"success": False, "error": "no FrameDB service answers"}

    register_stream = create_object


def test_a_write_that_could_not_be_registered_says_so_and_leaves_no_orphan(up: UpNode) -> None:
    clusters = FrameDBClusterClient(up.url)
    with FrameDBWriter(clusters, Forgetful(), Forgetful()) as writer, memory(up, "mem-db-1") as instance:
        for key, type_ in (("orphan", "in-memory"), ("orphans", "stream")):
            answer = writer.write(key, "mem-db-1", b"x", type_)
            assert answer["success"] is False
            assert answer["key"] == key
            assert "Routing failed" in answer["message"]
            assert "written to mem-db-1" in answer["message"]
        assert instance.redis.exists("orphan", "fdb:q:orphans") == 0
        stored = writer.write("orphan", "mem-db-1", b"x", "in-memory", update_routing=False)
        assert stored == {"success": True, "message": "Object stored successfully", "key": "orphan"}
        assert instance.redis.get("orphan") == b"x"


def test_a_writer_keeps_few_connections_however_much_it_writes(up: UpNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS_CACHE_ENV_SIZE", "1")
    with memory(up, "mem-db-1") as one, memory(up, "mem-db-2") as two:
        before = [one.clients(), two.clients()]
        with new_framedb_writer(up.url, up.url) as writer:
            for _ in range(20):
                assert writer.write("often", "mem-db-1", b"x", "in-memory", update_routing=False)["success"]
            assert one.clients() == before[0] + 1
            assert writer.write("often", "mem-db-2", b"x", "in-memory", update_routing=False)["success"]
            until(lambda: [one.clients(), two.clients()] == [before[0], before[1] + 1], "the evicted one to be closed")
        until(lambda: [one.clients(), two.clients()] == before, "all to be closed")


def test_an_instance_that_is_evicted_while_it_is_used_is_used_to_the_end(
    up: UpNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTIONS_CACHE_ENV_SIZE", "1")
    data = bytes(2**20)
    with new_framedb_writer(up.url, up.url) as writer, ThreadPoolExecutor(4) as pool:

        def write(number: int) -> dict[str, Any]:
            framedb_id, type_ = [("mem-db-1", "in-memory"), ("mem-db-2", "in-memory"), ("storage-db-1", "storage")][
                number % 3
            ]
            return writer.write(f"shared:{number}", framedb_id, data, type_, update_routing=False)

        answers = list(pool.map(write, range(48)))
    assert [answer["message"] for answer in answers if not answer["success"]] == []


# Over gRPC


def test_all_three_types_go_through_the_object_service(up: UpNode, grpc_address: str) -> None:
    with new_objects_api_client(grpc_address) as api:
        memory_answer = api.write_to_memory("mem-db-1", b"m", key="via/memory", metadata={"a": 1})
        assert (memory_answer.success, memory_answer.key) == (True, "via/memory"), memory_answer.message
        stored = api.write_to_persistent("storage-db-1", b"s", key="via/storage")
        assert stored.success, stored.message
        for item in (b"1", b"2"):
            pushed = api.write_to_stream("mem-db-1", item, key="via/stream")
            assert pushed.success, pushed.message
        assert len(api.write_to_memory("mem-db-1", b"x").key) == 36
        unknown = api.write_to_memory("nowhere", b"x")
        assert (unknown.success, "FrameDB instance not found: nowhere" in unknown.message) == (False, True)
        wrong = api.write_to_memory("mem-db-1", b"x", metadata={"x": object()})
        assert not wrong.success
        assert wrong.key
        large = api.write_to_persistent("storage-db-1", bytes(70 * 2**20), key="via/large")
        assert large.success, large.message
    with memory(up, "mem-db-1") as instance:
        assert instance.redis.get("via/memory") == b"m"
        assert instance.redis.lrange("fdb:q:via/stream", 0, -1) == [b"2", b"1"]
    with closing(ObjectRoutingClient(up.url)) as objects:
        assert objects.get_object("via/large")[1]["data"]["size"] == 70 * 2**20


def test_an_object_service_that_is_not_there_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framedb.compat.objects_api._WAIT", 0.5)
    address = f"127.0.0.1:{free_port()}"
    with ObjectsAPI(address) as api:
        for answer in (api.write_to_memory("local", b"x", key="k"), api.write_to_stream("local", b"x", key="k")):
            assert answer.success is False
            assert answer.key == "k"
            assert address in answer.message
    assert api.write_to_memory("local", b"x", key="k").success is False
