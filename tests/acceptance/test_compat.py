"""Programs of earlier deployments, as their documents show them and as they meet faults, on a node as a user starts it."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import urllib3

from framedb.resp import MasterClient, Redis, close_redis, open_redis, parse_redis_url
from framedb.stores.streams import Streams
from framedb_api.env import Env
from framedb_api.framedb import FrameDB
from framedb_writer_client import (
    FrameDBClusterClient,
    FrameDBWriter,
    ObjectRoutingClient,
    ObjectsAPI,
    StreamRoutingClient,
)
from framedb_writer_client.factory import new_framedb_writer, new_objects_api_client
from tests.acceptance.conftest import FRAMEDB, UpNode, node_on, until
from tests.acceptance.test_clusters import (
    SMALL,
    cluster_of_three,
    master_of,
    member_at,
    post,
    process_of,
    whole,
)
from tests.engines import free_port

http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=120))

READER_SETUP = """
from framedb_api.framedb import FrameDB
from framedb_api.aios_logger import AIOSLogger
from framedb_api.env import Env  # Assume Env is your environment class

# Initialize environment and logger
env = Env()  # You must configure this class according to your system
logger = AIOSLogger()

# Initialize FrameDB
framedb = FrameDB(svc_params={}, env=env, logger=logger)
"""

READER_SYNC_READ = """
source_id = "camera-001"
keys_to_fetch = ["frame:cam001:00001", "frame:cam001:00002"]

success, data_or_error = framedb.get_frames_from(source_id, keys_to_fetch)

if success:
    print("Frames:", data_or_error)
else:
    print("Error:", data_or_error)
"""

READER_SYNC_WRITE = """
# Assume you already have a connection
success, connection = framedb._FrameDB__handle_new_connection("camera-001")
if not success:
    raise Exception("Redis connection failed")

outputs = {
    "frame:cam001:00003": b"<binary-data-1>",
    "frame:cam001:00004": b"<binary-data-2>"
}

framedb.push_sync(connection, outputs)
"""

READER_ASYNC_READ = """
def handle_frame_data(is_not_error, frame_data, frame_keys, **kwargs):
    if is_not_error:
        print(f"Received frames {frame_keys}:")
        for d in frame_data:
            print(d)
    else:
        print("Error occurred")

source_id = "camera-001"
keys_to_fetch = ["frame:cam001:00005", "frame:cam001:00006"]
metadata = {"job_id": "job-123"}

# Register async channel
framedb.register_frames_channel(source_id, handle_frame_data)

# Submit fetch request
framedb.get_frames_async(source_id, keys_to_fetch, metadata, handle_frame_data)
"""

READER_SERIALIZER = """
def serialize_frames(outputs):
    # Convert all frames to compressed JSON (example)
    try:
        result = {k: json.dumps(v.decode()).encode() for k, v in outputs.items()}
        return True, result
    except Exception:
        return False, {}

framedb.set_output_serializer(serialize_frames)
"""

WRITER_GRPC = """
api = ObjectsAPI("localhost:50051")
resp = api.write_to_memory("mem-db-1", b"sensor-data")
print(resp.success, resp.key)
"""

WRITER_DIRECT = """
writer = FrameDBWriter(
FrameDBClusterClient("http://config-service:5000"),
ObjectRoutingClient("http://routing-service:5000"),
StreamRoutingClient("http://routing-service:5000")
)
result = writer.write(
key=None,
framedb_id="storage-db-1",
data=b"log-entry",
type_="storage"
)
print(result["success"], result["key"])
"""

WRITER_FACTORY = """
from framedb_writer_client.factory import new_objects_api_client, new_framedb_writer

api = new_objects_api_client("localhost:50051")
writer = new_framedb_writer(
routing_service_url="http://routing-service:5000",
config_service_url="http://config-service:5000"
)
"""


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def grpc_address(up: UpNode) -> Iterator[str]:
    """Where the node's object service answers."""
    port = free_port()
    log = up.folder / "objects.log"
    with log.open("wb") as output:
        service = subprocess.Popen(
            [*FRAMEDB, "serve", "objects", "--data-dir", str(up.data_dir), "--grpc-port", str(port)],
            stdout=output, stderr=output, env=up.environment, cwd=up.folder,
        )  # fmt: skip
    yield f"127.0.0.1:{port}"
    service.terminate()
    service.wait(30)


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


def on_the_hosts_of(up: UpNode, code: str, grpc_address: str = "") -> str:
    for host in ("http://config-service:5000", "http://routing-service:5000"):
        code = code.replace(host, up.url)
    return code.replace("localhost:50051", grpc_address)


# The documents


def test_the_blocks_about_the_reader_run_as_written(
    up: UpNode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRAMEDB_URL", up.url)
    program: dict[str, Any] = {}
    exec(READER_SETUP, program)
    with closing(program["framedb"]):
        exec(READER_SYNC_READ, program)
        assert capsys.readouterr().out == "Frames: [None, None]\n"
        exec(READER_SYNC_WRITE, program)
        written = program["framedb"].get_frames_from("camera-001", list(program["outputs"]))
        assert written == (True, [b"<binary-data-1>", b"<binary-data-2>"])
        exec(READER_ASYNC_READ, program)
        until(lambda: "None\nNone\n" in capsys.readouterr().out, "the callback to be called")
        exec("import json\n" + READER_SERIALIZER, program)
        answer = program["framedb"].push_sync(program["connection"], {"frame:cam001:00005": b"text"})
        assert answer == (True, "Wrote keys to FrameDB")
        assert program["framedb"].get_frames_from("camera-001", ["frame:cam001:00005"]) == (True, [b'"text"'])


def test_the_block_about_the_object_service_runs_as_written(
    up: UpNode, grpc_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program: dict[str, Any] = {"ObjectsAPI": ObjectsAPI}
    exec(on_the_hosts_of(up, WRITER_GRPC, grpc_address), program)
    program["api"].close()
    success, key = capsys.readouterr().out.split()
    assert success == "True", program["resp"]
    assert read(up, key) == b"sensor-data"


def test_the_block_about_the_direct_writer_runs_as_written(up: UpNode, capsys: pytest.CaptureFixture[str]) -> None:
    program: dict[str, Any] = {
        "FrameDBWriter": FrameDBWriter,
        "FrameDBClusterClient": FrameDBClusterClient,
        "ObjectRoutingClient": ObjectRoutingClient,
        "StreamRoutingClient": StreamRoutingClient,
    }
    exec(on_the_hosts_of(up, WRITER_DIRECT), program)
    program["writer"].close()
    success, key = capsys.readouterr().out.split()
    assert success == "True", program["result"]
    with closing(ObjectRoutingClient(up.url)) as objects:
        assert objects.get_object(key)[1]["data"]["framedb_id"] == "storage-db-1"


def test_the_block_about_the_factory_runs_as_written(up: UpNode, grpc_address: str) -> None:
    program: dict[str, Any] = {}
    exec(on_the_hosts_of(up, WRITER_FACTORY, grpc_address), program)
    with program["api"] as api, program["writer"] as writer:
        assert api.write_to_memory("mem-db-1", b"x").success
        assert writer.write(None, "mem-db-1", b"x", "in-memory")["success"]


# The direct writer


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


# Streams and objects over gRPC


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


# The reader, and faults


def test_a_source_nobody_knows_is_placed_or_refused_as_was_said(up: UpNode, framedb: FrameDB) -> None:
    assert framedb.get_frames_from("new-source", ["a"]) == (True, [None])
    assert post(up.url, "/routing/getMapping", sourceId="new-source")["nodeTags"] == ["local"]
    with FrameDB({}, Env(routing_url=up.url, on_demand_connections=False)) as strict:
        read, why = strict.get_frames_from("another-source", ["a"])
        assert not read
        assert "another-source" in why
        assert strict.register_frame_delete_channel("another-source")[0] is False
        assert strict.get_frames_from("new-source", ["a"]) == (True, [None])


def test_the_entry_of_our_own_node_is_read_else_the_first(up: UpNode) -> None:
    post(up.url, "/cluster/createCluster", clusterName="far", nodeTag="far", replicas=1, enableMetrics=False, quorum=1)
    try:
        for tag in ("local", "far"):
            post(up.url, "/routing/createMapping", sourceId="both", nodeTag=tag)
        post(up.url, "/routing/createMapping", sourceId="only-far", nodeTag="far")
        near, far = (FrameDB({}, Env(routing_url=up.url, framedb_node_tag=tag)) for tag in ("local", "far"))
        with near, far:
            for framedb, data in ((near, b"near"), (far, b"far")):
                assert framedb.push_sync(connection_of(framedb, "both"), {"k": data})[0]
            assert near.get_frames_from("both", ["k"]) == (True, [b"near"])
            assert far.get_frames_from("both", ["k"]) == (True, [b"far"])
            assert far.push_sync(connection_of(far, "only-far"), {"k": b"x"})[0]
            assert near.get_frames_from("only-far", ["k"]) == (True, [b"x"])
    finally:
        post(up.url, "/cluster/removeCluster", clusterName="far")


def test_a_wrong_password_is_told_and_not_shown(up: UpNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEDB_WAIT", "1")
    with FrameDB({}, Env(routing_url=up.url, framedb_password="not-the-one")) as framedb:
        read, why = framedb.get_frames_from("camera-001", ["a"])
    assert not read
    assert "FRAMEDB_PASSWORD" in why
    assert "not-the-one" not in why


def test_the_socket_in_the_data_folder_is_used(up: UpNode) -> None:
    env = Env(routing_url=up.url, enable_uds_connections=True, uds_vmount=str(up.data_dir))
    with FrameDB({}, env) as framedb:
        connection = connection_of(framedb, "camera-001")
        assert connection.connection_pool.connection_kwargs["path"] == str(up.data_dir / "local.sock")
        assert framedb.push_sync(connection, {"by-socket": b"x"})[0]
    with FrameDB({}, Env(routing_url=up.url)) as other:
        assert other.get_frames_from("camera-001", ["by-socket"]) == (True, [b"x"])


def test_readers_writers_and_releases_go_on_after_the_master_has_died(up: UpNode, soak: int) -> None:
    with cluster_of_three(up, "compat-three", "hall"), FrameDB({}, Env(routing_url=up.url)) as framedb:
        for turn in range(min(soak, 10) or 1):
            until(lambda: whole(up, "compat-three"), "all three members", seconds=60)
            prefix = f"hall?0?0__{turn}"
            connection = connection_of(framedb, "hall")
            outputs = {f"{prefix}__80x60": b"x", f"ref__{prefix}": 2}
            assert framedb.push_sync(connection, outputs) == (True, "Wrote keys to FrameDB")
            time.sleep(0.5)  # replicas follow in milliseconds; a write that is not replicated may be lost
            process = process_of(up.data_dir, member_at(up.url, "compat-three", master_of(up.url, "compat-three")))
            assert process is not None
            process.kill()
            for _ in range(2):
                framedb.decr_batch_keys("hall", {f"ref__{prefix}": (1, ["80x60"])})
            assert framedb.push_sync(connection, {f"after:{turn}": b"y"}) == (True, "Wrote keys to FrameDB")
            assert framedb.get_frames_from("hall", [f"after:{turn}"]) == (True, [b"y"])
            frames = list(outputs)[:1]
            until(lambda frames=frames: framedb.get_frames_from("hall", frames) == (True, [None]), "the release")  # type: ignore[misc]
            answered, fresh = framedb._FrameDB__handle_new_connection("hall")  # type: ignore[attr-defined]
            assert answered, fresh
            assert fresh.set("direct", b"z")


def test_a_source_that_moves_is_followed_and_its_frames_stay_readable(up: UpNode) -> None:
    post(up.url, "/cluster/createClusters", clusterPrefix="compat", startIndex=0, nClusters=2, nodeTag="moving",
         replicas=1, enableMetrics=False, quorum=1)  # fmt: skip
    try:
        post(up.url, "/routing/createMapping", sourceId="yard", nodeTag="moving")
        reader, producer = (FrameDB({}, Env(routing_url=up.url)) for _ in range(2))
        with reader, producer:
            connection = connection_of(producer, "yard")
            outputs = {"yard?0?0__1__80x60": b"1", "ref__yard?0?0__1": 1}
            assert producer.push_sync(connection, outputs)[0]
            old = post(up.url, "/routing/getMapping", sourceId="yard")["framedbNodes"][0]["cluster_name"]
            new = "compat-1" if old == "compat-0" else "compat-0"
            assert reader.get_frames_from("yard", ["yard?0?0__1__80x60"]) == (True, [b"1"])
            post(up.url, "/routing/ressignSource", nodeTag="moving", sourceId="yard", framedb=new)
            assert producer.push_sync(connection, {"yard?0?0__2__80x60": b"2", "ref__yard?0?0__2": 1})[0]
            with memory(up, new) as instance:
                assert instance.redis.get("yard?0?0__2__80x60") == b"2"
            both = ["yard?0?0__1__80x60", "yard?0?0__2__80x60"]
            until(lambda: reader.get_frames_from("yard", both) == (True, [b"1", b"2"]), "the reader to see the move")
            reader.decr_batch_keys("yard", {f"ref__yard?0?0__{n}": (1, ["80x60"]) for n in (1, 2)})
            until(lambda: reader.get_frames_from("yard", both) == (True, [None, None]), "both to be released")
    finally:
        post(up.url, "/cluster/removeClusters", clusterList=["compat-0", "compat-1"])


def test_the_node_may_be_away_while_frames_are_read(tmp_path: Path) -> None:
    with node_on(tmp_path, "--no-workers", **SMALL) as node, FrameDB({}, Env(routing_url=node.url)) as framedb:
        connection = connection_of(framedb, "camera-001")
        assert framedb.push_sync(connection, {"k": b"x"})[0]
        node.kill()
        time.sleep(2.1)  # what is known of the source is old by now
        assert framedb.get_frames_from("camera-001", ["k", "gone"]) == (True, [b"x", None])
        assert framedb.push_sync(connection, {"l": b"y"})[0]


class Instance:
    """An in-memory instance, as a Redis client sees it."""

    def __init__(self, url: str) -> None:
        self.redis = open_redis(parse_redis_url(url))

    def clients(self) -> int:
        """Connections of clients, our own not counted."""
        return sum(client["name"] != "ours" for client in self.redis.client_list(_type="normal")) - 1

    def __enter__(self) -> "Instance":
        return self

    def __exit__(self, *_: object) -> None:
        close_redis(self.redis)


def url_of(up: UpNode, framedb_id: str) -> str:
    answer = http.request("GET", f"{up.url}/global/framedb/instances/{framedb_id}").json()
    return str(answer["data"]["public_url"])


def memory(up: UpNode, framedb_id: str) -> Instance:
    return Instance(url_of(up, framedb_id))


def read(up: UpNode, key: str) -> bytes:
    """The object, from the instance that routing names."""
    with closing(ObjectRoutingClient(up.url)) as objects:
        found = objects.get_object(key)[1]["data"]
    with memory(up, found["framedb_id"]) as instance:
        data = instance.redis.get(key)
    assert isinstance(data, bytes)
    return data


def connection_of(framedb: FrameDB, source: str) -> Redis:
    answered, connection = framedb._FrameDB__handle_new_connection(source)  # type: ignore[attr-defined]
    assert answered, connection
    return connection  # type: ignore[no-any-return]
