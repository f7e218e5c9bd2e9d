"""One answer from what several stores say; where they disagree, the first of them is right."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from framedb.frame import Frame
from framedb.stores.base import SourceStats


def by_source(sources: Sequence[str]) -> dict[str, list[int]]:
    """Positions by what stands at them."""
    positions: dict[str, list[int]] = {}
    for position, source in enumerate(sources):
        positions.setdefault(source, []).append(position)
    return positions


def latest_of(found: Iterable[Frame | None]) -> Frame | None:
    """The frame that was captured last."""
    return max((frame for frame in found if frame is not None), key=lambda frame: frame.captured_at, default=None)


def nearest_of(found: Iterable[Frame | None], at: datetime) -> Frame | None:
    """The frame captured closest to `at`, the earlier of two."""
    return min(
        (frame for frame in found if frame is not None),
        key=lambda frame: (abs(frame.captured_at - at), frame.captured_at),
        default=None,
    )


def merged(streams: Iterable[Iterator[Frame]]) -> Iterator[Frame]:
    """Frames in order of capture; of a key that is in several the one of the first."""
    seen: set[str] = set()
    for frame in heapq.merge(*streams, key=lambda frame: frame.captured_at):
        if frame.key not in seen:
            seen.add(frame.key)
            yield frame


def sum_of(parts: Iterable[SourceStats | None]) -> SourceStats:
    """All of it together."""
    known = [part for part in parts if part is not None]
    drops: dict[str, int] = {}
    for part in known:
        for reason, number in part.drops.items():
            drops[reason] = drops.get(reason, 0) + number
    return SourceStats(sum(part.count for part in known), sum(part.bytes for part in known), drops)


def distinct(keys: Iterable[str]) -> Iterator[str]:
    """Each of them once."""
    seen = set()
    for key in keys:
        if key not in seen:
            seen.add(key)
            yield key
