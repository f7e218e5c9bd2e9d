"""Machines that share nothing but a database: a worker on one of them, a service on another."""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import func, select

from framedb.extraction.relay import Relay
from framedb.node.extraction import ExtractionBackends, open_extraction
from framedb.registry import reading
from framedb.registry.tables import job_frames, jobs
from framedb.worker.job_worker import job_worker, objects_of
from tests.integration.extractor.conftest import Service, service_of, settings_of


@pytest.fixture
def worker(videos: Path, mariadb_url: str, tmp_path: Path) -> Iterator[ExtractionBackends]:
    """A machine that works on jobs."""
    settings = settings_of(tmp_path / "a", videos, tidb_url=mariadb_url)
    backends = open_extraction(settings, tmp_path / "a")
    try:
        with Relay(objects_of(backends), hosts=[], allow_private=True) as relay:
            working = job_worker(backends, settings, relay)
            working.start()
            try:
                yield backends
            finally:
                working.stop()
    finally:
        backends.close()


@pytest.fixture
def service(videos: Path, mariadb_url: str, tmp_path: Path) -> Iterator[Service]:
    """A machine that serves, and works on none."""
    with service_of(settings_of(tmp_path / "b", videos, tidb_url=mariadb_url), tmp_path / "b", worker=False) as service:
        yield service


def files(base: Path) -> list[Path]:
    """Every file of a folder of frames, locks aside."""
    return [each for each in base.rglob("*") if each.is_file() and not each.name.startswith(".")]


def test_frames_extracted_on_one_machine_are_shown_and_removed_on_another(
    worker: ExtractionBackends, service: Service
) -> None:
    job_id = service.completed(interval=1.0)
    here, there = worker.frames.base, service.extraction.frames.base
    assert here != there
    extracted = {each.name: each.read_bytes() for each in (here / job_id).iterdir()}
    frames = service.get(f"/frames/{job_id}")["frames"]
    assert [Path(frame["frame_path"]).name for frame in frames] == sorted(extracted)
    assert len(frames) == 10
    assert files(there) == []

    assert service.request("GET", frames[3]["url"]).data == extracted["3.00.jpg"]
    assert Path(frames[3]["frame_path"]).read_bytes() == extracted["3.00.jpg"]
    assert service.request("GET", f"/frames/{job_id}/4.jpg?width=64").status == 200
    assert service.request("GET", f"/frames/{job_id}/sheet.jpg").status == 200
    with zipfile.ZipFile(BytesIO(service.request("GET", f"/frames/{job_id}/frames.zip").data)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == extracted
    assert {each.name: each.read_bytes() for each in (there / job_id).iterdir()} == extracted

    store = worker.plane.instances.store("local")
    assert set(store.scan()) == {f"job-frame:{frame['checksum']}" for frame in frames}
    assert service.request("DELETE", f"/job/{job_id}").status == 200

    assert list(store.scan()) == []
    assert files(there) == []
    with reading(worker.plane.registry) as connection:
        for table in (jobs, job_frames):
            assert connection.scalar(select(func.count()).select_from(table)) == 0
    worker.jobs.tidy()
    assert not (here / job_id).exists()
    assert files(here) == list((here / "content").glob("*/*.jpg"))  # which a sweep removes after an hour
