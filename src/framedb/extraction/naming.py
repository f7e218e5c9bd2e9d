"""What the files of extracted frames are called."""

from collections import Counter
from collections.abc import Iterable


def file_names(times: Iterable[float]) -> list[str]:
    """`<seconds>.jpg` for each time: two decimals, six for those that would share a name."""
    times = list(times)
    short = [f"{time:.2f}" for time in times]
    shared = Counter(short)
    return [f"{name}.jpg" if shared[name] == 1 else f"{time:.6f}.jpg" for name, time in zip(short, times, strict=True)]


def next_file_name(time: float, before: float | None) -> str:
    """The name of the frame that follows the one of that time, where those to come are not known yet."""
    short = f"{time:.2f}"
    return f"{time:.6f}.jpg" if before is not None and short == f"{before:.2f}" else f"{short}.jpg"
