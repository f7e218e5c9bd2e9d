"""The process that works on jobs, as the node's worker runs it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from framedb.config import Settings
from framedb.extraction.selection import Selection
from framedb.extraction.sources import uploaded
from framedb.node.extraction import ExtractionBackends, open_extraction
from framedb.node.node import JOB_WORKER_MODULE
from framedb.worker.celery_worker import JobRunner
from tests.integration.extraction import ffmpeg
from tests.integration.extraction.workshop import file, until


@pytest.fixture
def backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExtractionBackends]:
    """The registry, folder and objects of a data folder; settings are those of the environment, as for the process."""
    monkeypatch.setenv("DATABASE_PATH", str(tmp_path / "elsewhere.db"))
    monkeypatch.setenv("FRAMES_BASE_PATH", str(tmp_path / "pictures"))
    opened = open_extraction(Settings(), tmp_path)
    yield opened
    opened.close()


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


def processes(data_dir: Path) -> list[psutil.Process]:
    """Those that work on the jobs of a data folder."""
    wanted = [JOB_WORKER_MODULE, str(data_dir)]
    return [each for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [])[2:4] == wanted]


def test_a_process_that_is_killed_is_started_again_and_its_jobs_go_on(
    backends: ExtractionBackends, tmp_path: Path
) -> None:
    jobs = backends.jobs
    clip = ffmpeg.make(tmp_path / "clip.mp4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", seconds=20)
    with running(tmp_path) as runner:
        job_id = jobs.submit(file(clip), Selection(every=True))
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


def test_an_upload_is_an_object_that_the_process_reads_and_that_goes_with_its_job(
    backends: ExtractionBackends, tmp_path: Path
) -> None:
    clip = ffmpeg.make(tmp_path / "clip.mkv", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25")
    stored = backends.objects.set("upload:1.mkv", "", clip.read_bytes(), "storage")
    job_id = backends.jobs.submit(uploaded(stored.key, "holiday.mkv"), Selection(interval=1.0))
    with running(tmp_path):
        until(lambda: backends.jobs.get(job_id).ended, "the job to end")
        assert backends.jobs.get(job_id).processed_frames == 4
        backends.jobs.cancel(job_id)
    assert backends.objects.stat(stored.key) is None
    assert backends.frames.jobs() == []
