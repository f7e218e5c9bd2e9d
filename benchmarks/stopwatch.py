"""Timing one piece of work, many times over."""

import gc
import time
from collections.abc import Callable

WARM_UP = 3
"""Times before the clock counts: connections are opened, functions loaded, caches filled."""


def stopwatch(work: Callable[[int], object], times: int) -> list[float]:
    """Seconds of each of `work(0)`, `work(1)`, ..., after a few that do not count."""
    for number in range(WARM_UP):
        work(number)
    gc.collect()
    seconds = []
    for number in range(times):
        began = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - began)
    return seconds
