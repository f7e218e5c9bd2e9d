"""The header of an MP4 or MOV, as if it were all of it: times of frames are told by it alone."""

import io
from collections.abc import Sequence

from framedb.media.ranges import RangedFile

_MAX_BOXES = 100
_MAX_HEADER = 512 * 1024 * 1024  # bytes
_FIRST = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}


class MovieHeader(io.RawIOBase):
    """A movie that FFmpeg can open, of which only the header is fetched: after `skip_media` its pictures are zeros."""

    def __init__(self, file: RangedFile, media: Sequence[tuple[int, int]]) -> None:
        """`media`: where its boxes of sound and pictures begin and end."""
        self._file = file
        self._media = media
        self._skips = False
        self._at = 0

    def skip_media(self) -> None:
        """From here on sound and pictures are not fetched any more."""
        self._skips = True

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, some at least, and none at the end. Raises OSError."""
        length = self._file.size - self._at if size < 0 else size
        data = self._zeros(length) if self._skips else b""
        data = data or self._file.read(self._at, length)
        self._at += len(data)
        return data

    def _zeros(self, length: int) -> bytes:
        for begin, end in self._media:
            if begin <= self._at < end:
                return bytes(min(length, end - self._at))
        return b""


def movie_header(file: RangedFile) -> MovieHeader | None:
    """The header of the movie; None for what is no MP4 or MOV, is not complete, or is in fragments, each with a header.

    Raises OSError.
    """
    media: list[tuple[int, int]] = []
    at, header = 0, False
    for _ in range(_MAX_BOXES):
        if at == file.size:
            return MovieHeader(file, media) if header else None
        kind, begin, end = _box(file, at)
        if (at == 0 and kind not in _FIRST) or kind in (b"moof", b"sidx") or not begin <= end <= file.size:
            return None
        if kind == b"mdat":
            media.append((begin, end))
        elif kind == b"moov":
            if end - begin > _MAX_HEADER:
                return None
            _fetch(file, begin, end)
            header = True
        at = end
    return None


def _box(file: RangedFile, at: int) -> tuple[bytes, int, int]:
    """ISO/IEC 14496-12, 4.2: its type, and where what is in it begins and ends."""
    head = file.read(at, 16)
    if len(head) < 16:  # a piece may end in the middle of it
        head += file.read(at + len(head), 16 - len(head))
    size, begin = int.from_bytes(head[:4]), at + 8
    if size == 1:
        size, begin = int.from_bytes(head[8:16]), at + 16
    return head[4:8], begin, file.size if size == 0 else at + size


def _fetch(file: RangedFile, begin: int, end: int) -> None:
    """All of it at once, and not piece by piece as it is read."""
    while begin < end and (data := file.read(begin, end - begin)):
        begin += len(data)
