"""The programs that the documents of earlier deployments show run as they are written."""

from contextlib import closing
from typing import Any

import pytest

from framedb_writer_client import (
    FrameDBClusterClient,
    FrameDBWriter,
    ObjectRoutingClient,
    ObjectsAPI,
    StreamRoutingClient,
)
from tests.acceptance.compat.instances import memory
from tests.acceptance.conftest import UpNode, until

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


def on_the_hosts_of(up: UpNode, code: str, grpc_address: str = "") -> str:
    for host in ("http://config-service:5000", "http://routing-service:5000"):
        code = code.replace(host, up.url)
    return code.replace("localhost:50051", grpc_address)


def read(up: UpNode, key: str) -> bytes:
    """The object, from the instance that routing names."""
    with closing(ObjectRoutingClient(up.url)) as objects:
        found = objects.get_object(key)[1]["data"]
    with memory(up, found["framedb_id"]) as instance:
        data = instance.redis.get(key)
    assert isinstance(data, bytes)
    return data
