"""From which frames are wanted to who decodes what: nothing is decoded for it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Self

import numpy as np

from framedb.errors import InvalidInputError
from framedb.extraction.selection import Selection
from framedb.media import Run, VideoIndex, runs_of, scene_changes

_SEGMENT_SECONDS = 3.0  # of work: little is lost with a worker, and opening the video again weighs little beside it
_DECODED_PIXELS = 400e6  # a second, on one core: 1080p H.264 at some 200 frames
_ENCODED_PIXELS = 200e6


@dataclass(frozen=True, slots=True)
class Target:
    """A frame to extract."""

    index: int
    """0, 1, ... over the whole video."""
    time: float
    """Seconds since the first frame: the time that was asked for, or that of the frame where frames were."""
    pts: int
    """Ticks: the frame on screen then."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the work that one worker does: whole GOPs, with the frames wanted of them."""

    number: int
    """0, 1, ..."""
    targets: tuple[Target, ...]
    """By time."""
    runs: tuple[Run, ...]
    """What has to be decoded for them."""
    cost: float
    """Seconds of one core it takes, very roughly."""
    live: bool = False
    """A whole stream, read as it comes: what its targets are is not known beforehand."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for its row in the registry."""
        return {
            "number": self.number,
            "cost": self.cost,
            "live": self.live,
            "targets": [[target.index, target.time, target.pts] for target in self.targets],
            "runs": [{"entry": run.entry, "pts": run.pts, "timed": run.timed} for run in self.runs],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """From JSON, as `to_dict` made it."""
        return cls(
            document["number"],
            tuple(Target(*target) for target in document["targets"]),
            tuple(
                Run(None if run["entry"] is None else tuple(run["entry"]), tuple(run["pts"]), timed=run["timed"])
                for run in document["runs"]
            ),
            document["cost"],
            document.get("live", False),
        )


def plan(
    index: VideoIndex,
    selection: Selection,
    *,
    segments: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Segment]:
    """The frames a selection means, cut into segments of a few seconds of work each, or, if those are fewer, about so many.

    The number of frames is known from it: `sum(len(segment.targets) ...)`. Scenes alone need pictures: the video is decoded
    for them, until `should_stop`, which is looked at between frames; then there is no plan: the list is empty. Raises
    InvalidInputError when the video has no such frame.
    """
    if selection.scenes is None:
        wanted = _wanted(index, selection)
    else:
        changes = scene_changes(index, selection.scenes, should_stop=should_stop).tolist()
        if should_stop():
            return []
        wanted = _wanted(index, selection, changes)
    targets = [Target(number, time, int(index.pts[place])) for number, (time, place) in enumerate(wanted)]
    places = [place for _, place in wanted]
    bounds = [0, *_cuts(index, places, segments), len(places)]
    return [
        Segment(
            number,
            tuple(targets[begin:end]),
            tuple(runs_of(index, places[begin:end])),
            sum(_cost(index, gop) for gop in _gops(index, places[begin:end])),
        )
        for number, (begin, end) in enumerate(pairwise(bounds))
    ]


def plan_live(selection: Selection, duration: float | None) -> tuple[Segment, int | None]:
    """All of a stream as one segment, and how many frames it will have: None where nobody knows.

    `duration` is in seconds, as far as its server says. Raises InvalidInputError for what cannot be chosen of a stream.
    """
    selection.check_live()
    segment = Segment(0, (), (), 0.0, live=True)
    known = [limit for limit in (duration, selection.stop) if limit is not None]
    end = exact(min(known)) if known else None
    if duration is not None and (selection.start or 0.0) >= duration:
        raise InvalidInputError(f"start {selection.start:g} is beyond the end of the stream: it has {duration:.2f} s")
    if selection.times is not None:
        return segment, sum(end is None or time < end for time in set(selection.times))
    if end is None or (step := step_of(selection)) is None:
        return segment, None
    return segment, max(1, math.ceil((end - exact(selection.start or 0.0)) / step))


def step_of(selection: Selection) -> Fraction | None:
    """Seconds from one wanted time to the next; None where frames are not chosen so."""
    if selection.interval is not None:
        return exact(selection.interval)
    return None if selection.fps is None else 1 / exact(selection.fps)


def _wanted(index: VideoIndex, selection: Selection, changes: Sequence[int] = ()) -> list[tuple[float, int]]:
    """Times, and the frames they mean, both ascending; `changes` of scenes are ticks."""
    begin, end = _range(index, selection)
    if selection.times is not None:
        return _at(index, [exact(time) for time in sorted(set(selection.times))], end)
    if (step := step_of(selection)) is not None:
        number = max(1, math.ceil((end - begin) / step))
        return _at(index, (begin + step * k for k in range(number)), end, strict=False)
    first, last = (int(np.searchsorted(index.pts, index.pts[0] + index.ticks(time))) for time in (begin, end))
    if selection.count is not None:
        number = min(selection.count, max(1, last - first))
        return _at(index, (begin + (end - begin) * k / number for k in range(number)), end)
    places: Iterable[int] = range(first, last)
    if selection.keyframes:
        places = first + np.flatnonzero(index.keyframe[first:last])
    elif selection.scenes is not None:
        places = [int(place) for place in np.searchsorted(index.pts, changes) if first <= place < last]
    found = [(index.seconds(int(place)), int(place)) for place in places]
    if not found:
        raise InvalidInputError(f"there is no such frame between {float(begin):g} and {float(end):g} s of the video")
    return found


def _range(index: VideoIndex, selection: Selection) -> tuple[Fraction, Fraction]:
    length = int(index.end - index.pts[0]) * index.time_base
    begin = exact(selection.start or 0.0)
    if begin >= length:
        raise InvalidInputError(f"start {float(begin):g} is beyond the end of the video: it has {float(length):.2f} s")
    return begin, length if selection.stop is None else min(length, exact(selection.stop))


def _at(index: VideoIndex, times: Iterable[Fraction], end: Fraction, *, strict: bool = True) -> list[tuple[float, int]]:
    """The frames on screen at these times. One at the very end is not in the video: an error, or left out."""
    found: list[tuple[float, int]] = []
    for time in times:
        if index.ticks(time) < index.ticks(end) or not found:
            found.append((float(time), index.on_screen(time)))
        if strict and index.ticks(time) >= index.ticks(end):
            raise InvalidInputError(f"{float(time):g} s is beyond the end of the video: it has {float(end):.2f} s")
    return found


def exact(seconds: float) -> Fraction:
    """0.1 is a tenth, so that no rounding adds up."""
    return Fraction(seconds).limit_denominator(1_000_000)


def _cuts(index: VideoIndex, places: Sequence[int], segments: int | None) -> list[int]:
    """Where a new segment begins: only where a GOP does."""
    if not index.seekable:
        return []
    gops = _gops(index, places)
    costs = [_cost(index, gop) for gop in gops]
    budget = _SEGMENT_SECONDS if segments is None else min(_SEGMENT_SECONDS, sum(costs) / max(1, segments))
    cuts: list[int] = []
    begin, spent = 0, 0.0
    for gop, cost in zip(gops, costs, strict=True):
        if spent and spent + cost / 2 > budget:
            cuts.append(begin)
            spent = 0.0
        spent += cost
        begin += len(gop)
    return cuts


def _gops(index: VideoIndex, places: Sequence[int]) -> list[Sequence[int]]:
    """The frames, together where decoding begins at the same keyframe."""
    borders = np.flatnonzero(np.diff(index.entry[list(places)])) + 1
    bounds = [0, *(int(border) for border in borders), len(places)]
    return [places[begin:end] for begin, end in pairwise(bounds)]


def _cost(index: VideoIndex, places: Sequence[int]) -> float:
    """Seconds of one core, roughly, for frames of one GOP."""
    decoded = int(index.position[list(places)].max() - index.entry[places[0]]) + 1
    return index.width * index.height * (decoded / _DECODED_PIXELS + len(places) / _ENCODED_PIXELS)
