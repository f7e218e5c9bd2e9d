"""Every curl command of the service's specification as it is written there, and what else it promises to who runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from framedb.resp import Endpoint, close_redis, open_redis
from framedb.server.extractor.cache_redis import PREFIX
from tests.contracts.frame_store import until
from tests.engines import free_port
from tests.engines.valkey import running_valkey
from tests.integration.extractor.commands import EXTRACTOR, UP, Command, running

SUBMIT = """\
curl -X POST "http://localhost:8000/video-job" \\
     -H "Content-Type: application/json" \\
     -d '{
       "video_source": "my-awesome-video.mp4",
       "interval": 5.0
     }'
"""
STATUS = 'curl "http://localhost:8000/job-status/some-uuid-here"'
HEALTH = "curl http://localhost:8000/health"
RECENT = "curl http://localhost:8000/dashboard/recent-frames?since_minutes=60"


@pytest.fixture(params=[EXTRACTOR, UP], ids=["serve extractor", "up"])
def served(request: pytest.FixtureRequest, folder: Path) -> Iterator[Command]:
    """The service with its defaults: alone, and as a part of a node."""
    ports = ("--redis-port", str(free_port())) if request.param is UP else ()
    with running(folder, *ports, command=request.param, FRAMEDB_FRAMES_MAXMEMORY_BYTES=str(128 * 2**20)) as command:
        yield command


def test_every_curl_command_of_the_specification_answers_as_it_says(served: Command, folder: Path) -> None:
    told = served.curl(SUBMIT)
    job_id = told["job_id"]
    assert told == {"job_id": job_id, "status": "pending", "message": "Job submitted successfully"}

    status = STATUS.replace("some-uuid-here", job_id)
    until(lambda: served.curl(status)["status"] == "completed", "the job is done", seconds=60)
    job = served.curl(status)
    assert (job["job_id"], job["video_source"], job["interval"]) == (job_id, "my-awesome-video.mp4", 5.0)
    assert (job["total_frames"], job["processed_frames"]) == (2, 2)
    assert {"created_at", "updated_at"} <= set(job)

    health = served.curl(HEALTH)
    assert (health["status"], health["active_jobs"]) == ("healthy", 0)
    is_node = (folder / "runtime/node.json").exists()  # which brings a Redis of its own
    assert health["redis_available"] is is_node
    recent = served.curl(RECENT)
    assert (recent["total_count"], recent["since_minutes"], recent["job_id"]) == (2, 60, None)

    frames = folder / "runtime/frames" / job_id
    assert sorted(file.name for file in frames.iterdir()) == ["0.00.jpg", "5.00.jpg"]
    assert (folder / "runtime/db/metadata.db").exists()
    uploaded = served.curl(
        'curl -X POST http://localhost:8000/video-job -F "file=@videos/my-awesome-video.mp4" -F interval=1'
    )
    listing = f"curl http://localhost:8000/frames/{uploaded['job_id']}"
    until(lambda: served.curl(listing).get("total_count") == 10, "ten frames come", seconds=60)
    gone = served.curl(f"curl -X DELETE http://localhost:8000/job/{job_id}")
    assert gone == {"message": f"Job {job_id} cancelled and cleaned up successfully"}
    assert not frames.exists()

    _check_pages(served)
    _check_logs(served, job_id)


def _check_pages(served: Command) -> None:
    """The web interface, and the documentation that is made of the code."""
    for path, said in (
        ("/", "Video Frame Extraction System"),
        ("/docs", "swagger"),
        ("/openapi.json", "/dashboard/recent-frames"),
    ):
        answer = urllib3.request("GET", served.url + path)
        assert answer.status == 200
        assert said in answer.data.decode()


def _check_logs(served: Command, job_id: str) -> None:
    """Requests are on standard output, everything is in the log, and lines of one request share its id."""
    answer = urllib3.request("GET", f"{served.url}/job-status/nobody", headers={"X-Request-ID": "traced-from-afar"})
    assert answer.headers["X-Request-ID"] == "traced-from-afar"

    wanted = ("traced-from-afar", "GET", "/job-status/nobody", 404)
    until(lambda: wanted in requests_of(served.printed()), "the request is on standard output")
    until(lambda: wanted in requests_of(served.logged()), "the request is in the log")
    logged = served.logged()
    (submitted,) = (each for each in logged if each["event"] == "job submitted" and each["job_id"] == job_id)
    (asked,) = (
        each for each in logged if each.get("path") == "/video-job" and each["request_id"] == submitted["request_id"]
    )
    assert asked["method"] == "POST"


def requests_of(lines: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What lines say of requests."""
    told = ("request_id", "method", "path", "status")
    return [tuple(line[name] for name in told) for line in lines if line["event"] == "request"]


def test_the_variables_of_the_specification_are_taken_from_the_env_file(folder: Path, tmp_path: Path) -> None:
    with running_valkey(tmp_path) as endpoint:
        admin = open_redis(Endpoint(endpoint.host, endpoint.port, password=endpoint.password), db=3)
        admin.config_set("requirepass", "")
        (folder / ".env").write_text(
            "REDIS_HOST=127.0.0.1\nREDIS_DB=3\nDATABASE_PATH=data/jobs.db\nFRAMES_BASE_PATH=pictures\n"
            "MAX_CONCURRENT_JOBS=10\nCACHE_TTL=120\nMAX_CACHE_SIZE_MB=1\n"
        )
        with running(folder, REDIS_PORT=str(endpoint.port)) as served:
            job_id = served.curl(SUBMIT)["job_id"]
            status = STATUS.replace("some-uuid-here", job_id)
            until(lambda: served.curl(status)["status"] == "completed", "the job is done", seconds=60)
            assert served.curl(HEALTH)["redis_available"] is True
            assert [served.curl(RECENT)["cached"] for _ in range(2)] == [False, True]
            (entry,) = admin.keys(f"{PREFIX}entry:*")
            assert 0 < admin.pttl(entry) <= 120_000
            metrics = urllib3.request("GET", f"{served.url}/metrics").data.decode()
            assert "framedb_cache_max_bytes 1.048576e+06" in metrics
        close_redis(admin)
    assert (folder / "data/jobs.db").exists()
    assert sorted(file.name for file in (folder / "pictures" / job_id).iterdir()) == ["0.00.jpg", "5.00.jpg"]
    assert not (folder / "runtime/db").exists()
    assert not (folder / "runtime/frames").exists()
