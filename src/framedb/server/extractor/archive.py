"""A zip of frames, made while it is sent."""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from io import RawIOBase
from pathlib import PurePosixPath

from typing_extensions import Buffer

from framedb.extraction.jobs import JobFrame


def zipped(frames: Iterable[JobFrame], read: Callable[[JobFrame], bytes]) -> Iterator[bytes]:
    """The zip, piece by piece; no more than a frame of it is held. JPEGs are stored as they are: they do not get smaller."""
    sent = _Sent()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_STORED) as archive:
        for frame in frames:
            entry = zipfile.ZipInfo(PurePosixPath(frame.path).name, frame.created_at.timetuple()[:6])
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, read(frame))
            yield sent.taken()
    yield sent.taken()


class _Sent(RawIOBase):
    """What was written and not yet taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data)
        self._written += view
        return view.nbytes

    def taken(self) -> bytes:
        """It, which is forgotten."""
        taken, self._written = bytes(self._written), bytearray()
        return taken
