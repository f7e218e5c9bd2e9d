"""`FrameStore`: what every place that keeps frames can do. One contract suite holds for all of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from typing_extensions import Buffer

from framedb.errors import InvalidInputError
from framedb.frame import Frame

KEEP = float("inf")
"""A TTL that never ends."""


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a frame that was put. True if it was stored."""

    key: str
    dropped: str | None = None
    """The reason the source's policy turned it away (`drop-newest`, ...); None: it is stored and can be read."""

    def __bool__(self) -> bool:
        return self.dropped is None


@dataclass(frozen=True, slots=True)
class SourceStats:
    """What a store holds of one source, and what it has dropped."""

    count: int = 0
    """Frames."""
    bytes: int = 0
    """Bytes of data."""
    drops: dict[str, int] = field(default_factory=dict)
    """Frames that went unacknowledged, by reason."""


def check_ttl(ttl: float) -> float:
    """`ttl` itself, if it is a time to live in seconds. Raises InvalidInputError otherwise."""
    if not ttl > 0:
        raise InvalidInputError(f"a time to live of {ttl} seconds is not possible: give more than 0, or none at all")
    return ttl


class FrameStore(ABC):
    """Keeps frames by key, and by source and capture time.

    Every method may raise StoreUnavailableError when the engine behind it does not answer. `source` need only be given
    for keys whose own form does not tell it (see `frame.source_of`).
    """

    def put(self, frame: Frame, *, ttl: float | None = None) -> Put:
        """Store one frame, over any earlier one of its key. `ttl` is in seconds: None means the source's default.

        Raises InvalidKeyError, InvalidInputError for a TTL that is not positive, StoreFullError, StaleWriterError.
        """
        return self.put_many([frame], ttl=ttl)[0]

    @abstractmethod
    def put_many(self, frames: Sequence[Frame], *, ttl: float | None = None) -> list[Put]:
        """Store frames in one go; results in their order. Errors as `put`; each frame is whole or absent."""

    def get(self, key: str, *, source: str | None = None) -> Frame | None:
        """The frame, or None when there is none under the key (any more)."""
        return self.get_many([key], source=source)[0]

    @abstractmethod
    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """Frames in the order of the keys; None for each that is not there."""

    @abstractmethod
    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """Read the frame's bytes into a writable, C-contiguous buffer; how many there were, or None if not there.

        Raises BufferTooSmallError when they do not fit.
        """

    def delete(self, key: str, *, source: str | None = None) -> bool:
        """Remove the frame; whether there was one."""
        return self.delete_many([key], source=source) == 1

    @abstractmethod
    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """Remove the frames; how many there were."""

    @abstractmethod
    def scan(self, prefix: str = "", *, source: str | None = None) -> Iterator[str]:
        """Keys that begin with `prefix`, of one source or of all; each once, in no promised order."""

    @abstractmethod
    def latest(self, source: str) -> Frame | None:
        """The frame of the source that was captured last."""

    @abstractmethod
    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """The frame captured closest to `at` (the earlier of two equally close), if within `tolerance`.

        Its own `captured_at` tells how far from `at` it is.
        """

    @abstractmethod
    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """Frames captured in `start <= t < stop`, in order of capture time; a few at a time are in memory."""

    @abstractmethod
    def sources(self) -> list[str]:
        """Sources with frames here, sorted."""

    @abstractmethod
    def stats(self, source: str) -> SourceStats:
        """What is held of the source, and what was dropped."""

    @abstractmethod
    def close(self) -> None:
        """Let go of every connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
