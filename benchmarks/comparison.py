"""What is compared, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.target import Target

Side = Callable[[Target, int], list[float]]
"""One side of a comparison: does its work that many times, and returns the seconds of each."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides, and how they should stand to each other."""

    work: str
    """What is done."""
    against: str
    """What it is compared with."""
    ours: str
    """Name of our side."""
    theirs: str
    """Name of the other side."""
    at_least: float | None = None
    """So many times as fast as the other side, or faster."""
    at_most: float | None = None
    """Where ours does more than the other side: at most so many times its time."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A comparison, measured. Times are medians of the rounds, in seconds; a ratio is taken within each round."""

    comparison: Comparison
    ours: float
    theirs: float
    ratio: float
    """How many times as fast ours is; where `at_most` is wanted, how many times as long it takes. Median of the rounds."""
    spread: tuple[float, float]
    """Least and greatest ratio of a round."""

    @property
    def ok(self) -> bool:
        """Whether the ratio is as wanted."""
        least, most = self.comparison.at_least, self.comparison.at_most
        return (least is None or self.ratio >= least) and (most is None or self.ratio <= most)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "ok": self.ok}


def compare(comparison: Comparison, ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """The figure of both sides' times, one of each per round."""
    ratios = [
        mine / other if comparison.at_most is not None else other / mine
        for mine, other in zip(ours, theirs, strict=True)
    ]
    return Figure(comparison, median(ours), median(theirs), median(ratios), (min(ratios), max(ratios)))
