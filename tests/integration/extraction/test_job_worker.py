"""Jobs from end to end: real videos, damaged ones and none at all, worked on, killed, restarted and cancelled."""

import subprocess
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path

import psutil
import pytest

from framedb.errors import NotFoundError
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource, uploaded
from framedb.media import decode_image
from framedb.worker.job_worker import holder_of, is_dead
from tests.integration.extraction import ffmpeg
from tests.integration.extraction.workshop import Workshop, file, until

X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "30"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds at 30 frames per second."""
    return ffmpeg.make(tmp_path_factory.mktemp("clip") / "clip.mp4", *X264, seconds=10, fps=30)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that takes a while, all its frames wanted."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return ffmpeg.make(path, *X264, "-g", "15", seconds=24, fps=25, size="480x270")


@pytest.mark.parametrize(("interval", "number"), [(1.0, 10), (5.0, 2)])
def test_a_clip_of_ten_seconds_gives_ten_frames_at_one_second_and_two_at_five(
    shop: Workshop, clip: Path, interval: float, number: int
) -> None:
    with shop.worker():
        job = shop.ended(shop.jobs.submit(file(clip), Selection(interval=interval)))

    assert (job.status, job.total_frames, job.processed_frames) == ("completed", number, number)
    assert (job.error_message, job.warning) == (None, None)
    frames = shop.jobs.frames(job.job_id)
    assert [frame.timestamp for frame in frames] == [k * interval for k in range(number)]
    for frame in frames:
        path = shop.folder.base / frame.path
        assert path.name == f"{frame.timestamp:.2f}.jpg"
        data = path.read_bytes()
        assert (len(data), sha256(data).hexdigest()) == (frame.file_size, frame.checksum)
        assert decode_image(data).shape == (frame.height, frame.width, 3)


def test_several_videos_are_worked_on_at_once_and_all_are_done(shop: Workshop, clip: Path) -> None:
    ids = [shop.jobs.submit(file(clip), Selection(interval=1.0)) for _ in range(6)]
    with shop.worker(threads=4, max_concurrent=2):
        done = [shop.ended(job_id) for job_id in ids]
    assert [job.processed_frames for job in done] == [10] * 6
    assert len(list(shop.folder.base.glob("content/*/*.jpg"))) == 10


def test_an_uploaded_video_is_read_from_its_object_and_goes_with_its_job(shop: Workshop, clip: Path) -> None:
    shop.objects["upload"] = clip.read_bytes()
    with shop.worker():
        job = shop.ended(shop.jobs.submit(uploaded("upload", "../../evil.mp4"), Selection(count=4)))
        assert (job.status, job.processed_frames, job.video_source) == ("completed", 4, "../../evil.mp4")
        shop.jobs.cancel(job.job_id)
    assert shop.objects == {}
    assert shop.files() == []


BAD = {
    "no-such.mp4": (None, "there is no such file"),
    "folder.mp4": ("folder", "is a folder"),
    "empty.mp4": (b"", "is empty"),
    "text.mp4": (b"This is not a video, whatever its name says.\n" * 50, "text.mp4"),
    "random.mp4": (bytes(range(1, 256)) * 400, "random.mp4"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_video_fails_with_what_was_wrong_with_it(shop: Workshop, tmp_path: Path, name: str) -> None:
    content, why = BAD[name]
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with shop.worker():
        job = shop.ended(shop.jobs.submit(file(path), Selection(interval=1.0)))
    assert job.status == "failed"
    assert why in str(job.error_message)
    assert str(tmp_path) not in str(job.error_message)


def test_sound_without_pictures_fails_and_says_so(shop: Workshop, tmp_path: Path) -> None:
    sound = tmp_path / "sound.mp4"
    ffmpeg.run("-f", "lavfi", "-i", "sine=duration=1", str(sound))
    with shop.worker():
        job = shop.ended(shop.jobs.submit(file(sound), Selection(interval=1.0)))
    assert job.status == "failed"
    assert "no video stream" in str(job.error_message)


def test_an_upload_that_is_a_playlist_is_not_followed(shop: Workshop) -> None:
    """FFmpeg would open what it names: files of this machine, or other machines."""
    for name, text in {
        "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "dash": b'<?xml version="1.0"?><MPD profiles="urn:mpeg:dash:profile:isoff-main:2011" type="static"></MPD>',
        "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    }.items():
        shop.objects[name] = text
    with shop.worker():
        ids = [shop.jobs.submit(uploaded(name, f"{name}.mp4"), Selection(interval=1.0)) for name in list(shop.objects)]
        done = [shop.ended(job_id) for job_id in ids]
    assert {job.status for job in done} == {"failed"}
    assert all("is a text file" in str(job.error_message) for job in done)


def test_an_interval_beyond_the_end_gives_the_first_frame_and_a_start_beyond_it_none(
    shop: Workshop, clip: Path
) -> None:
    with shop.worker():
        one = shop.ended(shop.jobs.submit(file(clip), Selection(interval=3600.0)))
        none = shop.ended(shop.jobs.submit(file(clip), Selection(interval=1.0, start=60.0)))
    assert (one.status, one.processed_frames) == ("completed", 1)
    assert none.status == "failed"
    assert "beyond the end" in str(none.error_message)


def test_what_can_be_read_of_a_truncated_video_is_kept_and_the_rest_is_told(shop: Workshop, tmp_path: Path) -> None:
    whole = ffmpeg.make(tmp_path / "whole.mp4", *X264, "-movflags", "+faststart", seconds=8)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    with shop.worker():
        job = shop.ended(shop.jobs.submit(file(cut), Selection(interval=1.0)))
    assert job.status == "completed"
    assert 3 <= job.processed_frames < 8
    assert "cut off" in str(job.warning)


def test_damage_of_an_mpeg_ts_is_told_and_so_are_the_frames_it_spoilt(shop: Workshop, tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / "clip.ts", *X264, "-bf", "2", seconds=4)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 188 // 2 * 188
    data[middle : middle + 188 * 12] = bytes(188 * 12)
    clip.write_bytes(data)
    with shop.worker():
        job = shop.ended(shop.jobs.submit(file(clip), Selection(every=True)))
    assert (job.status, job.processed_frames) == ("completed", 100)
    assert "the video is damaged in 1 place, first at " in str(job.warning)
    assert "came out damaged" in str(job.warning)


def test_pictures_that_come_out_damaged_are_told_where_the_file_itself_is_in_order(
    shop: Workshop, tmp_path: Path
) -> None:
    clip = ffmpeg.make(tmp_path / "clip.mkv", *X264, "-bf", "2", seconds=2)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    clip.write_bytes(data)
    with shop.worker():
        whole = shop.ended(shop.jobs.submit(file(clip), Selection(times=(0.0,))))
        spoilt = shop.ended(shop.jobs.submit(file(clip), Selection(every=True)))
    assert (whole.status, whole.warning) == ("completed", None)
    assert spoilt.status == "completed"
    assert "damaged" in str(spoilt.warning) or "not be decoded" in str(spoilt.warning)


def test_a_search_for_scenes_is_cancelled_and_given_back_in_the_middle(shop: Workshop, tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / "long.mp4", *X264, seconds=20, size="640x360")
    options = ["-stream_loop", "19", "-i", str(clip), "-c", "copy"]
    ffmpeg.run(*options, str(tmp_path / "longer.mp4"))
    scenes = Selection(scenes=0.3)
    with shop.worker(threads=1):
        job_id = shop.jobs.submit(file(tmp_path / "longer.mp4"), scenes)
        until(lambda: shop.jobs.get(job_id).status == "processing", "the search")
        shop.jobs.cancel(job_id)
        following = shop.jobs.submit(file(clip), Selection(count=2))  # by the only thread there is
        until(lambda: shop.jobs.get(following).ended, "the next one to be done", seconds=8.0)
        left = shop.jobs.submit(file(tmp_path / "longer.mp4"), scenes)
        until(lambda: shop.jobs.get(left).status == "processing", "the search")
    assert shop.jobs.get(left).status == "processing"
    assert shop.jobs.get(left).error_message is None


def test_frames_and_the_true_total_are_seen_while_the_work_goes_on(shop: Workshop, long_clip: Path) -> None:
    with shop.worker(threads=1):
        job_id = shop.jobs.submit(file(long_clip), Selection(every=True))
        until(lambda: shop.jobs.get(job_id).processed_frames, "the first frames")
        job = shop.jobs.get(job_id)
        assert job.status == "processing"
        assert job.total_frames == 600 > job.processed_frames
        first = shop.jobs.frames(job_id)[0]
        assert shop.folder.read(first.checksum) is not None
        shop.jobs.cancel(job_id)


@pytest.mark.parametrize("after", [0, 1, 40])
def test_cancelling_stops_the_work_at_once_and_leaves_nothing(shop: Workshop, long_clip: Path, after: int) -> None:
    with shop.worker() as worker:
        job_id = shop.jobs.submit(file(long_clip), Selection(every=True))
        worker.wake()
        until(lambda: shop.jobs.get(job_id).processed_frames >= after, f"{after} frames")
        shop.jobs.cancel(job_id)

        assert shop.files() == []
        assert not shop.jobs.exists(job_id)
        following = shop.ended(
            shop.jobs.submit(file(long_clip), Selection(count=2))
        )  # nobody works on the other any more
        assert following.processed_frames == 2
        assert not (shop.folder.base / job_id).exists()
    with pytest.raises(NotFoundError):
        shop.jobs.get(job_id)


def test_a_worker_that_is_stopped_gives_back_what_it_has_and_another_goes_on(shop: Workshop, long_clip: Path) -> None:
    job_id = shop.jobs.submit(file(long_clip), Selection(fps=5))
    with shop.worker(threads=1):
        until(lambda: shop.jobs.get(job_id).processed_frames, "the first frames")
    assert shop.jobs.get(job_id).status == "processing"
    with shop.worker():
        job = shop.ended(job_id)
    assert (job.status, job.processed_frames, job.warning) == ("completed", 120, None)


def came_forward(shop: Workshop, job_id: str, before: int) -> bool:
    """Whether the job has more frames than before, or all."""
    job = shop.jobs.get(job_id)
    return job.processed_frames > before or job.ended


def test_workers_killed_in_the_middle_cost_time_and_no_frames(shop: Workshop, long_clip: Path, soak: int) -> None:
    job_id = shop.jobs.submit(file(long_clip), Selection(every=True))
    command = [
        sys.executable,
        "-m",
        "tests.integration.extraction.job_worker_program",
        str(shop.engine.url),
        str(shop.folder.base),
    ]
    for _ in range(soak or 2):
        before = shop.jobs.get(job_id).processed_frames
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                until(partial(came_forward, shop, job_id, before), "a few more frames")
            finally:
                process.kill()
        if shop.jobs.get(job_id).ended:
            break
    with shop.worker():
        job = shop.ended(job_id)

    assert (job.status, job.processed_frames, job.total_frames, job.warning) == ("completed", 600, 600, None)
    frames = shop.jobs.frames(job_id)
    assert [frame.index for frame in frames] == list(range(600))
    assert len(list((shop.folder.base / job_id).glob("*.jpg"))) == 600
    assert all((shop.folder.base / frame.path).stat().st_size == frame.file_size for frame in frames)


def test_a_store_that_fails_in_between_is_tried_again(
    shop: Workshop, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framedb.extraction.work._PAUSE", 0.1)
    blocked = shop.folder.base
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("a file where the folder should be")
    with shop.worker() as worker:
        job_id = shop.jobs.submit(file(clip), Selection(interval=5.0))
        until(lambda: shop.jobs.get(job_id).total_frames, "the plan")
        blocked.unlink()
        worker.wake()
        job = shop.ended(job_id)
    assert (job.status, job.processed_frames) == ("completed", 2)


def test_the_dead_are_told_from_the_living() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    name = holder_of(process.pid)
    assert not is_dead(name)
    process.communicate()
    assert is_dead(name)
    assert is_dead(name.rpartition(":")[0] + ":1.00")
    assert not is_dead("another-machine:1:2.00")
    assert not is_dead("no holder of ours")


def test_one_that_nobody_has_waited_for_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        name = holder_of(process.pid)
        process.kill()
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "it is a zombie")
        assert is_dead(name)


def test_a_file_that_was_replaced_by_a_link_after_it_was_submitted_is_not_read(
    shop: Workshop, clip: Path, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed.mp4"
    allowed.write_bytes(b"x")
    source = file(allowed)
    allowed.unlink()
    allowed.symlink_to(clip)
    with shop.worker():
        job = shop.ended(shop.jobs.submit(source, Selection(interval=1.0)))
    assert job.status == "failed"
    assert "submit it again" in str(job.error_message)


def test_a_test_pattern_is_a_video_too(shop: Workshop) -> None:
    pattern = "test://testsrc2?duration=3"
    with shop.worker():
        job = shop.ended(shop.jobs.submit(VideoSource("pattern", pattern, pattern), Selection(interval=1.0)))
    assert (job.status, job.processed_frames) == ("completed", 3)
