"""The engines that are not the embedded ones, by configuration alone; and a camera that goes away for a while."""

import json
import time
from pathlib import Path

import pytest

import framedb
from framedb.client import FrameDB
from framedb.frame import CameraKey, Frame, utc_now
from framedb.resp import Endpoint, Redis
from tests.acceptance.conftest import UpNode, node_on, until
from tests.engines.rtsp import RTSPCameraFactory
from tests.engines.valkey import PASSWORD


def test_a_node_keeps_its_registry_and_durable_frames_on_a_mysql_server(tmp_path: Path, mariadb_url: str) -> None:
    with node_on(tmp_path, TIDB_URL=mariadb_url) as node:
        assert (
            node.cli("camera", "add", "plant-a", "gate", "test://testsrc2?size=320x240", "--fps", "5").returncode == 0
        )
        with node.connect() as db:
            assert db.put("kept", b"x" * 3_000_000, durable=True)
            until(lambda: db.latest("plant-a:gate"), "a frame of the camera")
        node.kill()
        node.start()
        with node.connect() as db:
            frame = db.get("kept")
            assert frame is not None
            assert frame.nbytes == 3_000_000
        assert "plant-a:gate" in node.cli("camera", "list").stdout
        assert not (node.data_dir / "db").exists()
        password = mariadb_url.split("@")[0].rsplit(":", 1)[-1]
        assert not password or password not in node.log.read_text()


def test_a_program_works_without_a_node(valkey: Endpoint, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"redis://:{PASSWORD}@{valkey.host}:{valkey.port}"
    monkeypatch.setenv("FRAMES_REDIS_URL", url)
    with framedb.connect() as db:
        key = CameraKey("plant-a", "gate", utc_now())
        frame = Frame(str(key), b"jpeg", source=key.source, captured_at=key.captured_at)
        assert db.put(frame.key, frame)
        assert db.get(frame.key) == frame
        assert db.latest("plant-a:gate") == frame
        assert list(db.scan()) == [frame.key]
        assert db.get("nothing") is None
        assert db.delete(frame.key) == 1
        with pytest.raises(framedb.errors.InvalidInputError, match="need a node"):
            db.put("kept", b"", durable=True)
        with pytest.raises(framedb.errors.InvalidInputError, match="REDIS_URL"):
            db.queue()
    monkeypatch.setenv("REDIS_URL", url)
    with framedb.connect() as db, db.queue() as queue:
        assert queue.depth() == 0


@pytest.mark.timeout(180)
def test_a_camera_at_one_frame_per_second_is_captured_again_after_it_was_away(
    node: UpNode, db: FrameDB, start_rtsp_camera: RTSPCameraFactory
) -> None:
    device = start_rtsp_camera(fps=25, gop=25)
    assert node.cli("camera", "add", "plant-r", "gate", device.url, "--fps", "1").returncode == 0
    try:
        until(lambda: db.stats("plant-r:gate").count >= 3, "frames before", seconds=40)
        device.stop()
        time.sleep(10)  # that it is away for so long is what is tried
        before = db.stats("plant-r:gate").count
        device.start()
        until(lambda: db.stats("plant-r:gate").count >= before + 3, "frames after", seconds=60)
        (camera,) = [
            c for c in json.loads(node.cli("camera", "list", "--json").stdout) if c["source"] == "plant-r:gate"
        ]
        assert camera["health"]["reconnects"] >= 1
    finally:
        node.cli("camera", "remove", "plant-r:gate")
