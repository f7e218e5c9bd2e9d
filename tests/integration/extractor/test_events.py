"""Progress as server-sent events."""

import json
from collections.abc import Iterator
from typing import Any

import urllib3

from tests.integration.extractor.conftest import LONG, Service


def events(service: Service, job_id: str) -> Iterator[tuple[str, Any]]:
    """The events of a job until its end."""
    pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=30))
    with pool:
        answer = pool.request("GET", f"{service.url}/jobs/{job_id}/events", preload_content=False)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        name = ""
        for line in (line for chunk in _lines(answer) for line in [chunk]):
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
        answer.close()


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[str]:
    rest = b""
    for chunk in answer.stream(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode() for line in lines)


def test_a_job_is_followed_to_its_end(service: Service) -> None:
    job_id = service.submit(LONG, count=20)
    told = list(events(service, job_id))
    stages = [data for name, data in told if name == "job"]
    done = [stage["processed_frames"] for stage in stages]
    assert done == sorted(done)
    assert (stages[-1]["status"], stages[-1]["processed_frames"]) == ("completed", 20)
    frames = [frame for name, data in told if name == "frames" for frame in data]
    assert sorted(frame["index"] for frame in frames) == list(range(20))
    assert service.request("GET", frames[0]["url"]).status == 200
    assert told[-1] == ("end", {"job_id": job_id, "status": "completed"})


def test_a_job_that_is_over_is_told_once(service: Service, done: str) -> None:
    names = [name for name, _ in events(service, done)]
    assert names == ["job", "frames", "end"]


def test_a_job_that_is_removed_ends(idle: Service) -> None:
    job_id = idle.submit()
    told = events(idle, job_id)
    name, data = next(told)
    assert (name, data["status"]) == ("job", "pending")
    idle.request("DELETE", f"/job/{job_id}")
    assert list(told)[-1] == ("end", {"job_id": job_id, "status": "cancelled"})
