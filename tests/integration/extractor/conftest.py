"""The extraction service over one real registry, folder of frames and worker, and videos that FFmpeg made."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from framedb.config import Settings
from framedb.extraction.relay import Relay
from framedb.node.extraction import ExtractionBackends, open_extraction
from framedb.resp import Endpoint
from framedb.server.extractor.app import create_extractor_app
from framedb.server.extractor.cache_opening import open_cache
from framedb.server.extractor.parts import Extraction
from framedb.worker.job_worker import JobWorker, job_worker, objects_of
from tests.contracts.frame_store import until
from tests.engines import free_port
from tests.integration.extraction.ffmpeg import make, run
from tests.live import Live, live

LONG = "long.mp4"
"""A video of 360 frames, which take a worker some seconds."""


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos, and of what is none: `clip.mp4` has 10 s at 30 frames a second."""
    folder = tmp_path_factory.mktemp("videos")
    make(folder / "clip.mp4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "60", seconds=10.0, fps=30)
    make(folder / LONG, "-c:v", "libx264", "-preset", "ultrafast", seconds=12.0, fps=30, size="320x180")
    run("-f", "lavfi", "-i", "sine=duration=1", str(folder / "sound.mp4"))
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "empty.mp4").touch()
    return folder


class Service:
    """An extraction service: served, with a worker beside it."""

    def __init__(self, served: Live, extraction: Extraction) -> None:
        self.served = served
        self.extraction = extraction
        self.request = served.request
        self.url = served.url

    def get(self, path: str, status: int = 200) -> Any:
        """The JSON of an answer with that status."""
        answer = self.request("GET", path)
        assert answer.status == status, answer.data
        return answer.json()

    def submit(self, video_source: str = "clip.mp4", **more: Any) -> str:
        """The id of a new job."""
        answer = self.request("POST", "/video-job", {"video_source": video_source, **more})
        assert answer.status == 200, answer.data
        told = answer.json()
        assert told == {"job_id": told["job_id"], "status": "pending", "message": "Job submitted successfully"}
        return str(told["job_id"])

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job, when it has."""
        until(lambda: self.status(job_id)["status"] not in ("pending", "processing"), "the job ends", seconds=60)
        return self.status(job_id)

    def completed(self, video_source: str = "clip.mp4", **more: Any) -> str:
        """The id of a job that was done."""
        job_id = self.submit(video_source, **more)
        job = self.ended(job_id)
        assert job["status"] == "completed", job
        return job_id

    def status(self, job_id: str) -> dict[str, Any]:
        """The job as it stands."""
        found: dict[str, Any] = self.get(f"/job-status/{job_id}")
        return found


def settings_of(folder: Path, videos: Path, **more: Any) -> Settings:
    """Settings that this machine's own do not reach."""
    given: dict[str, Any] = {
        "video_roots": str(videos),
        "redis_host": "127.0.0.1",
        "redis_port": free_port(),  # where there is none
        "redis_url": None,
        "tidb_url": None,
        "token": None,
        **more,
    }
    return Settings(_env_file=None, **given)  # type: ignore[call-arg]


@contextmanager
def service_of(
    settings: Settings, folder: Path, *, worker: bool = True, control: Endpoint | None = None
) -> Iterator[Service]:
    """A service in the folder, whose cache is on `control`."""
    backends = open_extraction(settings, folder)
    cache = open_cache(settings, control)
    try:
        with Relay(objects_of(backends), hosts=settings.video_host_names, allow_private=True) as relay:
            working = _worker(backends, settings, relay) if worker else None
            extraction = Extraction(
                settings=settings,
                registry=backends.plane.registry,
                jobs=backends.jobs,
                frames=backends.frames,
                objects=backends.objects,
                cache=cache,
                wake=working.wake if working else lambda: None,
            )
            try:
                with live(create_extractor_app(extraction, token=None)) as served:
                    yield Service(served, extraction)
            finally:
                if working is not None:
                    working.stop()
    finally:
        cache.close()
        backends.close()


def _worker(backends: ExtractionBackends, settings: Settings, relay: Relay) -> JobWorker:
    worker = job_worker(backends, settings, relay)
    worker.start()
    return worker


@pytest.fixture(scope="package")
def service(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service, without Redis."""
    folder = tmp_path_factory.mktemp("runtime")
    with service_of(settings_of(folder, videos, max_upload_bytes=4 * 2**20), folder) as service:
        yield service


@pytest.fixture(scope="package")
def done(service: Service) -> str:
    """A job of ten frames that was done: nobody removes it."""
    return service.completed(interval=1.0)


@pytest.fixture(scope="package")
def idle(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that nobody works for: what is submitted waits."""
    folder = tmp_path_factory.mktemp("idle")
    with service_of(settings_of(folder, videos), folder, worker=False) as service:
        yield service


@pytest.fixture
def folder(tmp_path: Path, videos: Path) -> Path:
    """A working folder with a video, as the specification has it."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "my-awesome-video.mp4").write_bytes((videos / "clip.mp4").read_bytes())
    return tmp_path
