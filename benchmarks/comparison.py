"""What is measured, and what came of it: a row of the table each.

A file of this folder names its programs in `SIDES`, and lists its rows as `COMPARISONS`. `TIMES` is how often a side does its
work in a round, `ROUNDS` the most rounds where each takes long, and `prepare()` makes what is to be there before the first one.
A row is one of three kinds:

    Comparison("get a key", "the same of a dict", "ours", "theirs", at_least=0.5)   two sides that return seconds
    Absolute("get a key", "ours", "/s", at_least=1_500_000)     a rate: one side that returns seconds, of one get each
    Absolute("put 1 GiB", "server", "MiB", at_most=80)          a size: one side that returns MiB
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from benchmarks.target import Target

Side = Callable[[Target, int], list[float]]
"""Does its work that many times, and returns the seconds (or MiB) of each."""

Unit = Literal["x", "/s", "MiB"]
Measured = Mapping[str, Sequence[float]]
"""What each side came to: a number per round."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides, and how their times should stand to each other."""

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

    @property
    def unit(self) -> Unit:
        """A ratio."""
        return "x"

    @property
    def sides(self) -> tuple[str, ...]:
        """Those to be run, in turn."""
        return self.ours, self.theirs

    @property
    def wanted(self) -> str:
        """As people read it."""
        return f">= {self.at_least:g}x" if self.at_most is None else f"<= {self.at_most:g}x its time"

    def value(self, ours: float, theirs: float) -> float:
        """How many times as fast ours is; where `at_most` is wanted, how many times as long it takes."""
        return theirs / ours if self.at_most is None else ours / theirs

    def written(self, value: float) -> str:
        """A ratio as people read it."""
        return f"{value:.2f}x"


@dataclass(frozen=True, slots=True)
class Absolute:
    """One side, and what is wanted of it, whatever others do."""

    work: str
    """What is done."""
    side: str
    """Name of the side."""
    unit: Unit
    """`/s`: how often a second it does its work. `MiB`: what the side returns."""
    at_least: float | None = None
    """So much, or more."""
    at_most: float | None = None
    """So much, or less."""
    against: str = "-"
    """What the number is counted from."""

    @property
    def sides(self) -> tuple[str, ...]:
        """The one to be run."""
        return (self.side,)

    @property
    def wanted(self) -> str:
        """As people read it."""
        sign, limit = ("<=", self.at_most) if self.at_least is None else (">=", self.at_least)
        return f"{sign} {self.written(limit or 0.0)}"

    def value(self, measured: float) -> float:
        """Of what the side returned."""
        return 1 / measured if self.unit == "/s" else measured

    def written(self, value: float) -> str:
        """A rate or a size as people read it."""
        if self.unit == "MiB":
            return f"{value:.0f} MiB"
        return f"{value / 1e6:.2f} M/s" if value >= 1e6 else f"{value / 1e3:.0f} k/s"


Row = Comparison | Absolute


@dataclass(frozen=True, slots=True)
class Figure:
    """A row, measured: the medians of the rounds."""

    row: Row
    value: float
    """The ratio, rate or size; a ratio is taken within each round."""
    spread: tuple[float, float]
    """Least and greatest value of a round."""
    ours: float | None
    """Seconds of our side, where it is time that is measured."""
    theirs: float | None
    """Seconds of the other side, where there is one."""

    @property
    def ok(self) -> bool:
        """Whether the value is as wanted."""
        least, most = self.row.at_least, self.row.at_most
        return (least is None or self.value >= least) and (most is None or self.value <= most)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "wanted": self.row.wanted, "ok": self.ok}


def figure(row: Row, measured: Measured) -> Figure:
    """The figure of what the row's sides came to."""
    values = [row.value(*numbers) for numbers in zip(*(measured[side] for side in row.sides), strict=True)]
    seconds = [median(measured[side]) for side in row.sides if row.unit != "MiB"]
    ours, theirs = (*seconds, None, None)[:2]
    return Figure(row, median(values), (min(values), max(values)), ours, theirs)
