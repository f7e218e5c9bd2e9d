"""`framedb serve extractor`, as an operator runs, kills and stops it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import urllib3

from tests.contracts.frame_store import until
from tests.integration.extractor.commands import Command, running


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
