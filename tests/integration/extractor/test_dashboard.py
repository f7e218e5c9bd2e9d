"""Frames that were extracted lately, from the cache where nothing has changed."""

from datetime import timedelta

from sqlalchemy import update

from framedb.frame import utc_now
from framedb.registry import write
from framedb.registry.tables import job_frames
from tests.contracts.frame_store import until
from tests.integration.extractor.conftest import Service


def test_a_list_is_made_once_until_something_changes(service: Service, done: str) -> None:
    path = f"/dashboard/recent-frames?since_minutes=59&job_id={done}"
    first, second = service.get(path), service.get(path)
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["frames"] == second["frames"]
    assert first["total_count"] == 10
    assert (first["since_minutes"], first["job_id"]) == (59, done)
    other = service.get(f"/dashboard/recent-frames?since_minutes=58&job_id={done}")
    assert other["cached"] is False


def test_a_new_job_is_in_the_list_of_all_at_once(service: Service, done: str) -> None:
    service.get("/dashboard/recent-frames")
    assert service.get("/dashboard/recent-frames")["cached"] is True
    job_id = service.completed()
    after = service.get("/dashboard/recent-frames")
    assert after["cached"] is False
    assert {frame["job_id"] for frame in after["frames"]} >= {job_id, done}
    service.request("DELETE", f"/job/{job_id}")
    assert job_id not in {frame["job_id"] for frame in service.get("/dashboard/recent-frames")["frames"]}


def test_the_time_holds_for_a_kept_list_too(service: Service) -> None:
    job_id = service.completed(count=2)
    path = f"/dashboard/recent-frames?since_minutes=1&job_id={job_id}"
    # One was extracted almost a minute ago: soon it is no more of the last minute.
    leaving = utc_now() - timedelta(seconds=57)
    mine = job_frames.c.job_id == job_id, job_frames.c.index == 0
    write(
        service.extraction.registry,
        lambda connection: connection.execute(update(job_frames).where(*mine).values(created_at=leaving)),
    )
    service.extraction.cache.forget(job_id)
    assert service.get(path)["total_count"] == 2
    until(lambda: service.get(path)["total_count"] == 1, "the older one is left out")
    told = service.get(path)
    assert told["cached"] is True
    assert [frame["index"] for frame in told["frames"]] == [1]


def test_a_time_that_cannot_be_is_refused(service: Service) -> None:
    for minutes in ("0", "-5", "nan", "x", "1e30"):
        answer = service.get(f"/dashboard/recent-frames?since_minutes={minutes}", 422)
        assert answer["detail"][0]["loc"] == ["query", "since_minutes"]


def test_a_job_there_is_not_has_no_recent_frames(service: Service) -> None:
    told = service.get("/dashboard/recent-frames?job_id=nobody")
    assert (told["frames"], told["total_count"], told["job_id"]) == ([], 0, "nobody")
