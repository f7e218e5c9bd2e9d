"""Runs the sides of comparisons in turn, each in a fresh process, so that both see the same machine."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.comparison import Figure, Row, figure
from benchmarks.target import Target


def measure(module: str, rows: Sequence[Row], target: Target, *, rounds: int, times: int) -> Iterator[Figure]:
    """The figures of one file's rows: `rounds` times every side, one after the other."""
    sides = list(dict.fromkeys(side for row in rows for side in row.sides))
    measured: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        # Every other round backwards, so that none always comes first.
        for side in sides if number % 2 == 0 else reversed(sides):
            measured[side].append(median(run_side(module, side, target, times)))
    for row in rows:
        yield figure(row, measured)


def run_side(module: str, side: str, target: Target, times: int) -> list[float]:
    """What one side came to each time it did its work, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.side", module, side, str(times)]
    # The target holds a password, so it comes on standard input.
    done = subprocess.run(command, input=target.to_json(), stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    numbers: list[float] = json.loads(done.stdout)
    return numbers
