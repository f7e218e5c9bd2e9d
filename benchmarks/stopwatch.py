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


def warm_heap() -> None:
    """Leave this process with a heap as a long-lived one has it.

    Once glibc has freed a block of nearly 32 MiB, blocks up to that size come from memory the process keeps, instead of
    being mapped, cleared page by page and unmapped again each time.
    """
    block = bytearray(31 * 2**20)
    del block
