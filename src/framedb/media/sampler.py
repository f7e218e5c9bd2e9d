"""Which frames to keep for a wanted rate."""

import math
from fractions import Fraction


class Sampler:
    """Chooses one frame in each period of `1/fps`, by the stream's own timestamps.

    The frame chosen is the first one at or after half a frame interval before its target: in a regular stream the one
    nearest the target, and at a rate at or above the stream's own every frame, once.
    """

    def __init__(self, fps: float, *, time_base: Fraction, frame_interval: float | None = None) -> None:
        """`frame_interval` is the stream's own, in seconds, as far as it is known."""
        # In integers, so that no rounding moves a frame over a border, however long the stream.
        per_tick = Fraction(fps).limit_denominator(1_000_000) * time_base
        self._slots, self._ticks = per_tick.numerator, per_tick.denominator  # so many of these in so many of those
        half = min(0.5, (frame_interval or 0.0) / 2 * fps)  # never more than half a period
        self._tolerance = math.floor(half / per_tick)
        self._origin: int | None = None
        self._last = -1
        self._candidates: dict[int, int] = {}
        self._count = 0
        self._per_frame = (frame_interval or 0.04) * fps

    @property
    def awaits(self) -> bool:
        """A frame that may be chosen is in the decoder, and has not come out yet."""
        return bool(self._candidates)

    def wants(self, pts: int) -> bool:
        """Could this frame, not yet decoded, be the one to choose? Frames may be asked for in any order."""
        slot = self._slot(pts)
        known = self._candidates.get(slot)
        return slot > self._last and (known is None or pts < known)

    def expect(self, pts: int) -> None:
        """The frame is being decoded now: later ones of the same period need not be."""
        self._candidates[self._slot(pts)] = pts

    def forget(self, pts: int) -> None:
        """The frame could not be decoded after all."""
        if self._candidates.get(self._slot(pts)) == pts:
            del self._candidates[self._slot(pts)]

    def take(self, pts: int | None) -> bool:
        """Whether to keep this decoded frame. Frames come in order of presentation."""
        if pts is None:  # no timestamps at all: by count, at the rate the stream claims
            slot = math.floor(self._count * self._per_frame)
            self._count += 1
        else:
            slot = self._slot(pts)
        if slot <= self._last:
            return False
        self._last = slot
        for done in [candidate for candidate in self._candidates if candidate <= slot]:
            del self._candidates[done]
        return True

    def settle(self) -> None:
        """The decoder is empty: what has not come out will not come any more."""
        self._candidates.clear()

    def restart(self) -> None:
        """The stream's timestamps began anew."""
        self._origin, self._last, self._count = None, -1, 0
        self._candidates.clear()

    def _slot(self, pts: int) -> int:
        if self._origin is None:
            self._origin = pts
        return (pts - self._origin + self._tolerance) * self._slots // self._ticks
