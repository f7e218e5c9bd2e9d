"""Uploads whose service died before it made their job: they do not stay for ever."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource, uploaded
from framedb.extraction.uploads import new_upload_key
from framedb.frame import utc_now
from framedb.node.extraction import ExtractionBackends, open_extraction
from framedb.registry import write
from framedb.registry.tables import objects
from tests.integration.extractor.conftest import settings_of


@pytest.fixture
def backends(tmp_path: Path) -> Iterator[ExtractionBackends]:
    """What the service works with, which nobody has tidied yet."""
    opened = open_extraction(settings_of(tmp_path, tmp_path), tmp_path)
    yield opened
    opened.close()


def store(backends: ExtractionBackends, key: str, *, minutes: float) -> str:
    """An object that was stored so long ago."""
    backends.objects.write(key, "", "storage", [b"a video"])
    then = utc_now() - timedelta(minutes=minutes)
    aged = update(objects).where(objects.c.key == key).values(updated_at=then)
    write(backends.plane.registry, lambda connection: connection.execute(aged))
    return key


def test_an_upload_that_no_job_names_goes_after_an_hour(backends: ExtractionBackends) -> None:
    forgotten = store(backends, new_upload_key(".mp4"), minutes=61)
    under_way = store(backends, new_upload_key(".mp4"), minutes=59)
    backends.jobs.tidy()
    assert backends.objects.stat(forgotten) is None
    assert backends.objects.stat(under_way) is not None


def test_the_uploads_of_jobs_and_what_others_call_uploads_stay(backends: ExtractionBackends) -> None:
    own, shared = (store(backends, new_upload_key(".mkv"), minutes=600) for _ in range(2))
    backends.jobs.submit(uploaded(own, "holiday.mkv"), Selection(count=1))
    backends.jobs.submit(VideoSource("object", shared, shared), Selection(count=1))
    kept = [own, shared, *(store(backends, key, minutes=600) for key in ("upload:holiday.mkv", "uploads", "upload:"))]
    backends.jobs.tidy()
    assert [key for key in kept if backends.objects.stat(key) is None] == []


def test_uploads_are_found_however_many_there_are(
    backends: ExtractionBackends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framedb.extraction.uploads._PAGE", 2)
    forgotten = [store(backends, new_upload_key(".mp4"), minutes=90) for _ in range(5)]
    backends.jobs.tidy()
    assert [key for key in forgotten if backends.objects.stat(key) is not None] == []
