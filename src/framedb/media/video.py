"""A video that is open: decoded frames, at a chosen rate."""

from __future__ import annotations  # PyAV's stubs make Packet generic; at run time it is not

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import av
from av import Packet, VideoFrame
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.stream import Disposition
from av.video.stream import VideoStream

from framedb.errors import InvalidInputError, MediaTimeoutError, NotVideoError
from framedb.media.movie_header import MovieHeader
from framedb.media.picture import Picture
from framedb.media.sampler import Sampler
from framedb.media.source import MediaSource, parse_url
from framedb.media.sparse import SparseDecoder
from framedb.media.translate import translated

_MAX_UNTIMED = 3
# PyAV 18, the last one for Python 3.11, refuses a file for a title in another encoding; 19 does not, and has no such option.
_LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if av.__version__.startswith("18.") else {}
_DURATION = re.compile(r"(?P<h>\d+):(?P<m>\d+):(?P<s>[\d.]+)")
_TOO_BROKEN = 300  # packets in a row without one picture: this is not going to be a video any more


def open_video(
    url: str, *, open_timeout: float = 10.0, read_timeout: float = 10.0, header: MovieHeader | None = None
) -> Video:
    """Open a camera, file, device or test pattern (see `parse_url`). Use it in a `with` statement.

    Timeouts are in seconds: for opening as a whole, and for each read after that. A file on a server has none of them: it is
    given up when nothing came for `MediaSource.stall`. With a `header` nothing but that of it is read, and no picture of it
    can be decoded. Raises MediaUnavailableError, MediaTimeoutError, NotVideoError, and InvalidInputError for a URL of no known
    kind.
    """
    source = parse_url(url)
    source.check()
    began = time.monotonic()
    deadline = source.stall or open_timeout / 2  # FFmpeg's holds for connecting, and once more for finding the streams
    try:
        container = _container(source, header, None if source.stall else (deadline, read_timeout))
    except FFmpegError as exc:
        # An interrupted RTSP handshake ends as "invalid data": the clock knows better.
        late = (source.live or source.stall) and time.monotonic() - began >= deadline
        after = source.stall or open_timeout if late else None
        raise translated(exc, source.name, after=after, live=source.live) from exc
    try:
        stream = _video_stream(container, source)
        if not stream.codec_context.width and time.monotonic() - began >= deadline:
            raise MediaTimeoutError(f"{source.name}: no picture came within {open_timeout:g} s; is the camera sending?")
        if not stream.codec_context.width:
            raise NotVideoError(f"{source.name} holds a video stream without a picture in it; is it complete?")
    except BaseException:
        container.close()
        raise
    return Video(source, container, stream, read_timeout=source.stall or read_timeout)


def _container(source: MediaSource, header: MovieHeader | None, timeout: tuple[float, float] | None) -> InputContainer:
    # A movie's header says all that a parser would find out from the pictures, which are not there.
    target, how, options = (
        (header, "mov", {"fflags": "noparse"}) if header else (source.target, source.format, source.options)
    )
    container: InputContainer = av.open(target, "r", format=how, options=options, timeout=timeout, **_LENIENT)
    if header is not None:
        header.skip_media()
    return container


def _video_stream(container: InputContainer, source: MediaSource) -> VideoStream:
    if container.format.name == "tty":
        raise NotVideoError(f"{source.name} is a text file; give the path of a video")
    # The cover of a piece of music is a video stream of one picture, to FFmpeg.
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = sorted({s.type for s in container.streams if s.type != "video"})
        raise NotVideoError(f"{source.name} has no video stream ({', '.join(kinds) or 'nothing'} only); give a video")
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and best in streams else streams[0]
    if stream.codec_context is None:
        raise NotVideoError(f"{source.name}: there is no decoder for its codec; convert it to H.264 first")
    if not source.live:
        stream.thread_type = "AUTO"
    # A live stream keeps one thread: frame threads would hold each picture back by as many frames.
    return stream


class Video:
    """An open video: `for picture in video.pictures(fps=1)`. One thread at a time may use it."""

    def __init__(
        self, source: MediaSource, container: InputContainer, stream: VideoStream, *, read_timeout: float
    ) -> None:
        self.source = source
        """Where it comes from."""
        self._container = container
        self.stream = stream
        """PyAV's own video stream: what plans its decoding itself needs it."""
        self._read_timeout = read_timeout
        assert stream.time_base is not None
        self.time_base: Fraction = stream.time_base
        """Seconds per tick of every `pts`."""

    @property
    def live(self) -> bool:
        """It has its own pace and no end."""
        return self.source.live

    @property
    def width(self) -> int:
        """Pixels, as coded."""
        return self.stream.codec_context.width

    @property
    def height(self) -> int:
        """Pixels, as coded."""
        return self.stream.codec_context.height

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec: `h264`, `hevc`, ..."""
        return self.stream.codec_context.codec.canonical_name

    @property
    def fps(self) -> float | None:
        """Frames per second on average, as the stream claims; None where it claims nothing believable."""
        for rate in (self.stream.average_rate, self.stream.guessed_rate):
            if rate and 0 < rate <= 1000:
                return float(rate)
        return None

    @property
    def duration(self) -> float | None:
        """Seconds; None for a camera, and where the file does not say. An RTSP server says it of a recording."""
        if self._container.duration is None or (self.live and self.container != "rtsp"):
            return None
        return self._container.duration / av.time_base

    @property
    def size(self) -> int:
        """Bytes of the file; 0 or less where nobody knows."""
        return self._container.size

    @property
    def container(self) -> str:
        """FFmpeg's name of the format of the container: `matroska,webm`, `mpegts`, ..."""
        return self._container.format.name

    @property
    def container_lists_all(self) -> bool:
        """The container has an index of every frame (MP4 and MOV; their fragmented kind lists what was found so far)."""
        return "mov" in self.container.split(",")

    @property
    def claimed_duration(self) -> float | None:
        """Seconds that the video stream itself is said to have; None where only the whole file is, or nothing."""
        if self.stream.duration is not None:
            return float(self.stream.duration * self.time_base)
        match = _DURATION.fullmatch(self.stream.metadata.get("DURATION", ""))  # Matroska
        if match:
            return int(match["h"]) * 3600 + int(match["m"]) * 60 + float(match["s"])
        return self.duration if len(self._container.streams) == 1 and self.container != "mpegts" else None

    @property
    def times_are_guessed(self) -> bool:
        """The container has times of decoding alone, and pictures are shown in another order (AVI with B-frames)."""
        return self.container == "avi" and self.stream.codec_context.has_b_frames

    def seek(self, ticks: int) -> None:
        """Go to the keyframe at or before this time, as well as the container can; the decoder forgets what it has.

        Raises MediaError where the container cannot.
        """
        try:
            self._container.seek(ticks, stream=self.stream)
        except FFmpegError as exc:
            raise translated(exc, self.source.name) from exc

    def pictures(
        self, *, fps: float | None = None, on_packet: Callable[[float | None], None] | None = None
    ) -> Iterator[Picture]:
        """Decoded frames at about `fps` (None: every frame), in order of presentation, until the stream ends.

        No more is decoded than the rate needs (see `SparseDecoder`). `on_packet` is told of every packet that arrives,
        decoded or not, with its pts in seconds: signs of life. Raises MediaTimeoutError, MediaUnavailableError, and
        NotVideoError when nothing of it can be decoded.
        """
        if fps is None:
            return self._pictures(self._all(on_packet))
        if not 1e-4 <= fps <= 1000:
            raise InvalidInputError(f"{fps} frames per second: give a rate between 0.0001 and 1000")
        return self._pictures(self._sampled(fps, on_packet))

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """The compressed packets of the video stream, each with a pts if the stream has any. Errors as `pictures`."""
        packets = self._read()
        # RTSP gives no timestamp to what comes before its first sender report. That is the first keyframe.
        untimed: list[Packet[VideoStream]] = []
        following: list[Packet[VideoStream]] = []
        for packet in packets:
            if packet.pts is None and not following and len(untimed) < _MAX_UNTIMED:
                untimed.append(packet)
                continue
            following.append(packet)
            # Of those that follow, the first to be shown need not be the first to come.
            if not untimed or packet.pts is None or len(following) > self.stream.codec_context.has_b_frames:
                break
        yield from self._with_times(untimed, following)
        yield from following
        yield from packets

    def _read(self) -> Iterator[Packet[VideoStream]]:
        packets = self._container.demux(self.stream)
        while True:
            began = time.monotonic()
            try:
                packet = next(packets, None)
            except FFmpegError as exc:
                late = time.monotonic() - began >= self._read_timeout
                raise translated(exc, self.source.name, after=self._read_timeout if late else None) from exc
            if packet is not None and packet.size:  # an empty one is the last: it only says "flush"
                yield packet
            # At a deadline FFmpeg first hands out the packet its parser held, and would wait once more.
            if self.live and time.monotonic() - began >= self._read_timeout:
                raise MediaTimeoutError(
                    f"{self.source.name}: nothing came within {self._read_timeout:g} s; "
                    f"is the camera on, and does the network reach it?"
                )
            if packet is None:
                return

    def _with_times(
        self, untimed: list[Packet[VideoStream]], following: list[Packet[VideoStream]]
    ) -> Iterator[Packet[VideoStream]]:
        step = round(1 / (self.fps or 25) / self.time_base)
        first = min((packet.pts for packet in following if packet.pts is not None), default=None)
        for position, packet in enumerate(untimed):
            if first is not None:
                packet.pts = first - step * (len(untimed) - position)
            yield packet

    def _sampled(self, fps: float, on_packet: Callable[[float | None], None] | None) -> Iterator[VideoFrame]:
        interval = 1 / self.fps if self.fps else None
        sampler = Sampler(fps, time_base=self.time_base, frame_interval=interval)
        period = 1 / fps + min(interval or 0.0, 1 / fps) / 2
        decoder = SparseDecoder(self.stream, sampler, longest_gop=math.ceil(period / self.time_base))
        for packet in self._heard(on_packet):
            yield from decoder.feed(packet)
            self._check(decoder.errors)
        yield from decoder.finish()

    def _all(self, on_packet: Callable[[float | None], None] | None) -> Iterator[VideoFrame]:
        context, errors = self.stream.codec_context, 0
        for packet in self._heard(on_packet):
            try:
                frames = context.decode(packet)
            except InvalidDataError:
                errors += 1
                self._check(errors)
                continue
            errors = 0 if frames else errors
            yield from frames
        with suppress(InvalidDataError):
            yield from context.decode(None)

    def _heard(self, on_packet: Callable[[float | None], None] | None) -> Iterator[Packet[VideoStream]]:
        # Of a camera, every packet comes by here, and few are decoded: integers are quicker than a Fraction.
        numerator, denominator = self.time_base.numerator, self.time_base.denominator
        for packet in self.packets():
            if on_packet is not None:
                on_packet(None if packet.pts is None else packet.pts * numerator / denominator)
            yield packet

    def _pictures(self, frames: Iterator[VideoFrame]) -> Iterator[Picture]:
        number = 0
        try:
            for number, frame in enumerate(frames, 1):  # noqa: B007  (counted for after the loop)
                frame.time_base = self.time_base  # PyAV leaves it unset on frames that a drained decoder gives
                yield Picture(frame, frame.pts, self.time_base, bool(frame.key_frame), frame.is_corrupt)
        except FFmpegError as exc:
            raise translated(exc, self.source.name) from exc
        if not number:
            raise NotVideoError(f"{self.source.name}: not one picture of it can be decoded; is the file complete?")

    def _check(self, errors: int) -> None:
        if errors > _TOO_BROKEN:
            raise NotVideoError(f"{self.source.name}: {errors} packets in a row cannot be decoded; is it damaged?")

    def close(self) -> None:
        """Close the file, or hang up on the camera."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
