"""`framedb serve extractor`, as an operator runs it, and every curl command of its specification."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.contracts.frame_store import until
from tests.engines import free_port


class Command:
    """The command, running in a folder of its own, whose videos are in `videos`."""

    def __init__(self, folder: Path, port: int, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.folder = folder
        self.port = port
        self.process = process
        self._output = output

    def curl(self, line: str) -> Any:
        """What a curl command of the specification answers."""
        words = shlex.split(line.replace("localhost:8000", f"localhost:{self.port}"))
        assert words[0] == "curl"
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "30", *words[1:]],
            capture_output=True, text=True, timeout=60, check=True, cwd=self.folder,
        )  # fmt: skip
        return json.loads(done.stdout)

    def printed(self) -> list[dict[str, Any]]:
        """The JSON lines on standard output."""
        return [json.loads(line) for line in self._output.read_text().splitlines() if line.startswith("{")]

    def logged(self) -> list[dict[str, Any]]:
        """The lines of `runtime/logs/app.log`."""
        return [json.loads(line) for line in (self.folder / "runtime/logs/app.log").read_text().splitlines()]


@contextmanager
def running(folder: Path, *options: str, **settings: str) -> Iterator[Command]:
    """The command, answering."""
    port = free_port()
    output = folder / f"output-{port}.txt"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FRAMEDB_", "REDIS_", "VIDEO_"))}
    environment = clean | {"REDIS_PORT": str(free_port())} | settings
    with output.open("wb") as written, (folder / "errors.txt").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "framedb", "serve", "extractor", "--port", str(port), *options],
            stdout=written, stderr=errors, cwd=folder, env=environment,
        )  # fmt: skip
        try:
            until(lambda: answers(port) or process.poll() is not None, "it answers", seconds=60)
            assert process.poll() is None, (folder / "errors.txt").read_text()
            yield Command(folder, port, process, output)
        finally:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/healthz", retries=False, timeout=2).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@pytest.fixture
def folder(tmp_path: Path, videos: Path) -> Path:
    """A working folder with a video, as the specification has it."""
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "my-awesome-video.mp4").write_bytes((videos / "clip.mp4").read_bytes())
    return tmp_path


def test_every_curl_command_of_the_specification_answers_as_it_says(folder: Path) -> None:
    with running(folder) as service:
        told = service.curl(
            'curl -X POST "http://localhost:8000/video-job" -H "Content-Type: application/json"'
            ' -d \'{ "video_source": "my-awesome-video.mp4", "interval": 5.0 }\''
        )
        assert set(told) == {"job_id", "status", "message"}
        assert (told["status"], told["message"]) == ("pending", "Job submitted successfully")
        job_id = told["job_id"]

        def status() -> Any:
            return service.curl(f'curl "http://localhost:8000/job-status/{job_id}"')

        until(lambda: status()["status"] == "completed", "the job is done", seconds=60)
        job = status()
        assert (job["job_id"], job["video_source"], job["interval"]) == (job_id, "my-awesome-video.mp4", 5.0)
        assert (job["total_frames"], job["processed_frames"]) == (2, 2)
        assert {"created_at", "updated_at"} <= set(job)
        health = service.curl("curl http://localhost:8000/health")
        assert (health["status"], health["redis_available"], health["active_jobs"]) == ("healthy", False, 0)
        recent = service.curl("curl http://localhost:8000/dashboard/recent-frames?since_minutes=60")
        assert (recent["total_count"], recent["since_minutes"], recent["job_id"]) == (2, 60, None)
        path = folder / "runtime/frames" / job_id
        assert sorted(file.name for file in path.iterdir()) == ["0.00.jpg", "5.00.jpg"]
        assert (folder / "runtime/db/metadata.db").exists()
        uploaded = service.curl(
            'curl -X POST http://localhost:8000/video-job -F "file=@videos/my-awesome-video.mp4" -F interval=1'
        )
        until(
            lambda: service.curl(f"curl http://localhost:8000/frames/{uploaded['job_id']}").get("total_count") == 10,
            "ten frames come",
            seconds=60,
        )
        gone = service.curl(f"curl -X DELETE http://localhost:8000/job/{job_id}")
        assert gone == {"message": f"Job {job_id} cancelled and cleaned up successfully"}
        assert not path.exists()
        _check_logs(service, job_id)


def _check_logs(service: Command, job_id: str) -> None:
    """Requests are on standard output, everything is in the log, and lines of one request share its id."""
    answer = urllib3.request("GET", f"http://127.0.0.1:{service.port}/job-status/nobody")
    request_id = answer.headers["X-Request-ID"]
    until(lambda: service.printed()[-1].get("request_id") == request_id, "the request is on standard output")
    line = service.printed()[-1]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/job-status/nobody", 404)
    logged = service.logged()
    (submitted,) = (each for each in logged if each["event"] == "job submitted" and each["job_id"] == job_id)
    (asked,) = (
        each for each in logged if each.get("path") == "/video-job" and each["request_id"] == submitted["request_id"]
    )
    assert asked["method"] == "POST"


def test_a_job_goes_on_where_it_was_after_the_service_was_killed_twice(folder: Path, videos: Path) -> None:
    (folder / "videos" / "long.mp4").write_bytes((videos / "long.mp4").read_bytes())
    job_id = ""
    for _ in range(2):
        with running(folder) as service:
            if not job_id:
                told = service.curl(
                    "curl http://localhost:8000/video-job -H 'Content-Type: application/json'"
                    ' -d \'{"video_source": "long.mp4", "every": true}\''
                )
                job_id = told["job_id"]
            job = f"curl http://localhost:8000/job-status/{job_id}"
            before = service.curl(job)["processed_frames"]
            _wait_for_more_than(before, job, service)
            service.process.send_signal(signal.SIGKILL)
            service.process.wait()
    with running(folder) as service:
        until(lambda: service.curl(job)["status"] == "completed", "the job is done", seconds=90)
        told = service.curl(f"curl http://localhost:8000/frames/{job_id}")
        assert [frame["index"] for frame in told["frames"]] == list(range(360))


def _wait_for_more_than(before: int, job: str, service: Command) -> None:
    until(lambda: service.curl(job)["processed_frames"] > before, "more frames come", seconds=60)


def test_it_stops_in_order_on_a_signal_also_while_somebody_watches_a_job(folder: Path) -> None:
    with running(folder, "--no-workers") as service:
        told = service.curl(
            "curl http://localhost:8000/video-job -H 'Content-Type: application/json'"
            ' -d \'{"video_source": "my-awesome-video.mp4"}\''
        )
        url = f"http://127.0.0.1:{service.port}/jobs/{told['job_id']}/events"
        with urllib3.PoolManager() as pool:
            watching = pool.request("GET", url, preload_content=False, retries=False)
            watching.read(10)
            service.process.terminate()
            watching.read()  # an end in order, and no broken connection
            watching.close()
        assert service.process.wait(20) == 0


def test_beyond_this_machine_it_needs_a_token(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "framedb", "serve", "extractor", "--host", "0.0.0.0", "--port", "0"],
        capture_output=True, text=True, timeout=60, cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("FRAMEDB_")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "FRAMEDB_TOKEN" in done.stderr


def test_with_a_token_only_probes_are_let_in_without_it(folder: Path) -> None:
    with running(folder, "--no-workers", FRAMEDB_TOKEN="secret") as service:
        url = f"http://127.0.0.1:{service.port}"
        assert urllib3.request("GET", f"{url}/health").status == 200
        for path in ("/jobs", "/dashboard/recent-frames", "/metrics"):
            assert urllib3.request("GET", url + path).status == 401
            headers = {"Authorization": "Bearer secret"}
            assert urllib3.request("GET", url + path, headers=headers).status == 200
