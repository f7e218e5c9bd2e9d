"""Where every frame of a video is, found without decoding."""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from framedb.errors import MediaError, NotVideoError
from framedb.media.cut_off import is_cut_off
from framedb.media.movie_header import movie_header
from framedb.media.ranges import RangedFile
from framedb.media.source import parse_url
from framedb.media.video import Video, open_video

Ticks = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

_MUCH = 1.0  # seconds a file may be said to be longer than it is
_EVEN = 0.98  # of all steps from frame to frame
_NONE = np.iinfo(np.int64).min  # of a packet without such a timestamp


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The frames a player shows, in order of presentation, and what it takes to decode each of them.

    Frames that an edit list hides are left out, and so are those before the first keyframe.
    """

    url: str = field(repr=False)
    """As given; it may hold a password."""
    width: int
    """Pixels, as coded."""
    height: int
    """Pixels, as coded."""
    codec: str
    """FFmpeg's name."""
    fps: float
    """Frames per second on average."""
    time_base: Fraction
    """Seconds per tick."""
    pts: Ticks
    """Ticks; where the stream has no timestamps, frames are counted."""
    end: int
    """Ticks: when the last frame goes."""
    keyframe: Flags
    """Decodable by itself."""
    position: Ticks
    """The frame's place in the order of decoding."""
    entry: Ticks
    """The place in that order of the keyframe at which decoding has to begin; itself, for a keyframe."""
    entry_pts: Ticks
    """Ticks: of that keyframe."""
    entry_dts: Ticks
    """Ticks: its time of decoding."""
    seekable: bool
    """Whether a decoder may begin anywhere but at the start."""
    timed: bool
    """Whether the stream has timestamps; if not, frames are counted, at the rate it claims."""
    lost: str | None
    """What of the video cannot be read, for a person; None when it is complete."""

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return float((self.end - int(self.pts[0])) * self.time_base)

    def seconds(self, number: int) -> float:
        """When a frame is shown, in seconds since the first one."""
        return float(int(self.pts[number] - self.pts[0]) * self.time_base)

    def on_screen(self, time: Fraction) -> int:
        """The number of the frame on screen so many seconds after the first one, to the tick nearest it."""
        return int(np.searchsorted(self.pts, self.pts[0] + self.ticks(time), side="right")) - 1

    def ticks(self, time: Fraction) -> int:
        """Seconds in ticks. Rounded, as the file's own timestamps are: frame 2 of 30 a second may stand at 0.067."""
        return round(time / self.time_base)


def read_index(url: str, *, open_timeout: float = 10.0, should_stop: Callable[[], bool] = lambda: False) -> VideoIndex:
    """The frames of a video that has an end, from one pass over its packets; nothing is decoded.

    Of a complete MP4 or MOV on a web server that sends parts of files the header alone is fetched: FFmpeg takes the times of
    its frames from there, and what stands alone. Everything else is read from end to end, wherever it is: no other container
    tells the times of all its frames in one place, and a list of the times of decoding, which some have, does not do.

    A damaged or cut-off file gives what can be read of it, and says in `lost` what cannot. `should_stop` is looked at
    between packets: once it is true, the rest counts as lost. Raises as `open_video`, and NotVideoError for a camera.
    """
    source = parse_url(url)
    if source.stall is not None and (index := _from_header(url, source.stall, should_stop)) is not None:
        return index
    with open_video(url, open_timeout=open_timeout) as video:
        if video.live:
            raise NotVideoError(f"{video.source.name} is live and has no end; add it as a camera instead")
        if video.source.format == "lavfi" and "duration=" not in urlsplit(url).query:
            raise NotVideoError(f"{url} never ends; add duration=5 to it")
        return _read(video, should_stop)


def _from_header(url: str, stall: float, should_stop: Callable[[], bool]) -> VideoIndex | None:
    """None where there is none, or not all is in it; what went wrong shows again when all is read."""
    with suppress(OSError, MediaError), closing(RangedFile(url, stall=stall)) as file:
        header = movie_header(file)
        if header is None:
            return None
        with open_video(url, header=header) as video:
            return _read(video, should_stop) if _lists_keyframes(video) else None
    return None


def _lists_keyframes(video: Video) -> bool:
    """Where a header calls all frames keyframes, those of most codecs are not: only the pictures tell."""
    listed = video.stream.index_entries
    return video.stream.codec_context.codec.intra_only or not all(entry.is_keyframe for entry in listed)


def _read(video: Video, should_stop: Callable[[], bool]) -> VideoIndex:
    packets = _Packets(video, should_stop)
    packets.read()
    return packets.index()


class _Packets:
    """What packets say of themselves, in order of decoding."""

    def __init__(self, video: Video, should_stop: Callable[[], bool]) -> None:
        self._video = video
        self._should_stop = should_stop
        self._rows: list[tuple[int, int, int, bool, bool, bool]] = []  # pts, dts, duration, keyframe, hidden, damaged
        self._error: str | None = None

    def read(self) -> None:
        rows = self._rows
        try:
            for packet in self._video.packets():
                if self._should_stop():
                    break
                pts, dts = packet.pts, packet.dts
                rows.append(
                    (
                        _NONE if pts is None else pts,
                        _NONE if dts is None else dts,
                        packet.duration or 0,
                        packet.is_keyframe,
                        packet.is_discard,
                        packet.is_corrupt,
                    )
                )
        except MediaError as exc:
            if not rows:
                raise
            self._error = str(exc)
        if not rows:
            raise NotVideoError(f"{self._video.source.name}: there is not one picture in it; is the file complete?")

    def index(self) -> VideoIndex:
        pts, dts, duration, keyframe, hidden, _ = (np.array(column) for column in zip(*self._rows, strict=True))
        if self._lies_still or not keyframe.any():
            keyframe[:] = True if self._lies_still else keyframe
            keyframe[0] = True
        if (pts == _NONE).any() or self._video.times_are_guessed:
            return self._untimed(keyframe)
        entry = _entries(pts, keyframe)
        shown = np.flatnonzero((entry >= 0) & ~hidden)
        if not len(shown):
            raise NotVideoError(f"{self._video.source.name}: not one picture of it is to be shown; is it complete?")
        _, first = np.unique(pts[shown], return_index=True)  # sorts, and drops a second frame at the same time
        shown = shown[first]
        last = shown[-1]
        dts = np.where(dts == _NONE, pts, dts)
        return self._made(
            time_base=self._video.time_base,
            pts=pts[shown],
            end=int(pts[last] + (duration[last] or self._usual_step(pts[shown]))),
            keyframe=keyframe[shown],
            position=shown.astype(np.int64),
            entry=entry[shown],
            entry_pts=pts[entry[shown]],
            entry_dts=dts[entry[shown]],
            seekable=self._video.source.format != "lavfi",
            timed=True,
        )

    def _untimed(self, keyframe: Flags) -> VideoIndex:
        """Frames are counted at the rate the stream claims, and decoded from the start."""
        order = np.arange(len(keyframe), dtype=np.int64)
        start = np.zeros_like(order)
        fps = Fraction(self._video.fps or 25).limit_denominator(1001)
        return self._made(
            time_base=1 / fps, pts=order, end=len(order), keyframe=keyframe, position=order,
            entry=start, entry_pts=start, entry_dts=start, seekable=False, timed=False,
        )  # fmt: skip

    def _made(self, **found: Any) -> VideoIndex:
        video = self._video
        fps = video.fps or float(len(found["pts"]) / ((found["end"] - found["pts"][0]) * found["time_base"]))
        length = float((found["end"] - found["pts"][0]) * found["time_base"])
        end = self._end(float(found["pts"][0] * found["time_base"]), length)
        lost = [what for what in (self._damage(found["pts"], is_whole=end is None), end) if what]
        return VideoIndex(
            url=video.source.url,
            width=video.width,
            height=video.height,
            codec=video.codec,
            fps=fps,
            lost=" and ".join(lost) or self._error,
            **found,
        )

    @property
    def _lies_still(self) -> bool:
        """Every picture stands alone. Those of test patterns are not even flagged as keyframes."""
        return self._video.source.format == "lavfi"

    def _usual_step(self, pts: Ticks) -> int:
        if len(pts) > 1:
            return int(np.median(np.diff(pts)))
        return max(1, round(1 / Fraction(self._video.fps or 25) / self._video.time_base))

    def _damage(self, pts: Ticks, *, is_whole: bool) -> str | None:
        """What is wrong inside."""
        damaged = sorted(row[0] for row in self._rows[:-1] if row[5])
        if not damaged and is_whole and self._video.container == "mpegts":
            damaged = _holes(pts)
        if not damaged:
            return None
        places = "1 place" if len(damaged) == 1 else f"{len(damaged)} places"
        begin = max(0.0, float((damaged[0] - int(pts[0])) * self._video.time_base))
        return f"the video is damaged in {places}, first at {begin:.2f} s: parts of it are missing there"

    def _end(self, begin: float, length: float) -> str | None:
        """What is missing at the end."""
        video = self._video
        whole = len(self._rows) - self._rows[-1][5]  # of the very last frame there may be a part
        listed = len(video.stream.index_entries) if video.container_lists_all else 0
        if listed > whole:
            return f"{listed - whole} of {listed} frames are not in the file: it was cut off"
        claimed = video.claimed_duration or 0.0
        if video.container.startswith("matroska"):  # it counts from zero, wherever the video begins
            claimed -= begin
        if claimed > length + _MUCH and video.source.format != "lavfi":
            return f"the file is said to have {claimed:.1f} s of video, and {length:.1f} s can be read: it was cut off"
        keyframe = max((row[1] for row in self._rows if row[3]), default=0)
        if not self._should_stop() and is_cut_off(video, keyframe):
            return f"the end of the file is missing after {length:.2f} s: it was cut off"
        return None


def _holes(pts: Ticks) -> list[int]:
    """Where frames are missing that come evenly everywhere else: a counter of packets may fit again behind a hole."""
    steps = np.diff(pts)
    usual = np.median(steps) if len(steps) else 0
    even = (np.abs(steps - usual) <= 1).mean() if len(steps) else 0
    return [int(at) for at in pts[:-1][steps > 1.5 * usual]] if even > _EVEN else []


def _entries(pts: Ticks, keyframe: Flags) -> Ticks:
    """For each packet the keyframe to begin at, -1 where there is none.

    A picture that is decoded after a keyframe but shown before it may refer to what came before: leading pictures of an open
    GOP. They need the keyframe before that.
    """
    order = np.arange(len(pts), dtype=np.int64)
    latest: Ticks = np.maximum.accumulate(np.where(keyframe, order, -1))
    before = np.concatenate(([-1], latest[:-1]))  # the keyframe before that of this place
    entry = latest.copy()
    while (leading := (entry >= 0) & (pts < pts[entry])).any():
        entry[leading] = before[entry[leading]]
    return entry
