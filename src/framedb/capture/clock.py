"""When frames were captured, in UTC."""

from collections import deque
from datetime import datetime

from framedb.frame import from_microseconds

_STEP = 1.0  # seconds: a clock that is off by more was set, or the stream began anew
_WINDOW = 60.0  # seconds over which the quickest packet is looked for: two clocks drift by about a ms in that time


class LiveClock:
    """Capture times of a live stream: its own timestamps, set to our clock by the packets that arrive.

    Packets are late by a varying time and never early, so the quickest of the last minute tells the offset best. Times
    follow the camera's own spacing, not the jitter of the network.
    """

    def __init__(self) -> None:
        self._offsets: deque[tuple[float, float]] = deque()  # (arrived, arrived - pts), growing in both

    def arrived(self, pts_seconds: float | None, now: float) -> None:
        """A packet came, at `now` in seconds since 1970."""
        if pts_seconds is None:
            return
        offset = now - pts_seconds
        if self._offsets and (abs(offset - self._offsets[0][1]) > _STEP or now < self._offsets[-1][0]):
            self._offsets.clear()
        while self._offsets and self._offsets[-1][1] >= offset:
            self._offsets.pop()
        self._offsets.append((now, offset))
        while now - self._offsets[0][0] > _WINDOW:
            self._offsets.popleft()

    def time_of(self, pts_seconds: float | None, now: float) -> float:
        """When the frame was captured, in seconds since 1970; `now` if the stream has no timestamps."""
        if pts_seconds is None or not self._offsets:
            return now
        return pts_seconds + self._offsets[0][1]


class DistinctTimes:
    """Makes times strictly increasing, a microsecond apart at least: no two frames of a camera share a key."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, seconds: float) -> datetime:
        """The time, in UTC, or the first free one after it."""
        self._last = max(round(seconds * 1_000_000), self._last + 1)
        return from_microseconds(self._last)
