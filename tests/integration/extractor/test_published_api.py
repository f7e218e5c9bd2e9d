"""The calls of the published API, answered as it says."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from framedb.media import image_size
from tests.integration.extractor.conftest import LONG, Service


@pytest.mark.parametrize(("interval", "count"), [(1.0, 10), (5.0, 2)])
def test_a_clip_of_ten_seconds_gives_a_frame_for_each_interval(service: Service, interval: float, count: int) -> None:
    job_id = service.completed(interval=interval)
    job = service.status(job_id)
    assert (job["total_frames"], job["processed_frames"]) == (count, count)
    told = service.get(f"/frames/{job_id}")
    assert (told["job_id"], told["total_count"]) == (job_id, count)
    assert [frame["timestamp"] for frame in told["frames"]] == [number * interval for number in range(count)]


def test_the_interval_is_five_seconds_by_default(service: Service) -> None:
    job = service.status(service.completed())
    assert (job["interval"], job["total_frames"], job["selection"]) == (5.0, 2, {"interval": 5.0})


def test_a_job_tells_how_it_stands(service: Service, done: str) -> None:
    job = service.status(done)
    assert job["job_id"] == done
    assert job["video_source"] == "clip.mp4"
    assert job["error_message"] is None
    created, updated = (datetime.fromisoformat(job[name]) for name in ("created_at", "updated_at"))
    assert datetime.now(UTC) - timedelta(minutes=5) < created <= updated <= datetime.now(UTC)


def test_a_frame_is_a_file_with_its_size_and_checksum(service: Service, done: str) -> None:
    for frame in service.get(f"/frames/{done}")["frames"]:
        path = Path(frame["frame_path"])
        data = path.read_bytes()
        assert path.name == f"{frame['timestamp']:.2f}.jpg"
        assert path.parent.name == frame["job_id"] == done
        assert frame["file_size"] == len(data)
        assert frame["checksum"] == hashlib.sha256(data).hexdigest()
        assert image_size(data) == (frame["width"], frame["height"]) == (192, 108)
        assert datetime.fromisoformat(frame["created_at"]).tzinfo is not None


def test_frames_come_a_page_at_a_time_too(service: Service, done: str) -> None:
    page = service.get(f"/frames/{done}?after=3&limit=4")
    assert [frame["index"] for frame in page["frames"]] == [4, 5, 6, 7]
    assert page["total_count"] == 10


def test_a_job_that_has_no_frames_yet_says_so(idle: Service) -> None:
    job_id = idle.submit()
    assert idle.get(f"/frames/{job_id}") == {"frames": [], "message": "No frames extracted yet"}
    job = idle.status(job_id)
    assert (job["status"], job["total_frames"], job["processed_frames"]) == ("pending", None, 0)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/job-status/{}"),
        ("GET", "/frames/{}"),
        ("DELETE", "/job/{}"),
        ("GET", "/frames/{}/0.jpg"),
        ("GET", "/frames/{}/sheet.jpg"),
        ("GET", "/frames/{}/frames.zip"),
        ("GET", "/jobs/{}/events"),
    ],
)
@pytest.mark.parametrize("job_id", ["some-uuid-here", "0197a1b2-0000-7000-8000-000000000000", "%C3%A4", "x" * 300])
def test_a_job_there_is_not_is_not_found(service: Service, method: str, path: str, job_id: str) -> None:
    answer = service.request(method, path.format(job_id))
    assert answer.status == 404
    assert answer.json() == {"detail": "Job not found"}


@pytest.mark.parametrize(
    "body",
    [
        {"video_source": "clip.mp4", "interval": 0},
        {"video_source": "clip.mp4", "interval": -1},
        {"video_source": "clip.mp4", "interval": float("nan")},
        {"video_source": "clip.mp4", "interval": float("inf")},
        {"video_source": "clip.mp4", "interval": "often"},
        {"video_source": "clip.mp4", "interval": True},
        {"video_source": "clip.mp4", "fps": 1, "interval": 1},
        {"video_source": "clip.mp4", "times": []},
        {"video_source": "clip.mp4", "times": [-1.0]},
        {"video_source": "clip.mp4", "count": 0},
        {"video_source": "clip.mp4", "start": 5, "stop": 1},
        {"video_source": "clip.mp4", "intervall": 1.0},
        {"video_source": ""},
        {"video_source": None},
        {"interval": 1.0},
        {},
        [],
        "clip.mp4",
    ],
)
def test_what_no_job_can_be_made_of_is_refused_by_field(service: Service, body: object) -> None:
    answer = service.request("POST", "/video-job", body)
    assert answer.status == 422, answer.data
    (problem, *_) = answer.json()["detail"]
    assert problem["loc"][0] == "body"
    assert problem["msg"]


def test_what_is_no_json_is_refused(service: Service) -> None:
    assert service.request("POST", "/video-job", b'{"video_source": ').status == 422
    assert service.request("POST", "/video-job", b"\xff").status == 422
    assert service.request("POST", "/video-job", b" " * (2 * 2**20 + 1)).status == 413


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}])
def test_a_request_with_neither_source_nor_file_is_told_so(service: Service, headers: dict[str, str]) -> None:
    answer = service.request("POST", "/video-job", headers=headers)
    assert answer.status == 400
    assert answer.json() == {"detail": "Either video_source or file must be provided"}


@pytest.mark.parametrize(
    "source",
    ["../../etc/passwd", "/etc/passwd", "nothing.mp4", "http://127.0.0.1/v.mp4", "file:///etc/passwd", " ", "a\x00b"],
)
def test_a_source_that_is_not_allowed_is_refused_and_no_job_is_made(idle: Service, source: str) -> None:
    before = idle.get("/jobs")["counts"]
    answer = idle.request("POST", "/video-job", {"video_source": source})
    assert answer.status == 400
    assert answer.json()["detail"]
    assert "root:" not in answer.data.decode()
    assert idle.get("/jobs")["counts"] == before


@pytest.mark.parametrize("source", ["text.mp4", "empty.mp4", "sound.mp4", "."])
def test_what_is_no_video_fails_its_job_with_a_reason(service: Service, source: str) -> None:
    answer = service.request("POST", "/video-job", {"video_source": source})
    if answer.status == 400:  # a folder is seen at once
        assert answer.json()["detail"]
        return
    job = service.ended(answer.json()["job_id"])
    assert job["status"] == "failed"
    assert job["error_message"]


@pytest.mark.parametrize(
    ("chosen", "times"),
    [
        ({"times": [1.5, 3]}, [1.5, 3.0]),
        ({"count": 2}, None),
        ({"fps": 0.5, "start": 2, "stop": 7}, [2.0, 4.0, 6.0]),
        ({"keyframes": True}, [0.0, 2.0, 4.0, 6.0, 8.0]),
    ],
)
def test_frames_can_be_chosen_in_other_ways(service: Service, chosen: dict[str, Any], times: list[float]) -> None:
    job_id = service.completed(**chosen)
    found = [round(frame["timestamp"], 3) for frame in service.get(f"/frames/{job_id}")["frames"]]
    assert found == times if times else len(found) == 2
    assert service.status(job_id)["interval"] is None


def test_a_removed_job_leaves_nothing(service: Service) -> None:
    job_id = service.submit(LONG, every=True)
    folder = service.extraction.frames.base / job_id
    answer = service.request("DELETE", f"/job/{job_id}")
    assert answer.status == 200
    assert answer.json() == {"message": f"Job {job_id} cancelled and cleaned up successfully"}
    assert not folder.exists()
    for path in (f"/job-status/{job_id}", f"/frames/{job_id}", f"/frames/{job_id}/0.jpg"):
        assert service.get(path, 404) == {"detail": "Job not found"}
    assert service.get(f"/dashboard/recent-frames?job_id={job_id}")["frames"] == []
    assert job_id not in json.dumps(service.get("/dashboard/recent-frames"))
    assert service.request("DELETE", f"/job/{job_id}").status == 404


def test_jobs_are_listed_the_newest_first_and_by_status(idle: Service) -> None:
    submitted = [idle.submit() for _ in range(5)]
    page = idle.get("/jobs?limit=3")
    assert [job["job_id"] for job in page["jobs"]] == submitted[:1:-1]
    assert page["counts"]["pending"] >= 5
    following = idle.get(f"/jobs?limit=2&after={page['next']}")
    assert [job["job_id"] for job in following["jobs"]] == submitted[1::-1]
    assert idle.get("/jobs?status=completed")["jobs"] == []
    assert idle.get("/jobs?status=done", 422)["detail"][0]["loc"] == ["query", "status"]


def test_health_is_true_at_that_moment(idle: Service) -> None:
    idle.submit()
    pending = idle.get("/jobs")["counts"]["pending"]
    told = idle.get("/health")
    assert told["status"] == "healthy"
    assert told["redis_available"] is False
    assert told["active_jobs"] == pending
    assert abs(datetime.now(UTC) - datetime.fromisoformat(told["timestamp"])) < timedelta(seconds=30)


def test_jobs_are_counted_by_status_for_prometheus(idle: Service) -> None:
    idle.submit()
    counts = idle.get("/jobs")["counts"]
    metrics = idle.request("GET", "/metrics").data.decode()
    assert counts["pending"] > 0
    for status, count in counts.items():
        assert f'framedb_jobs{{status="{status}"}} {float(count)}' in metrics


def test_the_page_is_there(service: Service) -> None:
    answer = service.request("GET", "/")
    assert answer.status == 200
    assert "Video Frame Extraction System" in answer.data.decode()


def test_what_is_not_there_is_told_as_fastapi_does(service: Service) -> None:
    assert "detail" in service.get("/jobs/x/y", 404)
    answer = service.request("PUT", "/video-job")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert set(answer.json()) == {"detail"}
