"""Decode only what a rate needs."""

from __future__ import annotations  # PyAV's stubs make Packet generic; at run time it is not

import logging
from collections import deque
from collections.abc import Iterator

from av import Packet, VideoFrame
from av.error import InvalidDataError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from framedb.media.reference import disposable_pictures_can_be_skipped
from framedb.media.sampler import Sampler

logger = logging.getLogger(__name__)

_MAX_HELD_PACKETS = 1000
_MAX_HELD_BYTES = 16 * 1024 * 1024  # some 10 seconds of a very good camera
_MAX_BEFORE_KEYFRAME = 600  # a stream that flags no keyframes at all is decoded from here on, as it comes


class SparseDecoder:
    """Turns packets into the frames a sampler chooses, and decodes few others.

    Packets wait undecoded until a frame among them is wanted; the rest of a GOP after its last wanted frame is never
    decoded. Where every GOP is shorter than a sample period, keyframes alone are decoded, and the frame of a period is its
    first keyframe rather than its first frame. Pictures no other one refers to are skipped unless wanted.
    """

    def __init__(self, stream: VideoStream, sampler: Sampler, *, longest_gop: int) -> None:
        """`longest_gop` is the longest keyframe interval, in ticks, at which keyframes suffice."""
        self._context: VideoCodecContext = stream.codec_context
        self._sampler = sampler
        self._rhythm = KeyframeRhythm(longest_gop)
        self._skips_disposable = disposable_pictures_can_be_skipped(self._context)
        # Every picture stands alone. Those of test patterns are not even flagged as keyframes.
        self._intra_only = self._context.codec.intra_only or self._context.name == "wrapped_avframe"
        self._held: list[Packet[VideoStream]] = []  # since the decoder's last picture, or since the last keyframe
        self._held_bytes = 0
        self._begun = False
        self._before_keyframe = 0
        self._empty = True  # nothing is in the decoder, and it needs a keyframe
        self._leading: int | None = None
        self.decoded = 0
        """Packets that were decoded, the skipped disposable ones not counted."""
        self.errors = 0
        """Packets in a row that could not be decoded."""

    def feed(self, packet: Packet[VideoStream]) -> Iterator[VideoFrame]:
        """The frames chosen, as far as this packet brings them out."""
        pts = packet.pts
        if pts is None:
            yield from self._decode_held()
            yield from self._chosen(self._decode(packet, wanted=True))
            return
        if self._intra_only:
            if self._sampler.wants(pts):
                yield from self._chosen(self._decode(packet, wanted=True))
            return
        if packet.is_keyframe:
            self._rhythm.keyframe(pts)
            if (self._held or self._empty) and (self._rhythm.opens_gops or not self._begun):
                yield from self._cut(pts)
            self._begun = True
        elif not self._begun and self._before_keyframe < _MAX_BEFORE_KEYFRAME:
            self._before_keyframe += 1
            return
        elif self._leading is not None and pts < self._leading:
            return  # it refers to pictures that were skipped
        self._held.append(packet)
        self._held_bytes += packet.size
        wanted = self._sampler.wants(pts)
        if wanted and packet.is_keyframe and self._empty and self._rhythm.suffices:
            yield from self._decode_alone(packet)
        elif wanted and not packet.is_keyframe and self._rhythm.promises_one_by(pts):
            pass
        elif wanted or self._sampler.awaits or self._is_too_much():
            yield from self._decode_held()

    def finish(self) -> Iterator[VideoFrame]:
        """What is left at the end of the stream."""
        if any(packet.pts is not None and self._sampler.wants(packet.pts) for packet in self._held):
            yield from self._decode_held()
        yield from self._chosen(self._drain())

    def _cut(self, pts: int) -> Iterator[VideoFrame]:
        """Forget what was held back: from this keyframe on nothing of it is needed."""
        yield from self._chosen(self._drain())
        self._sampler.settle()
        self._clear_held()
        self._leading = pts

    def _decode_alone(self, packet: Packet[VideoStream]) -> Iterator[VideoFrame]:
        # Drained at once, or it would come out with the next keyframe. It stays in `_held`: should the next keyframe be
        # late, decoding goes on from here.
        frames = self._decode(packet, wanted=True)
        yield from self._chosen(frames + self._drain())
        self._sampler.settle()

    def _decode_held(self) -> Iterator[VideoFrame]:
        held = self._held
        self._clear_held()
        for packet in held:
            wanted = packet.pts is None or self._sampler.wants(packet.pts)
            if wanted and packet.pts is not None:
                self._sampler.expect(packet.pts)
            yield from self._chosen(self._decode(packet, wanted=wanted))

    def _decode(self, packet: Packet[VideoStream], *, wanted: bool) -> list[VideoFrame]:
        skip = "NONREF" if self._skips_disposable and not wanted else "DEFAULT"
        if self._context.skip_frame != skip:
            self._context.skip_frame = skip  # type: ignore[assignment]
        self._empty = False
        self.decoded += skip == "DEFAULT"
        try:
            frames = self._context.decode(packet)
        except InvalidDataError as exc:
            self.errors += 1
            if packet.pts is not None:
                self._sampler.forget(packet.pts)
            logger.debug("a packet could not be decoded: %s", exc.strerror)
            return []
        if frames:
            self.errors = 0
        for frame in frames:
            self._rhythm.decoded(frame)
        return frames

    def _drain(self) -> list[VideoFrame]:
        if self._empty:
            return []
        try:
            frames = self._context.decode(None)
        except InvalidDataError:
            frames = []
        self._context.flush_buffers()
        self._empty = True
        for frame in frames:
            self._rhythm.decoded(frame)
        return frames

    def _chosen(self, frames: list[VideoFrame]) -> Iterator[VideoFrame]:
        return (frame for frame in frames if self._sampler.take(frame.pts))

    def _clear_held(self) -> None:
        self._held, self._held_bytes = [], 0

    def _is_too_much(self) -> bool:
        return len(self._held) > _MAX_HELD_PACKETS or self._held_bytes > _MAX_HELD_BYTES


class KeyframeRhythm:
    """How regularly keyframes come, and whether they are what they say."""

    def __init__(self, longest_gop: int) -> None:
        self._longest = longest_gop
        self._intervals: deque[int] = deque(maxlen=8)
        self._needed = 2
        self._last: int | None = None
        self._flagged: deque[int] = deque(maxlen=32)
        self._intra = 0
        self._seen_other = False

    @property
    def opens_gops(self) -> bool:
        """Decoding can begin at a keyframe. Not so with intra refresh, whose recovery points are flagged as keyframes."""
        return self._intra >= 2 and not self._seen_other  # the first one of all is decodable anyway

    @property
    def suffices(self) -> bool:
        """Keyframes have been coming at least once per sample period."""
        return self.opens_gops and self._needed <= len(self._intervals) and max(self._intervals) <= self._longest

    def promises_one_by(self, pts: int) -> bool:
        """At this time the next keyframe is not overdue yet. Once one is late, eight regular ones restore the trust."""
        if not self.suffices or self._last is None:
            return False
        if pts - self._last <= self._longest:
            return True
        self._intervals.clear()
        self._needed = 8
        return False

    def keyframe(self, pts: int) -> None:
        """A packet flagged as a keyframe came by."""
        if self._last is not None and pts > self._last:
            self._intervals.append(pts - self._last)
        self._last = pts
        self._flagged.append(pts)

    def decoded(self, frame: VideoFrame) -> None:
        """A frame came out: was it flagged, and is it what the flag says?"""
        if frame.pts in self._flagged:
            intra = bool(frame.key_frame) and frame.pict_type == PictureType.I
            self._intra += intra
            self._seen_other |= not intra
