"""The frames on screen at 0, interval, 2 * interval, ..."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from framedb.errors import InvalidInputError
from framedb.media import Picture


@dataclass(frozen=True, slots=True)
class Extracted:
    """A picture, and the time it was asked for."""

    index: int
    """0, 1, ..."""
    time: float
    """Seconds since the first picture of the video."""
    picture: Picture
    """The last one whose timestamp is not after that time."""


def on_screen(pictures: Iterable[Picture], *, interval: float, frame_interval: float) -> Iterator[Extracted]:
    """What a viewer sees at every multiple of `interval` seconds until the end of the video.

    By the pictures' own timestamps, whatever their rate; `frame_interval` (seconds) is how long the last one stays, and
    the distance of pictures without timestamps. Raises InvalidInputError for an interval that is not positive.
    """
    if not (math.isfinite(interval) and interval > 0):
        raise InvalidInputError(f"interval {interval} is not possible: give seconds, more than 0")
    shown: Picture | None = None
    begin = time = 0.0
    index = 0
    for number, picture in enumerate(pictures):
        seconds = picture.pts_seconds if picture.pts_seconds is not None else number * frame_interval
        if shown is None:
            begin = seconds
        time = seconds - begin
        while shown is not None and index * interval < time:
            yield Extracted(index, index * interval, shown)
            index += 1
        shown = picture
    while shown is not None and index * interval < time + frame_interval:
        yield Extracted(index, index * interval, shown)
        index += 1
