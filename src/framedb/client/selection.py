"""Which frames: by their keys, or by source and time. Both can be shared among processes without asking anyone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from framedb.client.arguments import as_keys, as_source, as_time
from framedb.client.database import FrameDB
from framedb.errors import InvalidInputError
from framedb.frame import Frame

_PAGE = 16  # frames read in one go; as many of them are in memory


class Selection(Protocol):
    """Frames that somebody wants."""

    def shard(self, index: int, number: int) -> "Selection":
        """The share of one of `number` processes."""

    def frames(self, db: FrameDB) -> Iterator[Frame]:
        """Those that are there."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Frames by their keys, in this order. A share is every so-and-so-many-th key."""

    keys: tuple[str, ...]
    source: str | None = None
    """For keys that do not tell it."""

    @classmethod
    def of(cls, keys: Iterable[str], *, source: str | None) -> "Keys":
        """Raises InvalidInputError for what are no keys."""
        return cls(tuple(as_keys(keys)), None if source is None else as_source(source))

    def shard(self, index: int, number: int) -> "Keys":
        """As `Selection.shard`."""
        _check_share(index, number)
        return Keys(self.keys[index::number], self.source)

    def frames(self, db: FrameDB) -> Iterator[Frame]:
        """As `Selection.frames`."""
        for at in range(0, len(self.keys), _PAGE):
            found = db.get_many(self.keys[at : at + _PAGE], source=self.source)
            yield from (frame for frame in found if frame is not None)


@dataclass(frozen=True, slots=True)
class Span:
    """Frames of a source captured in `start <= t < stop`. A share is a part of that time, so that nothing is read twice."""

    source: str
    start: datetime
    stop: datetime

    @classmethod
    def of(cls, source: str, start: datetime, stop: datetime) -> "Span":
        """Raises InvalidInputError for times without a zone."""
        # In UTC, where a day that is divided has 24 hours.
        return cls(as_source(source), as_time(start).astimezone(UTC), as_time(stop).astimezone(UTC))

    def shard(self, index: int, number: int) -> "Span":
        """As `Selection.shard`."""
        _check_share(index, number)
        return Span(self.source, self._edge(index, number), self._edge(index + 1, number))

    def frames(self, db: FrameDB) -> Iterator[Frame]:
        """As `Selection.frames`."""
        return db.range(self.source, self.start, self.stop)

    def _edge(self, index: int, number: int) -> datetime:
        # From the same two ends each time, so that neighbours agree to the microsecond.
        return self.start + (self.stop - self.start) * index / number


def _check_share(index: int, number: int) -> None:
    if not 0 <= index < number:
        raise InvalidInputError(f"there is no share {index} of {number}: count from 0")
