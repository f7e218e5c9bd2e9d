"""The process that works on jobs, as the node's worker runs it, and the service it belongs to."""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from framedb.config import Settings
from framedb.extraction.jobs import Jobs
from framedb.extraction.local import LocalExtraction
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource, uploaded
from framedb.node.extraction import ExtractionBackends, open_extraction
from framedb.node.node import JOB_WORKER_MODULE
from framedb.worker.celery_worker import JobRunner
from tests.engines import free_port
from tests.integration.extraction import ffmpeg
from tests.integration.extraction.servers import web_server
from tests.integration.extraction.workshop import file, until

X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25"]
EVERY = Selection(every=True)


@pytest.fixture
def backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExtractionBackends]:
    """The registry, folder and objects of a data folder; settings are those of the environment, as for the process."""
    monkeypatch.setenv("DATABASE_PATH", str(tmp_path / "elsewhere.db"))
    monkeypatch.setenv("FRAMES_BASE_PATH", str(tmp_path / "pictures"))
    opened = open_extraction(Settings(), tmp_path)
    yield opened
    opened.close()


@contextmanager
def serving(data_dir: Path) -> Iterator[None]:
    """The extraction service with its worker, as an operator runs it, until both are killed in the middle of their work."""
    command = [sys.executable, "-m", "framedb", "serve", "extractor", "--port", "0", "--data-dir", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL):
        try:
            yield
        finally:
            while left := on(data_dir):
                for process in random.sample(left, len(left)):
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs(left)


@contextmanager
def running(data_dir: Path) -> Iterator[JobRunner]:
    """A runner, and its process."""
    runner, stop = JobRunner(data_dir), threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    try:
        yield runner
    finally:
        stop.set()
        runner.wake()
        thread.join()


def on(data_dir: Path) -> list[psutil.Process]:
    """Everything that runs on a data folder."""
    return [each for each in psutil.process_iter(["cmdline"]) if str(data_dir) in (each.info["cmdline"] or [])]


def processes(data_dir: Path) -> list[psutil.Process]:
    """Those that work on the jobs of a data folder."""
    wanted = [JOB_WORKER_MODULE, str(data_dir)]
    return [each for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [])[2:4] == wanted]


def test_a_process_that_is_killed_is_started_again_and_its_jobs_go_on(
    backends: ExtractionBackends, tmp_path: Path
) -> None:
    jobs = backends.jobs
    clip = ffmpeg.make(tmp_path / "clip.mp4", *X264, seconds=20)
    with running(tmp_path) as runner:
        job_id = jobs.submit(file(clip), EVERY)
        runner.wake()
        until(lambda: jobs.get(job_id).processed_frames, "the first frames")
        (first,) = processes(tmp_path)
        first.kill()
        until(lambda: jobs.get(job_id).ended, "the job to end")
        assert [each.pid for each in processes(tmp_path)] != [first.pid]
    job = jobs.get(job_id)
    assert (job.status, job.processed_frames, job.warning) == ("completed", 500, None)
    assert processes(tmp_path) == []
    assert (tmp_path / "elsewhere.db").exists()
    assert len(list((tmp_path / "pictures" / job_id).iterdir())) == 500
    assert not (tmp_path / "db").exists()


@pytest.mark.timeout(300)  # ten seconds of work, which a busy machine stretches
def test_a_service_killed_again_and_again_completes_its_job_with_each_frame_once(
    backends: ExtractionBackends, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soak: int
) -> None:
    kills = min(soak, 10) or 2
    for name, value in {"VIDEO_HOSTS": "127.0.0.1", "ALLOW_PRIVATE_HOSTS": "1", "REDIS_PORT": str(free_port())}.items():
        monkeypatch.setenv(name, value)
    clip = ffmpeg.make(tmp_path / "clip.mp4", *X264, seconds=24, size="480x270")
    with web_server() as web:
        web.files["/clip.mp4"] = clip.read_bytes()
        web.falls_silent_after = 0
        job_id = backends.jobs.submit(VideoSource("url", f"{web.url}/clip.mp4", "clip.mp4"), EVERY)
        with serving(tmp_path):
            until(lambda: web.asked, "the plan to be made")
        web.falls_silent_after = None
        assert backends.jobs.get(job_id).total_frames is None
        for kill in range(1, kills):
            moment = random.uniform(kill - 1, kill) / kills * 450  # of 600: at the last one there is still enough to do
            with serving(tmp_path):
                until(partial(has_frames, backends.jobs, job_id, moment), f"{moment:.0f} frames")
            assert backends.jobs.get(job_id).status == "processing"
        with serving(tmp_path):
            until(lambda: backends.jobs.get(job_id).ended, "the job to end")

    job, frames = backends.jobs.get(job_id), backends.jobs.frames(job_id)
    assert (job.status, job.processed_frames, job.total_frames, job.warning) == ("completed", 600, 600, None)
    assert [frame.index for frame in frames] == list(range(600))
    whole = LocalExtraction(str(clip), EVERY, tmp_path / "whole")
    alone = {frame.index: frame.path for frame in whole.run()}
    folder = tmp_path / "pictures"
    for frame in frames:
        assert (folder / frame.path).name == alone[frame.index].name
        assert (folder / frame.path).read_bytes() == alone[frame.index].read_bytes()
    assert len(list((folder / job_id).glob("*.jpg"))) == 600
    assert {each.stem for each in folder.glob("content/*/*.jpg")} == {frame.checksum for frame in frames}


def has_frames(jobs: Jobs, job_id: str, number: float) -> bool:
    """Whether so many are there."""
    return jobs.get(job_id).processed_frames >= number


def test_an_upload_is_an_object_that_the_process_reads_and_that_goes_with_its_job(
    backends: ExtractionBackends, tmp_path: Path
) -> None:
    clip = ffmpeg.make(tmp_path / "clip.mkv", *X264)
    stored = backends.objects.set("upload:1.mkv", "", clip.read_bytes(), "storage")
    job_id = backends.jobs.submit(uploaded(stored.key, "holiday.mkv"), Selection(interval=1.0))
    with running(tmp_path):
        until(lambda: backends.jobs.get(job_id).ended, "the job to end")
        assert backends.jobs.get(job_id).processed_frames == 4
        backends.jobs.cancel(job_id)
    assert backends.objects.stat(stored.key) is None
    assert backends.frames.jobs() == []
