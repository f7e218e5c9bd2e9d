"""The heap a side starts with: it decides much of what copying large values costs."""

from benchmarks.comparison import Side
from benchmarks.target import Target


def warm(side: Side) -> Side:
    """The side in a process with a heap as a long-lived one may have it.

    Once glibc has freed a block of nearly 32 MiB, blocks up to that size come from memory the process keeps. In a fresh
    process each is mapped, cleared page by page, and unmapped again.
    """

    def run(target: Target, times: int) -> list[float]:
        block = bytearray(31 * 2**20)
        del block
        return side(target, times)

    return run
