"""Whether the end of a video is missing, where nothing in it says how many frames there should be."""

from contextlib import closing, suppress
from itertools import chain
from pathlib import Path

from av.error import FFmpegError

from framedb.errors import MediaError
from framedb.media.ranges import RangedFile
from framedb.media.video import Video

_TS_PACKETS = (188, 192, 204)  # bytes: plain, with a time before each, with a checksum behind it
_HEAD = 100  # bytes
_EBML = 0x1A45DFA3
_SEGMENT = 0x18538067


def is_cut_off(video: Video, keyframe: int) -> bool:
    """Whether a Matroska file is shorter than it says, or an MPEG-TS ends in the middle of a picture.

    The pictures of an MPEG-TS from its last `keyframe` on, decoded at that tick, are decoded for it.
    """
    if video.container == "mpegts":
        return (video.size > 0 and all(video.size % size for size in _TS_PACKETS)) or _breaks_off(video, keyframe)
    if video.container.startswith("matroska"):
        return (_stated_end(_head(video)) or 0) > video.size > 0
    return False


def _breaks_off(video: Video, keyframe: int) -> bool:
    """Whether of the pictures since then all but the last one to come are whole."""
    context = video.stream.codec_context
    context.options = {"err_detect": "explode"}  # else decoders make do, and few tell
    context.thread_count = 1  # with more, an error of one picture fails those beside it
    last: int | None = None
    failed = False
    whole: set[int | None] = set()
    with suppress(MediaError):
        video.seek(keyframe - round(1 / video.time_base))  # there it may land a little behind
        for packet in chain(video.packets(), [None]):
            last = packet.pts if packet is not None else last
            try:
                whole |= {frame.pts for frame in context.decode(packet) if not frame.is_corrupt}
            except FFmpegError:
                failed = True
            else:
                failed = failed and packet is None  # that of the last one counts
    return bool(whole) and (failed or last not in whole)


def _head(video: Video) -> bytes:
    with suppress(OSError):
        if video.source.stall is not None:
            with closing(RangedFile(video.source.url, stall=video.source.stall)) as file:
                return file.read(0, _HEAD)
        if video.source.target.startswith("file:"):
            with Path(video.source.target.removeprefix("file:")).open("rb") as local:
                return local.read(_HEAD)
    return b""


def _stated_end(head: bytes) -> int | None:
    """Where a Matroska file says that it ends, in bytes; None where it does not (RFC 8794, 6 and 11)."""
    at = 0
    for wanted in (_EBML, _SEGMENT):
        length = _length(head, at)
        if int.from_bytes(head[at : at + length]) != wanted:
            return None
        at += length
        length = _length(head, at)
        size = int.from_bytes(head[at : at + length]) & (1 << 7 * length) - 1
        if size == (1 << 7 * length) - 1:  # all ones: it was not known; none at all reads the same
            return None
        at += length + size
    return at


def _length(head: bytes, at: int) -> int:
    """Bytes of a number, by the place of the first bit of it that is set; 0 where there is none."""
    length = 9 - head[at].bit_length() if at < len(head) else 0
    return length if at + length <= len(head) and length < 9 else 0
