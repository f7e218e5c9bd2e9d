"""Jobs over RTSP: streams from real servers that come at their own pace, and nobody knows beforehand when they end."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from framedb.errors import InvalidInputError
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource, resolve
from framedb.media import open_video
from tests.engines import free_port
from tests.engines.rtsp import RTSPCamera, RTSPCameraFactory
from tests.integration.extraction import ffmpeg
from tests.integration.extraction.workshop import Workshop, file, until

FIFTHS = Selection(interval=0.2)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seconds of H.264 with B-frames."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return ffmpeg.make(path, "-c:v", "libx264", "-preset", "veryfast", "-g", "15", "-bf", "2", seconds=2.4)


@pytest.fixture
def camera(start_rtsp_camera: RTSPCameraFactory) -> RTSPCamera:
    """One that sends for as long as it is on."""
    return start_rtsp_camera(fps=25, gop=10)


def at(url: str) -> VideoSource:
    """A stream, as it is submitted."""
    return resolve(url, roots=[], hosts=["127.0.0.1"], allow_private=True)


def times(shop: Workshop, job_id: str) -> list[float]:
    """When the frames of a job are shown; each index is there once."""
    frames = shop.jobs.frames(job_id)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert len({frame.path for frame in frames}) == len(frames)
    return [frame.timestamp for frame in frames]


@pytest.mark.parametrize(
    ("selection", "total"),
    [(Selection(interval=0.7), 4), (Selection(times=(0.5, 1.5, 99.0)), 2), (Selection(fps=2, start=0.5, stop=1.5), 2)],
)
def test_a_recording_over_rtsp_gives_the_frames_of_its_file_and_its_true_total(
    shop: Workshop, clip: Path, start_rtsp_camera: RTSPCameraFactory, selection: Selection, total: int
) -> None:
    recording = start_rtsp_camera(recording=clip)
    with shop.worker():
        job_id = shop.jobs.submit(at(recording.url), selection)
        until(lambda: shop.jobs.get(job_id).total_frames == total, "the total")
        assert not shop.jobs.get(job_id).ended
        job = shop.ended(job_id)
        of_file = Selection(times=(0.5, 1.5)) if selection.times else selection
        same = shop.ended(shop.jobs.submit(file(clip), of_file))
    assert (job.status, job.total_frames, job.processed_frames, job.warning) == ("completed", total, total, None)
    streamed, stored = shop.jobs.frames(job_id), shop.jobs.frames(same.job_id)
    assert [(f.timestamp, f.checksum) for f in streamed] == [(f.timestamp, f.checksum) for f in stored]


@pytest.mark.parametrize("selection", [Selection(every=True), Selection(keyframes=True)])
def test_every_frame_and_keyframes_can_be_chosen_of_a_stream(
    shop: Workshop, clip: Path, start_rtsp_camera: RTSPCameraFactory, selection: Selection
) -> None:
    recording = start_rtsp_camera(recording=clip)
    with shop.worker():
        job = shop.ended(shop.jobs.submit(at(recording.url), selection))
        same = shop.ended(shop.jobs.submit(file(clip), selection))
    assert (job.status, job.total_frames, job.warning) == ("completed", same.total_frames, None)
    streamed, stored = shop.jobs.frames(job.job_id), shop.jobs.frames(same.job_id)
    assert [f.checksum for f in streamed] == [f.checksum for f in stored]
    assert times(shop, job.job_id) == pytest.approx([f.timestamp for f in stored], abs=1e-4)


def test_frames_of_a_camera_are_there_as_they_come_until_it_is_switched_off(shop: Workshop, camera: RTSPCamera) -> None:
    with shop.worker():
        job_id = shop.jobs.submit(at(camera.url), FIFTHS)
        until(lambda: shop.jobs.get(job_id).processed_frames >= 5, "frames")
        job = shop.jobs.get(job_id)
        assert (job.status, job.total_frames) == ("processing", None)
        assert "camera-password" not in job.video_source
        camera.stop()
        job = shop.ended(job_id)
    assert job.status == "completed"
    assert job.total_frames == job.processed_frames >= 5
    assert times(shop, job_id) == pytest.approx([0.2 * k for k in range(job.processed_frames)])


def test_a_part_of_a_camera_ends_by_itself(shop: Workshop, camera: RTSPCamera) -> None:
    with shop.worker():
        job = shop.ended(shop.jobs.submit(at(camera.url), Selection(interval=0.2, start=0.4, stop=1.2)))
    assert (job.status, job.total_frames, job.processed_frames, job.warning) == ("completed", 4, 4, None)
    assert times(shop, job.job_id) == pytest.approx([0.4, 0.6, 0.8, 1.0])


def test_a_stream_keeps_no_other_job_waiting(shop: Workshop, camera: RTSPCamera, clip: Path) -> None:
    with shop.worker(threads=1):
        stream = shop.jobs.submit(at(camera.url), FIFTHS)
        until(lambda: shop.jobs.get(stream).processed_frames, "frames")
        assert shop.ended(shop.jobs.submit(file(clip), Selection(count=4))).processed_frames == 4
        assert shop.jobs.get(stream).status == "processing"
        shop.jobs.cancel(stream)


@pytest.mark.parametrize("silent", [False, True])
def test_a_stream_that_is_cancelled_is_let_go_of_even_while_nothing_comes(
    shop: Workshop, camera: RTSPCamera, silent: bool
) -> None:
    with shop.worker():
        job_id = shop.jobs.submit(at(camera.url), FIFTHS)
        until(lambda: shop.jobs.get(job_id).processed_frames, "frames")
        if silent:
            camera.freeze()
        shop.jobs.cancel(job_id)
        until(lambda: not followers(), "the stream to be let go of", seconds=3.0)
    assert not shop.jobs.exists(job_id)
    assert shop.files() == []


def test_a_worker_that_is_stopped_lets_go_of_a_silent_stream_and_another_goes_on(
    shop: Workshop, camera: RTSPCamera
) -> None:
    with shop.worker():
        job_id = shop.jobs.submit(at(camera.url), FIFTHS)
        until(lambda: shop.jobs.get(job_id).processed_frames, "frames")
    assert followers() == []
    before = shop.jobs.get(job_id)
    assert before.status == "processing"
    with shop.worker():
        until(lambda: shop.jobs.get(job_id).processed_frames > before.processed_frames + 3, "more frames")
        camera.stop()
        job = shop.ended(job_id)
    assert job.status == "completed"
    on_the_grid = [round(time / 0.2) for time in times(shop, job_id)]
    assert on_the_grid == sorted(set(on_the_grid))
    assert times(shop, job_id) == pytest.approx([0.2 * number for number in on_the_grid])


def test_a_worker_that_is_killed_costs_what_came_meanwhile_and_no_index_twice(
    shop: Workshop, camera: RTSPCamera
) -> None:
    job_id = shop.jobs.submit(at(camera.url), FIFTHS)
    program = [sys.executable, "-m", "tests.integration.extraction.job_worker_program"]
    with subprocess.Popen(
        [*program, str(shop.engine.url), str(shop.folder.base)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            until(lambda: shop.jobs.get(job_id).processed_frames >= 3, "frames")
        finally:
            process.kill()
    before = len(times(shop, job_id))
    with shop.worker():
        until(lambda: shop.jobs.get(job_id).processed_frames > before + 3, "more frames")
        camera.stop()
        job = shop.ended(job_id)
    assert (job.status, job.total_frames) == ("completed", job.processed_frames)
    assert "nobody looked at the stream between" in str(job.warning)
    assert times(shop, job_id) == sorted(times(shop, job_id))
    assert times(shop, job_id)[before] > times(shop, job_id)[before - 1] + 0.3


def test_a_recording_goes_on_where_a_worker_stopped_and_nothing_of_it_is_lost(
    shop: Workshop, clip: Path, start_rtsp_camera: RTSPCameraFactory
) -> None:
    recording = start_rtsp_camera(recording=clip)
    with shop.worker():
        job_id = shop.jobs.submit(at(recording.url), FIFTHS)
        until(lambda: shop.jobs.get(job_id).processed_frames >= 3, "frames")
    with shop.worker():
        job = shop.ended(job_id)
    assert (job.status, job.processed_frames, job.total_frames, job.warning) == ("completed", 12, 12, None)
    assert times(shop, job_id) == pytest.approx([0.2 * k for k in range(12)])


def test_a_camera_that_falls_silent_ends_its_job_and_is_named_as_it_was_submitted(
    shop: Workshop, camera: RTSPCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framedb.extraction.live.open_video", partial(open_video, read_timeout=1.0))
    with shop.worker():
        job_id = shop.jobs.submit(at(camera.url), FIFTHS)
        until(lambda: shop.jobs.get(job_id).processed_frames >= 3, "frames")
        camera.freeze()
        job = shop.ended(job_id)
    assert (job.status, job.total_frames) == ("completed", job.processed_frames)
    assert str(job.warning).startswith(f"the stream broke off: {job.video_source}: nothing came within 1 s")


def test_a_recording_that_breaks_off_keeps_what_came_and_says_so(
    shop: Workshop, clip: Path, tmp_path: Path, start_rtsp_camera: RTSPCameraFactory
) -> None:
    ffmpeg.run("-stream_loop", "9", "-i", str(clip), "-c", "copy", str(tmp_path / "long.mp4"))
    recording = start_rtsp_camera(recording=tmp_path / "long.mp4")
    with shop.worker():
        job_id = shop.jobs.submit(at(recording.url), FIFTHS)
        until(lambda: shop.jobs.get(job_id).processed_frames >= 3, "frames")
        recording.stop()
        job = shop.ended(job_id)
    assert (job.status, job.total_frames) == ("completed", 120)
    assert 3 <= job.processed_frames < 120
    assert "broke off" in str(job.warning) or "ended after" in str(job.warning)


@pytest.mark.parametrize("selection", [Selection(count=5), Selection(scenes=0.3)])
def test_what_takes_all_of_a_video_is_refused_of_a_stream_when_it_is_submitted(
    shop: Workshop, selection: Selection
) -> None:
    with pytest.raises(InvalidInputError, match="choose interval, fps, every, keyframes or times"):
        shop.jobs.submit(at("rtsp://127.0.0.1/camera"), selection)
    assert shop.jobs.list() == []


def test_a_stream_that_cannot_be_opened_fails_its_job_with_the_reason(shop: Workshop, camera: RTSPCamera) -> None:
    nobody = f"rtsp://me:hunter2@127.0.0.1:{free_port()}/camera"
    elsewhere = camera.url.replace("/camera", "/elsewhere")
    with shop.worker():
        refused = shop.ended(shop.jobs.submit(at(nobody), FIFTHS))
        not_there = shop.ended(shop.jobs.submit(at(elsewhere), FIFTHS))
    assert (refused.status, not_there.status) == ("failed", "failed")
    assert "does not answer: Connection refused" in str(refused.error_message)
    assert "no such stream" in str(not_there.error_message)
    assert f":{camera.port}/elsewhere" in str(not_there.error_message)
    assert "hunter2" not in str(refused.error_message)


def test_a_stream_that_ends_before_what_is_wanted_of_it_fails_its_job_and_says_so(
    shop: Workshop, camera: RTSPCamera
) -> None:
    with shop.worker():
        job_id = shop.jobs.submit(at(camera.url), Selection(interval=1.0, start=600.0))
        until(followers, "the stream to be followed")
        camera.stop()
        job = shop.ended(job_id)
    assert job.status == "failed"
    assert job.processed_frames == 0


def test_a_server_of_streams_cannot_send_us_to_another_one(shop: Workshop, camera: RTSPCamera) -> None:
    with redirecting(camera.url.replace("viewer:camera-password@", "")) as url, shop.worker():
        job = shop.ended(shop.jobs.submit(at(url), FIFTHS))
    assert job.status == "failed"
    assert "sends us elsewhere" in str(job.error_message)


def followers() -> list[threading.Thread]:
    """Threads that follow streams."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("stream-")]


@contextmanager
def redirecting(target: str) -> Iterator[str]:
    """The URL of an RTSP server that has moved, as it says to everyone who asks for a stream."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                with connection:
                    while request := connection.recv(4096):
                        number = request.partition(b"CSeq: ")[2].partition(b"\r\n")[0].decode()
                        moved = f"RTSP/1.0 302 Moved\r\nCSeq: {number}\r\nLocation: {target}\r\n\r\n"
                        asks = request.startswith(b"OPTIONS")
                        answer = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nPublic: DESCRIBE\r\n\r\n" if asks else moved
                        connection.sendall(answer.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/camera"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()
