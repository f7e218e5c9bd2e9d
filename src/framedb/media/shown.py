"""Frames of a stream that is read once, in order, as it comes: those on screen at chosen times, or each."""

from __future__ import annotations  # PyAV's stubs make Packet generic; at run time it is not

import logging
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain

from av import Packet, VideoFrame
from av.error import FFmpegError
from av.video.stream import VideoStream

from framedb.errors import MediaError, NotVideoError
from framedb.media.picture import Picture
from framedb.media.sparse import KeyframeRhythm
from framedb.media.video import Video

logger = logging.getLogger(__name__)

_MAX_HELD_PACKETS = 1000
_MAX_HELD_BYTES = 16 * 1024 * 1024
_MAX_BEFORE_KEYFRAME = 600  # a stream that flags no keyframes at all is decoded from here on, as it comes
_LONGEST_GAP = 20  # seconds: nothing is waited for as long, so a greater step is one of the sender's clock


def shown_at(
    video: Video, times: Iterable[Fraction], *, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Fraction, Picture]]:
    """The frame on screen at each of these times, beside it, as soon as it is known; until the stream or the times end.

    Times are seconds since the first frame, ascending. The frame on screen is the last one that is not shown after the time.
    Of a GOP without a wanted frame nothing is decoded. `should_stop` is looked at between packets. What an error of the stream
    leaves is given before it is raised: MediaError, and NotVideoError when not one picture can be decoded.
    """
    screen = _Screen(video, iter(times))
    try:
        for packet in _steady(video):
            if should_stop() or screen.wanted is None:
                return
            yield from screen.feed(packet)
    except MediaError:
        yield from screen.finish()
        raise
    yield from screen.finish()
    _check(video, screen.before)


def each_frame(
    video: Video, *, keyframes: bool = False, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Fraction, Picture]]:
    """Every frame or keyframe, beside its seconds since the first one. Errors and `should_stop` as for `shown_at`."""
    context = video.stream.codec_context
    origin: int | None = None
    frame: VideoFrame | None = None
    for packet in chain(_steady(video), [None]):
        if should_stop():
            return
        if origin is None and packet is not None and packet.is_keyframe:
            origin = packet.pts
        if origin is None or (keyframes and packet is not None and not packet.is_keyframe):
            continue
        frames = _decoded(video, packet)
        if keyframes and packet is not None:
            frames += _decoded(video, None)  # at once, and not with the next one
            context.flush_buffers()
        for frame in frames:
            if frame.pts is not None and (frame.key_frame or not keyframes):
                yield (frame.pts - origin) * video.time_base, _picture(video, frame)
    _check(video, frame)


def _check(video: Video, frame: VideoFrame | None) -> None:
    if frame is None:
        raise NotVideoError(f"{video.source.name}: not one picture of it can be decoded; is it complete?")


def _steady(video: Video) -> Iterator[Packet[VideoStream]]:
    """Packets with timestamps; where the sender's clock was set, they go on as if it had not been."""
    step = round(1 / (video.fps or 25) / video.time_base)
    last: int | None = None  # time of decoding
    shift = 0
    for packet in video.packets():
        if packet.pts is None:
            continue
        at = packet.dts if packet.dts is not None else packet.pts
        if last is not None and not -1 <= float((at + shift - last) * video.time_base) <= _LONGEST_GAP:
            shift = last + step - at
        last = at + shift
        packet.pts += shift
        yield packet


def _decoded(video: Video, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
    try:
        return video.stream.codec_context.decode(packet)
    except FFmpegError as exc:
        logger.debug("a packet could not be decoded: %s", exc.strerror)
        return []


def _picture(video: Video, frame: VideoFrame) -> Picture:
    frame.time_base = video.time_base  # PyAV leaves it unset on frames that a drained decoder gives
    return Picture(frame, frame.pts, video.time_base, bool(frame.key_frame), frame.is_corrupt)


class _Screen:
    """What a player would show."""

    def __init__(self, video: Video, times: Iterator[Fraction]) -> None:
        self._video = video
        self._step = round(1 / (video.fps or 25) / video.time_base)
        self._rhythm = KeyframeRhythm(0)
        self._times = times
        self.wanted: Fraction | None = next(times, None)
        """The next time; None when there is no more."""
        self.before: VideoFrame | None = None
        """What is on screen so far."""
        self._origin: int | None = None
        self._held: list[Packet[VideoStream]] = []  # since the last keyframe, undecoded
        self._held_bytes = 0
        self._decodes = True  # what comes; else it is held
        self._skipped = 0

    def feed(self, packet: Packet[VideoStream]) -> Iterator[tuple[Fraction, Picture]]:
        """What this packet brings to light."""
        assert packet.pts is not None
        if self._origin is None:
            self._skipped += 1
            if not packet.is_keyframe and self._skipped <= _MAX_BEFORE_KEYFRAME:
                return
            self._origin = packet.pts
        if packet.is_keyframe:
            self._rhythm.keyframe(packet.pts)
            if self._rhythm.opens_gops and self._due >= packet.pts:
                self._begin_anew()
        self._held.append(packet)
        self._held_bytes += packet.size
        too_much = len(self._held) > _MAX_HELD_PACKETS or self._held_bytes > _MAX_HELD_BYTES
        if self._decodes or packet.pts >= self._due or too_much:
            yield from self._decode_held()

    def finish(self) -> Iterator[tuple[Fraction, Picture]]:
        """What is left at the end: the last frame stays on screen for as long as those before it did."""
        yield from self._decode_held()
        yield from self._shown(_decoded(self._video, None))
        if self.before is not None and self.before.pts is not None:
            yield from self._until(self.before.pts + self._step, self.before)

    @property
    def _due(self) -> int:
        """The wanted time in ticks."""
        return (self._origin or 0) + round((self.wanted or Fraction(0)) / self._video.time_base)

    def _begin_anew(self) -> None:
        """Nothing that came before this keyframe is wanted any more."""
        self._video.stream.codec_context.flush_buffers()
        self._held, self._held_bytes, self._decodes = [], 0, False

    def _decode_held(self) -> Iterator[tuple[Fraction, Picture]]:
        held, self._held, self._held_bytes, self._decodes = self._held, [], 0, True
        for packet in held:
            yield from self._shown(_decoded(self._video, packet))

    def _shown(self, frames: Iterable[VideoFrame]) -> Iterator[tuple[Fraction, Picture]]:
        for frame in frames:
            self._rhythm.decoded(frame)
            if frame.pts is None:
                continue
            yield from self._until(frame.pts, self.before or frame)
            self.before = frame
            yield from self._until(frame.pts + 1, frame)  # wanted at this very tick

    def _until(self, end: int, frame: VideoFrame) -> Iterator[tuple[Fraction, Picture]]:
        """The frame, for each wanted time before that tick."""
        while self.wanted is not None and self._due < end:
            yield self.wanted, _picture(self._video, frame)
            self.wanted = next(self._times, None)
