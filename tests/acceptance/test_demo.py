"""The demo tells the truth."""

import subprocess
from pathlib import Path

from tests.acceptance.conftest import FRAMEDB, clean_environment


def test_the_demo_loses_nothing_when_a_worker_is_killed() -> None:
    shown = _demo("--seconds", "5", "--cameras", "2")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    lines = {line[:19].strip(): line[19:].strip() for line in shown.stdout.splitlines() if len(line) > 19}
    assert lines["lost"] == "0"
    assert int(lines["redelivered"]) >= 1
    assert lines["killed"] == "one worker, a frame in its hand"
    assert lines["extracted"].startswith("6 frames")
    assert "What to type next" in shown.stdout


def test_the_demo_of_something_that_is_no_video_fails_and_says_why(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    shown = _demo(str(text), "--seconds", "3")
    assert shown.returncode == 1
    assert "text.mp4" in shown.stderr + shown.stdout


def _demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**clean_environment(), "COLUMNS": "200"}
    return subprocess.run([*FRAMEDB, "demo", *arguments], capture_output=True, text=True, timeout=110, env=environment)
