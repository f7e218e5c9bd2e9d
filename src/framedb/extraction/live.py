"""Frames of a stream, as they come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import count

from framedb.errors import MediaError
from framedb.extraction.plan import exact, step_of
from framedb.extraction.segment import ExtractedFrame, extracted
from framedb.extraction.selection import Selection
from framedb.frame import utc_now
from framedb.media import JPEGEncoder, Picture, Video, each_frame, open_video, oriented, shown_at
from framedb.redaction import redacted

_MUCH = 0.5  # seconds a stream may be said to be longer than its pictures last: of sound, mostly


@dataclass(frozen=True, slots=True)
class LastFrame:
    """Where somebody stopped."""

    index: int
    """Of the last frame that is kept."""
    time: float
    """Seconds since the first frame of the stream."""
    created_at: datetime
    """When it was kept, UTC."""


class LiveExtraction:
    """A stream, and what is wanted of it: it is read by `frames`, once."""

    def __init__(
        self, url: str, selection: Selection, *, name: str, after: LastFrame | None = None, quality: int = 3
    ) -> None:
        """`name` is that of the stream in messages. `after`: go on behind it.

        Of a stream that plays at its own pace, what came in between is lost; a recording, whose length its server knows, is
        read again from its beginning.
        """
        self._url = url
        self._selection = selection
        self._name = name
        self._after = after
        self._encoder = JPEGEncoder(quality=quality)
        self.lost: str | None = None
        """What of it could not be had, for a person: known at the end."""

    def frames(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[ExtractedFrame]:
        """The frames, until the stream ends, or breaks off, or `should_stop`, which is looked at between packets.

        Raises MediaError when it cannot be opened, or nothing of it decoded.
        """
        index = 0 if self._after is None else self._after.index + 1
        came = False
        try:
            with open_video(self._url) as video:
                for time, picture in self._wanted(video, should_stop):
                    if should_stop():
                        return
                    came = True
                    data = oriented(self._encoder.encode(picture.image), picture.rotation)
                    yield extracted(index, float(time), picture, data)
                    index += 1
        except MediaError as exc:
            if not came and self._after is None:
                raise
            self._lose(f"the stream broke off: {str(exc).replace(redacted(self._url), self._name)}")

    def _wanted(self, video: Video, should_stop: Callable[[], bool]) -> Iterator[tuple[Fraction, Picture]]:
        """Frames by the clock of the whole job, behind the last one that is kept."""
        begin = self._begin(video)
        came = self._after is not None
        last = Fraction(-1) if self._after is None else exact(self._after.time)
        for time, picture in self._from(video, begin, should_stop):
            last, came = time, True
            yield time, picture
        if should_stop():
            return
        if not came:
            self._lose("the stream ended before any of these frames was shown")
        elif video.duration is not None:
            self._check_end(last, video.duration)

    def _from(
        self, video: Video, begin: Fraction, should_stop: Callable[[], bool]
    ) -> Iterator[tuple[Fraction, Picture]]:
        selection = self._selection
        if not self._is_timed:
            stop = None if selection.stop is None else exact(selection.stop)
            first = exact(selection.start or 0.0)
            for time, picture in each_frame(video, keyframes=selection.keyframes, should_stop=should_stop):
                if stop is not None and begin + time >= stop:
                    return
                if begin + time >= first and self._is_new(begin + time):
                    yield begin + time, picture
            return
        times = (time - begin for time in self._times() if time >= begin and self._is_new(time))
        for time, picture in shown_at(video, times, should_stop=should_stop):
            yield begin + time, picture

    @property
    def _is_timed(self) -> bool:
        """Times are wanted, and not frames."""
        return not (self._selection.every or self._selection.keyframes)

    def _times(self) -> Iterator[Fraction]:
        selection, step = self._selection, step_of(self._selection)
        if step is None:
            yield from sorted({exact(time) for time in selection.times or ()})
            return
        first = exact(selection.start or 0.0)
        for number in count():
            if selection.stop is not None and first + step * number >= exact(selection.stop):
                return
            yield first + step * number

    def _is_new(self, time: Fraction) -> bool:
        return self._after is None or float(time) > self._after.time

    def _begin(self, video: Video) -> Fraction:
        """What the stream's first frame is, by the clock of the whole job."""
        if self._after is None or video.duration is not None:
            return Fraction(0)
        away = max(0.0, (utc_now() - self._after.created_at).total_seconds())
        begin = exact(round(self._after.time + away, 3))
        missed = (time for time in self._times() if self._is_new(time))
        if not self._is_timed or next(missed, begin) < begin:
            self._lose(f"nobody looked at the stream between {self._after.time:.2f} and {float(begin):.2f} s")
        return begin

    def _check_end(self, last: Fraction, duration: float) -> None:
        """Whether a recording ended where its server says that it does."""
        following = last if self._selection.every else next((time for time in self._times() if time > last), None)
        if following is not None and following < min(duration, self._selection.stop or duration) - _MUCH:
            self._lose(f"the stream is said to have {duration:.1f} s, and ended after {float(last):.2f} s")

    def _lose(self, what: str) -> None:
        self.lost = f"{self.lost}; {what}" if self.lost else what
