"""`connect`, and the frame database it opens."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
from typing_extensions import Buffer

from framedb.client.arrivals import Arrivals
from framedb.client.http import NodeClient
from framedb.client.locator import FixedLocator, HTTPLocator
from framedb.client.objects import HTTPStore
from framedb.config import Settings, read_settings
from framedb.errors import InvalidSettingError
from framedb.frame import Frame, guess_encoding, parse_key, source_of, utc_now
from framedb.queueing.base import FrameQueue
from framedb.queueing.opening import open_queue, queue_options
from framedb.resp import ClusterConnection
from framedb.resp.connection import parse_redis_url
from framedb.stores.base import Put, SourceStats
from framedb.stores.memory import MemoryStore
from framedb.tiering.tiers import Tiers

Value: TypeAlias = "Buffer | np.ndarray[Any, np.dtype[Any]] | Frame"


def connect(url: str | None = None, *, token: str | None = None) -> "FrameDB":
    """The frame database of the node at `url` (default: `FRAMEDB_URL`, else http://127.0.0.1:8000).

    Without a `url`, and with `FRAMES_REDIS_URL` set, it is that server alone: frames in memory, and the queue of
    `BROKER_URL` or `REDIS_URL`, without a node.
    Nothing is opened before the first call. Raises InvalidSettingError for a URL that is none.
    """
    settings = read_settings()
    secret = settings.token.get_secret_value() if settings.token else None
    node = NodeClient(url or settings.url, token=token or secret)
    alone = None if url else _without_a_node(settings)
    return FrameDB(node, alone=alone, settings=settings)


class FrameDB:
    """Frames by key, and by source and time. Thread-safe; close it, or use it in a `with`.

    Every call may raise NodeUnavailableError or StoreUnavailableError when nobody answers within a bounded wait.
    """

    def __init__(
        self, node: NodeClient, *, alone: ClusterConnection | None = None, settings: Settings | None = None
    ) -> None:
        """`alone` is the one server to use where there is no node: then nothing is durable."""
        self.node = node
        self._settings = settings or read_settings()
        self._locator = FixedLocator(alone) if alone else HTTPLocator(node)
        self._tiers = Tiers(
            self._locator,
            None if alone else HTTPStore(node),
            clusters=self._locator.clusters,
            timeout=self._settings.connect_timeout,
            wait=self._settings.wait,
        )

    def put(
        self,
        key: str,
        value: Value,
        *,
        source: str | None = None,
        captured_at: datetime | None = None,
        ttl: float | None = None,
        durable: bool = False,
        replicated: bool = False,
    ) -> Put:
        """Store bytes, an array, or a frame under a key. False-like if its source's policy turned it away.

        `captured_at` is an aware datetime, by default the time the key tells, else now. `ttl` is in seconds, by default the
        source's. `durable`: acknowledged when it is on disk. `replicated`: acknowledged when every attached replica of the
        cluster, and at least half of its members, have it, so that it survives the death of the master; otherwise
        NotReplicatedError. Raises InvalidKeyError, InvalidFrameError, StoreFullError.
        """
        frame = as_frame(key, value, source=source, captured_at=captured_at)
        return self._tiers.put(frame, ttl=ttl, durable=durable, replicated=replicated)

    def put_many(
        self,
        frames: Sequence[Frame],
        *,
        ttl: float | None = None,
        durable: bool = False,
        replicated: bool = False,
    ) -> list[Put]:
        """Store frames in one go; results in their order. After an error put all of them again: nothing is stored twice."""
        return self._tiers.put_many(frames, ttl=ttl, durable=durable, replicated=replicated)

    def get(self, key: str, *, source: str | None = None) -> Frame | None:
        """The frame, or None when there is none. `source` is needed only for keys that do not tell it themselves."""
        return self._tiers.get(key, source=source)

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """Frames in the order of the keys; None for each that is not there."""
        return self._tiers.get_many(keys, source=source)

    def get_into(
        self, key: str, buffer: "Buffer | np.ndarray[Any, np.dtype[Any]]", *, source: str | None = None
    ) -> int | None:
        """Read the bytes into a buffer or array you hold, without another copy; how many there were, or None.

        Raises BufferTooSmallError.
        """
        return self._tiers.get_into(key, memoryview(buffer), source=source)  # type: ignore[arg-type]

    def delete(self, *keys: str, source: str | None = None) -> int:
        """Remove frames wherever they are; how many there were."""
        return self._tiers.delete_many(keys, source=source)

    def scan(self, prefix: str = "", *, source: str | None = None) -> Iterator[str]:
        """Keys that begin with `prefix`, of one source or of all."""
        return self._tiers.scan(prefix, source=source)

    def latest(self, source: str) -> Frame | None:
        """The frame of the source that was captured last."""
        return self._tiers.latest(source)

    def at(self, source: str, time: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """The frame captured closest to `time`; its `captured_at` tells how far from it."""
        return self._tiers.nearest(source, time, tolerance=tolerance)

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """Frames captured in `start <= t < stop`, in order."""
        return self._tiers.range(source, start, stop)

    def stream(self, source: str, *, since: datetime | None = None, interval: float = 0.1) -> Iterator[Frame]:
        """Frames of the source as they come in, for ever: in order of capture, from `since` (by default now) on.

        It takes nothing away, and so is no queue. `interval` is the pause in seconds between two looks. A frame that comes
        late, captured before one that was given, is left out.
        """
        arrivals = self.arrivals(source, since=since)
        while True:
            page = arrivals.next_page(utc_now())
            yield from page
            if not page:
                time.sleep(interval)

    def arrivals(self, source: str, *, since: datetime | None = None) -> Arrivals:
        """What `stream` asks, again and again."""
        return Arrivals(self._tiers, source, since or utc_now())

    def sources(self) -> list[str]:
        """Sources that have frames."""
        return self._tiers.sources()

    def stats(self, source: str) -> SourceStats:
        """Frames and bytes held of the source, and drops by reason."""
        return self._tiers.stats(source)

    @property
    def tiers(self) -> Tiers:
        """Every place frames may be, as one store: what a `Publisher` writes to."""
        return self._tiers

    def memory(self, source: str) -> MemoryStore:
        """The memory store that holds the source: for announcing, leasing and dropping."""
        return self._tiers.memory(source)

    def connection(self, *, source: str | None = None) -> ClusterConnection:
        """How the node says its engines are reached: the cluster of the source, or cluster `local`, and the control server."""
        return self._locator.connection(source=source)

    def queue(self, **options: Any) -> FrameQueue:
        """One more connection to the frame queue, for one thread. Options are those of `open_queue`, by default as set."""
        connection = self.connection()
        if connection.control is None:
            raise InvalidSettingError("the frame queue needs a node, or REDIS_URL beside FRAMES_REDIS_URL")
        given = {**queue_options(self._settings), **options}
        return open_queue(connection.control, broker_url=connection.broker_url, **given)

    def close(self) -> None:
        """Close every connection."""
        self._tiers.close()
        self.node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _without_a_node(settings: Settings) -> ClusterConnection | None:
    if settings.frames_redis_url is None:
        return None
    return ClusterConnection(
        "local",
        parse_redis_url(settings.frames_redis_url.get_secret_value()),
        epoch=None,
        durable=False,
        control=parse_redis_url(settings.redis_url.get_secret_value()) if settings.redis_url else None,
        broker_url=settings.broker_url.get_secret_value() if settings.broker_url else None,
    )


def as_frame(key: str, value: Value, *, source: str | None = None, captured_at: datetime | None = None) -> Frame:
    """What was given as a frame under the key."""
    if isinstance(value, Frame):
        return value
    parsed = parse_key(key)
    source = source or source_of(key)
    captured_at = captured_at or (parsed.captured_at if parsed else utc_now())
    if isinstance(value, np.ndarray):
        return Frame.from_array(key, value, source=source, captured_at=captured_at)
    return Frame(key, value, source=source, captured_at=captured_at, encoding=guess_encoding(value))
