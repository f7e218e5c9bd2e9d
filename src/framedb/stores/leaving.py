"""What a source still has in a cluster that it leaves: how many frames, until when, and the frames themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from framedb.config import MiB
from framedb.frame import Frame, from_microseconds
from framedb.resp import Redis, execute_many, transaction
from framedb.resp.connection import is_server_error
from framedb.stores.base import KEEP
from framedb.stores.row import size_of_row, unpack_row

_PAGE_BYTES = 8 * MiB  # of frames that are in memory at a time, unless one alone has more
_GONE = -2  # what PTTL says of a key that is not there


@dataclass(frozen=True, slots=True)
class Holding:
    """What a cluster holds of a source."""

    count: int
    """Frames."""
    until: datetime | None
    """UTC, by the server's clock: when the last of them expires, or in the past if there are none. None: some are kept."""


class Leaving(NamedTuple):
    """A frame on its way to another cluster."""

    frame: Frame
    ttl: float
    """Seconds that are left to it, or KEEP."""
    unannounced: bool
    """It was put to be announced, and that is not confirmed."""


def look_at(redis: Redis, source: str) -> Holding:
    """What the server holds of the source. Expired frames should have been cleared before."""
    rows, expiring, last, (seconds, _) = transaction(
        redis,
        [
            ("HLEN", f"fdb:{source}:m"),
            ("ZCARD", f"fdb:{source}:x"),
            ("ZREVRANGE", f"fdb:{source}:x", 0, 0, "WITHSCORES"),
            ("TIME",),
        ],
    )
    if rows > expiring:
        return Holding(rows, None)
    until_ms = int(float(last[1])) if last else int(seconds) * 1000
    return Holding(rows, from_microseconds(until_ms * 1000))


def pages(redis: Redis, source: str, keys: Sequence[str]) -> Iterator[list[str]]:
    """The keys that have rows, few enough at a time for their frames to be held in memory."""
    rows: list[Any] = redis.hmget(f"fdb:{source}:m", list(keys)) if keys else []
    page: list[str] = []
    size = 0
    for key, row in zip(keys, rows, strict=True):
        if row is None:
            continue
        if page and size + size_of_row(row) > _PAGE_BYTES:
            yield page
            page, size = [], 0
        page.append(key)
        size += size_of_row(row)
    if page:
        yield page


def leaving(redis: Redis, source: str, keys: Sequence[str]) -> list[Leaving]:
    """The frames under the keys, those that are still there."""
    commands: list[tuple[Any, ...]] = []
    for key in keys:
        commands += [
            ("GET", key),
            ("PTTL", key),
            ("HGET", f"fdb:{source}:m", key),
            ("ZSCORE", f"fdb:{source}:out", key),
        ]
    replies = execute_many(redis, commands)
    for reply in replies:
        if is_server_error(reply):
            raise reply
    found = []
    for at, key in enumerate(keys):
        value, ttl_ms, row, announced = replies[4 * at : 4 * at + 4]
        if value is not None and row is not None and ttl_ms != _GONE:
            ttl = KEEP if ttl_ms < 0 else max(ttl_ms, 1) / 1000
            found.append(Leaving(unpack_row(key, source, value, row), ttl, announced is not None))
    return found
