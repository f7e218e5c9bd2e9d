"""The control plane is killed at random moments; the next one brings what runs and what is registered together."""

import random
import subprocess
import sys
import time
from pathlib import Path

from framedb.registry import sqlite_url

from .planes import Plane, reconciling, small

_DEADLINE = 100.0  # seconds: on a machine busy with other things one attempt may fail, and is made again
_LONGEST = 3.0  # seconds: longer than most changes take, so that some are killed just after their end


def killed(plane: Plane, url: str, *change: str, after: float) -> str:
    """Begin the change in a program of its own, and kill it; what it said."""
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.clusters.control_plane_program", str(plane.data_dir), url, *change],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.stdin.write("go\n")
        program.stdin.flush()
        time.sleep(after)  # the fault itself
        program.kill()
        return program.stdout.read().strip()


def agree(plane: Plane) -> bool:
    """A control plane starts anew, and looks again and again, as it does; whether all was well within its deadlines."""
    deadline = time.monotonic() + _DEADLINE
    with reconciling(plane) as reconciler:
        while time.monotonic() < deadline:
            reconciler.once(wait_for=deadline - time.monotonic())
            infos = plane.service.list()
            if plane.service.strangers() == [] and all(plane.service.is_well(info) for info in infos):
                return True
            time.sleep(0.2)
    return False


def test_what_runs_and_what_is_registered_agree_after_the_control_plane_was_killed(
    plane: Plane, tmp_path: Path, soak: int
) -> None:
    url = sqlite_url(tmp_path / "registry.db")
    chosen = random.Random(11)
    changes = [("create", "b", "2"), ("scale", "a", "3"), ("remove", "a"), ("reconcile", "a"), ("scale", "a", "1")]
    for turn in range(50 if soak else 3):
        if "a" not in plane.service.names():
            plane.service.create(small("a", replicas=1 + chosen.randrange(2)))
        change = changes[turn % len(changes)]
        if change[0] == "reconcile":
            plane.kill("a")
        after = chosen.uniform(0, _LONGEST)
        said = killed(plane, url, *change, after=after)
        mended = agree(plane)
        story = f"turn {turn}: {change} killed after {after:.2f} s, which said {said!r}"
        assert mended, story
        assert plane.running() == plane.registered(), story
        assert sorted(plane.driver.leftovers()) == plane.service.names(), story
        for info in plane.service.list():
            assert info.state == "ready", story
            assert len(info.members) == info.spec.replicas, story
            assert plane.discovery.master(info.name) in {(each.host, each.port) for each in info.members}, story
        if "b" in plane.service.names():
            plane.service.remove("b")
