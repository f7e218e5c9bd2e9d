"""Cameras into a real store and onto a real queue."""

import base64
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from framedb.capture import Camera
from framedb.errors import MediaUnavailableError, NotVideoError, StaleWriterError
from framedb.frame import parse_key
from framedb.media import decode_image, image_size
from framedb.queueing.base import Bounds, FrameQueue
from framedb.queueing.streams import StreamsQueue
from framedb.resp import MasterClient, Redis
from framedb.stores.memory import Fence, MemoryStore
from framedb.stores.policy import SourcePolicy
from tests.engines.rtsp import RTSPCameraFactory
from tests.engines.valkey import running_valkey
from tests.integration.capture.conftest import StartCamera, eventually, frames_of, take_all


def test_a_file_is_captured_at_its_own_pace_and_ends(
    clip: Path, store: MemoryStore, queue: FrameQueue, start_camera: StartCamera
) -> None:
    before = datetime.now(UTC)
    camera = start_camera(Camera("lab", "file", str(clip), fps=5))
    camera.thread.join(30)
    assert camera.health.state == "finished"
    frames = frames_of(store, "lab:file")
    assert len(frames) == camera.health.frames == 10
    assert take_all(queue) == [frame.key for frame in frames]
    assert not store.unannounced(older_than=0)
    for number, frame in enumerate(frames):
        parsed = parse_key(frame.key)
        assert parsed is not None
        assert parsed.captured_at == frame.captured_at
        assert frame.pts_seconds == pytest.approx(number * 0.2, abs=0.41)
        assert (frame.encoding, frame.width, frame.height) == ("jpeg", 160, 120)
        assert decode_image(frame.data).shape == (120, 160, 3)
        assert frames[0].pts_seconds is not None
        spacing = timedelta(seconds=(frame.pts_seconds or 0) - frames[0].pts_seconds)
        assert abs(frame.captured_at - frames[0].captured_at - spacing) < timedelta(milliseconds=1)
    assert before <= frames[0].captured_at <= datetime.now(UTC)


def test_a_looped_file_goes_on_and_its_times_too(clip: Path, store: MemoryStore, start_camera: StartCamera) -> None:
    camera = start_camera(Camera("lab", "loop", str(clip), fps=5, loop=True))
    eventually(lambda: camera.health.frames >= 14)
    camera.finish()
    assert camera.health.state == "stopped"
    assert not camera.health.drops
    times = [frame.captured_at for frame in frames_of(store, "lab:loop")]
    assert times == sorted(set(times))
    assert max(b - a for a, b in pairwise(times)) <= timedelta(seconds=0.5)


def test_a_pattern_can_stand_in_for_a_camera(store: MemoryStore, start_camera: StartCamera) -> None:
    camera = start_camera(Camera("lab", "pattern", "test://testsrc2?size=64x48&rate=25", fps=10))
    eventually(lambda: camera.health.frames >= 5)
    health = camera.health
    assert health.state == "running"
    assert health.last_frame_at is not None
    assert health.fps > 0


def test_the_older_form_is_base64_text(clip: Path, store: MemoryStore, start_camera: StartCamera) -> None:
    camera = start_camera(Camera("lab", "old", str(clip), fps=2, encoding="base64-jpeg"))
    camera.thread.join(30)
    frame = frames_of(store, "lab:old")[0]
    assert frame.encoding == "base64-jpeg"
    assert image_size(base64.b64decode(bytes(frame.data), validate=True)) == (160, 120)
    assert decode_image(frame.data).shape == (120, 160, 3)


def test_a_broken_file_is_reported_once(
    tmp_path: Path, start_camera: StartCamera, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "broken.mp4").write_text("no video\n" * 100)
    broken = start_camera(Camera("lab", "broken", str(tmp_path / "broken.mp4"), loop=True))
    missing = start_camera(Camera("lab", "missing", str(tmp_path / "missing.mp4"), loop=True))
    broken.thread.join(30)
    missing.thread.join(30)
    assert isinstance(broken.failures[0], NotVideoError)
    assert isinstance(missing.failures[0], MediaUnavailableError)
    assert broken.health.state == missing.health.state == "failed"
    assert "broken.mp4" in (broken.health.last_error or "")
    assert len([record for record in caplog.records if "lab:broken" in record.getMessage()]) == 1


def test_capture_goes_on_after_the_camera_was_switched_off(
    start_rtsp_camera: RTSPCameraFactory,
    store: MemoryStore,
    queue: FrameQueue,
    start_camera: StartCamera,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    device = start_rtsp_camera(fps=25, gop=5)
    camera = start_camera(Camera("gate", "north", device.url, fps=5, open_timeout=5, read_timeout=2))
    eventually(lambda: camera.health.frames >= 8)
    device.stop()
    eventually(lambda: camera.health.state == "reconnecting")
    eventually(lambda: camera.capturing._backoff.attempts >= 3)
    announced = camera.health.frames
    device.start()
    eventually(lambda: camera.health.frames >= announced + 8)
    assert camera.health.state == "running"
    assert camera.health.reconnects == 1
    camera.finish()
    frames = frames_of(store, "gate:north")
    assert take_all(queue) == [frame.key for frame in frames]
    assert len(frames) == camera.health.frames
    times = [frame.captured_at for frame in frames]
    assert times == sorted(set(times))
    assert abs(datetime.now(UTC) - times[-1]) < timedelta(seconds=30)
    states = [record.state for record in caplog.records if hasattr(record, "state")]
    assert states == ["running", "reconnecting", "running", "stopped"]
    assert "camera-password" not in caplog.text + repr(camera.health) + repr(camera.capturing.camera)


def test_a_stream_that_falls_silent_counts_as_stalled(
    start_rtsp_camera: RTSPCameraFactory, start_camera: StartCamera
) -> None:
    device = start_rtsp_camera(fps=25, gop=5)
    camera = start_camera(Camera("gate", "south", device.url, fps=None, open_timeout=5, read_timeout=1))
    eventually(lambda: camera.health.frames >= 5)
    device.freeze()
    eventually(lambda: camera.health.stalls == 1)
    assert camera.health.state == "reconnecting"
    assert "nothing came" in (camera.health.last_error or "")
    announced = camera.health.frames
    device.stop()
    device.start()
    eventually(lambda: camera.health.frames > announced)


def test_a_camera_that_is_not_there_yet_is_waited_for(
    start_rtsp_camera: RTSPCameraFactory, start_camera: StartCamera
) -> None:
    device = start_rtsp_camera(gop=5)
    device.stop()
    camera = start_camera(Camera("gate", "east", device.url, fps=5))
    eventually(lambda: camera.health.state == "reconnecting")
    device.start()
    eventually(lambda: camera.health.state == "running")
    assert camera.health.reconnects == 0


def test_frames_the_queue_drops_are_released_and_counted(
    redis: Redis, store: MemoryStore, start_camera: StartCamera
) -> None:
    with StreamsQueue(redis, name="short", bounds=Bounds(3, "drop-oldest")) as queue:
        camera = start_camera(Camera("lab", "many", "test://testsrc2?size=64x48", fps=None), queue=queue)
        eventually(lambda: store.stats("lab:many").drops.get("queue-full", 0) >= 5)
        camera.finish()
        stats = store.stats("lab:many")
        assert stats.count == 3
        assert sorted(store.scan(source="lab:many")) == take_all(queue)
        assert stats.count + stats.drops["queue-full"] == camera.health.frames + camera.health.drops.get(
            "queue-full", 0
        )


def test_a_full_queue_makes_the_camera_wait_and_its_losses_are_counted(
    redis: Redis, store: MemoryStore, start_camera: StartCamera
) -> None:
    with StreamsQueue(redis, name="bounded", bounds=Bounds(3, "wait")) as queue:
        camera = start_camera(
            Camera("lab", "waits", "test://testsrc2?size=64x48", fps=None, max_waiting=4), queue=queue
        )
        eventually(lambda: camera.health.drops.get("queue-full", 0) >= 5)
        assert queue.depth() == 3
        assert len(take_all(queue)) == 3
        eventually(lambda: queue.depth() > 0)
        eventually(lambda: store.stats("lab:waits").drops.get("queue-full", 0) >= 5)


def test_a_full_store_makes_the_camera_wait_and_its_losses_are_counted(
    store: MemoryStore, queue: FrameQueue, start_camera: StartCamera
) -> None:
    store.set_policy("lab:full", SourcePolicy(policy="wait", max_frames=3))
    camera = start_camera(Camera("lab", "full", "test://testsrc2?size=64x48", fps=None, max_waiting=4))
    eventually(lambda: camera.health.drops.get("store-full", 0) >= 5)
    stored = frames_of(store, "lab:full")
    assert len(stored) == 3
    store.delete_many([frame.key for frame in stored])
    eventually(lambda: store.stats("lab:full").drops.get("store-full", 0) >= 5)
    eventually(lambda: camera.health.frames >= 4)


def test_while_the_queue_is_away_frames_are_stored_and_announced_when_it_is_back(
    tmp_path: Path, store: MemoryStore, start_camera: StartCamera
) -> None:
    with running_valkey(tmp_path) as control:
        queue = StreamsQueue(control, timeout=0.5)
        camera = start_camera(Camera("lab", "outage", "test://testsrc2?size=64x48", fps=10), queue=queue)
        eventually(lambda: camera.health.frames >= 2)
    announced = camera.health.frames
    eventually(lambda: store.stats("lab:outage").count >= announced + 5)
    assert camera.health.state == "running"
    assert len(store.unannounced(older_than=0)) >= 4
    with running_valkey(tmp_path, port=control.port):
        eventually(lambda: camera.health.frames >= announced + 6)
        camera.finish()
        assert not camera.health.drops
        assert not store.unannounced(older_than=0)
        assert set(take_all(queue)) <= set(store.scan(source="lab:outage"))
        queue.close()


def test_while_the_store_is_away_the_newest_frames_are_kept(
    tmp_path: Path, queue: FrameQueue, start_camera: StartCamera
) -> None:
    with running_valkey(tmp_path) as endpoint:
        store = MemoryStore(MasterClient.fixed(endpoint, timeout=0.5, wait=0.1))
        camera = start_camera(Camera("lab", "gone", "test://testsrc2?size=64x48", fps=10, max_waiting=5), store=store)
        eventually(lambda: camera.health.frames >= 2)
    eventually(lambda: camera.health.drops.get("store-unavailable", 0) >= 3)
    announced = camera.health.frames
    with running_valkey(tmp_path, port=endpoint.port):
        eventually(lambda: camera.health.frames >= announced + 6)
        eventually(lambda: store.stats("lab:gone").drops.get("store-unavailable", 0) >= 3)
        camera.finish()
        store.close()


def test_a_camera_somebody_else_captures_now_is_let_go(store: MemoryStore, start_camera: StartCamera) -> None:
    token = [1]
    camera = start_camera(
        Camera("lab", "mine", "test://testsrc2?size=64x48", fps=10), fence=lambda: Fence(token=token[0])
    )
    eventually(lambda: camera.health.frames >= 2)
    other = start_camera(Camera("lab", "mine", "test://testsrc2?size=64x48", fps=10), fence=lambda: Fence(token=2))
    camera.thread.join(20)
    assert not camera.thread.is_alive()
    assert isinstance(camera.failures[0], StaleWriterError)
    assert camera.health.state == "failed"
    eventually(lambda: other.health.frames >= 2)
    assert not other.failures
