"""Runs the sides of comparisons in turn, each in a fresh process, so that both see the same machine."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.comparison import Comparison, Figure, compare
from benchmarks.target import Target


def measure(
    module: str, comparisons: Sequence[Comparison], target: Target, *, rounds: int, times: int
) -> Iterator[Figure]:
    """The figures of one file's comparisons: `rounds` times every side, one after the other."""
    sides = list(dict.fromkeys(side for comparison in comparisons for side in (comparison.theirs, comparison.ours)))
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        # Every other round backwards, so that none always comes first.
        for side in sides if number % 2 == 0 else reversed(sides):
            seconds[side].append(median(run_side(module, side, target, times)))
    for comparison in comparisons:
        yield compare(comparison, seconds[comparison.ours], seconds[comparison.theirs])


def run_side(module: str, side: str, target: Target, times: int) -> list[float]:
    """Seconds of each time one side did its work, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.side", module, side, str(times)]
    # The target holds a password, so it comes on standard input.
    done = subprocess.run(command, input=target.to_json(), stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    seconds: list[float] = json.loads(done.stdout)
    return seconds
