"""Chosen frames of a video, each exactly what decoding all of it gives."""

from __future__ import annotations  # PyAV's stubs make Packet generic; at run time it is not

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import TracebackType
from typing import Self

from av import Packet, VideoFrame
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.stream import VideoStream

from framedb.errors import MediaError
from framedb.media.index import VideoIndex
from framedb.media.picture import Picture
from framedb.media.reference import disposable_pictures_can_be_skipped
from framedb.media.video import Video, open_video

logger = logging.getLogger(__name__)

_PREROLL = (
    30  # seconds decoded before a frame that did not come out from its keyframe: most streams have healed by then
)


@dataclass(frozen=True, slots=True)
class Run:
    """Frames that are decoded in one go."""

    entry: tuple[int, int] | None
    """pts and dts, in ticks, of the keyframe to begin at; None: the start of a video that can only be read from there."""
    pts: tuple[int, ...]
    """Ticks of the wanted frames, ascending."""
    timed: bool = True
    """False where the stream has no timestamps: then frames are counted."""


def runs_of(index: VideoIndex, numbers: Sequence[int]) -> list[Run]:
    """What to decode for these frames of the index (ascending): each run from a keyframe to the last frame wanted of it.

    GOPs that touch become one run, so that a decoder is neither emptied nor sent back between them.
    """
    runs: list[Run] = []
    wanted: list[int] = []
    begin = until = -2
    for number in numbers:
        entry, position = int(index.entry[number]), int(index.position[number])
        if wanted and index.seekable and entry != int(index.entry[begin]) and entry > until + 1:
            runs.append(_run(index, begin, wanted))
            wanted = []
        if not wanted:
            begin, until = number, position
        wanted.append(int(index.pts[number]))
        until = max(until, position)
    if wanted:
        runs.append(_run(index, begin, wanted))
    return runs


def _run(index: VideoIndex, begin: int, wanted: Sequence[int]) -> Run:
    entry = (int(index.entry_pts[begin]), int(index.entry_dts[begin])) if index.seekable else None
    return Run(entry, tuple(wanted), timed=index.timed)


def pictures_at(
    url: str,
    index: VideoIndex,
    pts: Sequence[int],
    *,
    threads: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Picture]:
    """The frames with these timestamps of the index, as decoding all of the video gives them. Errors as `ExactDecoder`."""
    places = {int(ticks): number for number, ticks in enumerate(index.pts)}
    runs = runs_of(index, sorted(places[ticks] for ticks in set(pts)))
    with ExactDecoder(url, threads=threads, should_stop=should_stop) as decoder:
        for run in runs:
            for _, picture in decoder.pictures(run):
                yield picture


class ExactDecoder:
    """Decodes runs of an open video. Use it in a `with` statement."""

    _video: Video
    _reader: Iterator[Packet[VideoStream]]  # what follows in the video

    def __init__(
        self, url: str, *, threads: int = 0, should_stop: Callable[[], bool] = lambda: False, open_timeout: float = 10.0
    ) -> None:
        """`threads` of the decoder, 0: as many as there are cores. Raises as `open_video`."""
        self._open: Callable[[], Video] = partial(open_video, url, open_timeout=open_timeout)
        self._threads = threads
        self._should_stop = should_stop
        self._begin()

    def pictures(self, run: Run) -> Iterator[tuple[int, Picture]]:
        """The wanted frames, each beside the timestamp it was wanted by, until `should_stop`.

        A frame that damage keeps from coming out is replaced by the one shown before it, as in a player, and comes last; if
        there is none either, nothing comes in its place. Raises MediaError when the video cannot be read at all.
        """
        missing = set(run.pts)
        if run.entry is None:
            self._restart()
        else:
            self._go_to(*run.entry)
        for pts, frame in self._frames(run, skips=run.timed):
            if run.entry is not None and pts == run.entry[0] and not _stands_alone(frame):
                break  # intra refresh: what is flagged as a keyframe begins a recovery that takes many frames
            if pts in missing:
                missing.remove(pts)
                yield pts, self._picture(frame)
        if missing and not self._should_stop():
            yield from self._again(run, sorted(missing))

    def _frames(self, run: Run, *, skips: bool) -> Iterator[tuple[int, VideoFrame]]:
        """What the decoder gives from here on until the wanted ones are out of it, and when each is shown."""
        context = self._video.stream.codec_context
        skips = skips and disposable_pictures_can_be_skipped(context)
        left, count = set(run.pts), 0
        for packet in self._packets():
            wanted = packet.pts in left
            context.skip_frame = "NONREF" if skips and not wanted else "DEFAULT"
            for frame in self._decoded(packet):
                yield (frame.pts or 0) if run.timed else count, frame
                count += 1
            if run.timed:
                left.discard(packet.pts or 0)
            elif count > run.pts[-1]:
                left.clear()
            if not left:
                break
        for frame in self._decoded(None):
            yield (frame.pts or 0) if run.timed else count, frame
            count += 1
        context.flush_buffers()

    def _again(self, run: Run, missing: list[int]) -> Iterator[tuple[int, Picture]]:
        """What did not come out, decoded from long before it and with nothing skipped; else what was shown before it."""
        self._go_before(run, missing[0])
        shown: VideoFrame | None = None
        for pts, frame in self._frames(Run(None, tuple(missing), timed=run.timed), skips=False):
            while missing and missing[0] < pts:
                yield from self._standing_in(shown, missing.pop(0))
            shown = frame
            if missing and missing[0] == pts:
                yield missing.pop(0), self._picture(frame)
        for pts in missing:
            yield from self._standing_in(shown, pts)

    def _standing_in(self, shown: VideoFrame | None, pts: int) -> Iterator[tuple[int, Picture]]:
        found = "nothing was shown before it" if shown is None else "the one shown before it stands in"
        logger.info("a frame cannot be decoded: %s", found, extra={"source": self._video.source.name, "pts": pts})
        if shown is not None:
            yield pts, self._picture(shown)

    def _decoded(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self._video.stream.codec_context.decode(packet)
        except FFmpegError as exc:
            logger.debug("a packet could not be decoded: %s", exc.strerror)
            return []

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Those that follow, until `should_stop`; damage ends the video."""
        try:
            for packet in self._reader:
                if self._should_stop():
                    return
                yield packet
        except MediaError as exc:
            logger.info("the video cannot be read on: %s", exc)

    def _go_to(self, pts: int, dts: int) -> None:
        """The keyframe with these timestamps is to be read next."""
        second = round(1 / self._video.time_base)
        for ticks in (pts, dts, dts - second, dts - _PREROLL * second):
            if self._seek(ticks) and self._find(pts, dts):
                return
        self._restart()
        if not self._find(pts, dts) and not self._should_stop():
            raise MediaError(f"{self._video.source.name}: a keyframe is gone; was the file changed meanwhile?")

    def _go_before(self, run: Run, pts: int) -> None:
        if run.entry is None or not self._seek(pts - round(_PREROLL / self._video.time_base)):
            self._restart()

    def _find(self, pts: int, dts: int) -> bool:
        for packet in self._packets():
            if packet.pts == pts and (packet.dts == dts or packet.is_keyframe):
                self._reader = chain([packet], self._reader)
                return True
            if packet.dts is not None and packet.dts > dts:
                return False
        return False

    def _seek(self, ticks: int) -> bool:
        self._at_start = False
        with suppress(MediaError):
            self._video.seek(ticks)
            self._reader = self._video.packets()
            return True
        return False

    def _restart(self) -> None:
        if not self._at_start:
            self._video.close()
            self._begin()
        self._at_start = False

    def _begin(self) -> None:
        self._video = self._open()
        if self._threads:
            self._video.stream.codec_context.thread_count = self._threads
        self._reader = self._video.packets()
        self._at_start = True

    def _picture(self, frame: VideoFrame) -> Picture:
        frame.time_base = self._video.time_base  # PyAV leaves it unset on frames that a drained decoder gives
        return Picture(frame, frame.pts, self._video.time_base, bool(frame.key_frame), frame.is_corrupt)

    def close(self) -> None:
        """Close the video."""
        self._video.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _stands_alone(frame: VideoFrame) -> bool:
    return bool(frame.key_frame) and frame.pict_type in (PictureType.I, PictureType.NONE)  # some codecs name no type
