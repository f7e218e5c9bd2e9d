"""Rows of the SQL store, and the frames they stand for."""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Self, TypeVar

from sqlalchemy import Row
from typing_extensions import Buffer

from framedb.frame import Frame, check_key, check_source, from_microseconds, to_microseconds
from framedb.stores.chunks import CHUNK_BYTES, CHUNKS_PER_COMMIT
from framedb.stores.sql_tables import NEVER
from framedb.stores.stored import Stored

BATCH_BYTES = CHUNK_BYTES * CHUNKS_PER_COMMIT
"""Of frames in one transaction, or in memory at once."""

BATCH_FRAMES = 256
"""Frames in one transaction."""

Sized = TypeVar("Sized", "NewFrame", Row[Any])

_DEFAULTS = Frame("-", b"")

FrameRow = Row[Any]
"""A row of `frames`."""


@dataclass(slots=True)
class NewFrame:
    """A frame on its way in."""

    key: str
    version: bytes
    size: int
    lifetime: int | None
    """Microseconds, or None for ever."""
    columns: dict[str, Any]
    now: int = 0
    """When it was stored, once it is."""

    @classmethod
    def of(cls, frame: Frame, size: int, lifetime: int | None) -> Self:
        """Raises InvalidKeyError or InvalidFrameError if it cannot be stored."""
        columns = {
            "source": check_source(frame.source),
            "captured_at": from_microseconds(to_microseconds(frame.captured_at)),
            "chunk_bytes": CHUNK_BYTES,
            "details": details_of(frame),
        }
        return cls(check_key(frame.key), _new_version(), size, lifetime, columns)

    def times(self, now: int) -> tuple[datetime, int]:
        """`stored_at` and `expires_at`, if it is stored now."""
        return from_microseconds(now), NEVER if self.lifetime is None else now + self.lifetime

    def row(self, now: int) -> dict[str, Any]:
        """Its row in `frames`."""
        self.now = now
        stored_at, expires_at = self.times(now)
        times = {"stored_at": stored_at, "expires_at": expires_at}
        return {"key": self.key, "version": self.version, "size": self.size, **times, **self.columns}


def details_of(frame: Frame) -> dict[str, Any]:
    """What is known about the frame beyond its columns, as JSON; what is as in any frame is left out."""
    names = ("encoding", "width", "height", "pts", "keyframe", "corrupt", "shape", "dtype")
    details = {name: getattr(frame, name) for name in names if getattr(frame, name) != getattr(_DEFAULTS, name)}
    if frame.time_base is not None:
        details["time_base"] = [frame.time_base.numerator, frame.time_base.denominator]
    return details


def frame_of(row: FrameRow, data: Buffer) -> Frame:
    """The frame of a row."""
    details = dict(row.details)
    if "time_base" in details:
        details["time_base"] = Fraction(*details["time_base"])
    if "shape" in details:
        details["shape"] = tuple(details["shape"])
    return Frame(row.key, data, source=row.source, captured_at=row.captured_at, **details)


def stored_of(row: FrameRow) -> Stored:
    """What the row says."""
    return Stored(frame_of(row, b""), row.size, row.version.hex(), row.stored_at, moment_or_none(row.expires_at))


def moment_or_none(expires_at: int) -> datetime | None:
    """`expires_at` as a time; None for never."""
    return None if expires_at == NEVER else from_microseconds(expires_at)


def _new_version() -> bytes:
    """Sixteen bytes that sort by time, so that new chunks lie at the end of the tree."""
    return time.time_ns().to_bytes(8, "big") + secrets.token_bytes(8)


def storable(key: str) -> str:
    """The key, or one that is never stored where it could not be: a lookup of it finds nothing."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return ""
    return key


def by_size(items: Sequence[Sized]) -> Iterator[list[Sized]]:
    """Runs of items whose sizes together fit a transaction; one that does not fit stands alone."""
    batch: list[Sized] = []
    size = 0
    for item in items:
        if batch and (size + item.size > BATCH_BYTES or len(batch) == BATCH_FRAMES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size
    if batch:
        yield batch
