"""`connect`, and the frame database it opens."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from typing_extensions import Buffer

from framedb.client.arguments import (
    Array,
    Seconds,
    Value,
    as_frame,
    as_frames,
    as_key,
    as_keys,
    as_room,
    as_seconds,
    as_source,
    as_time,
)
from framedb.client.arrivals import Arrivals
from framedb.client.cache import CacheInfo
from framedb.client.http import NodeClient
from framedb.client.locator import FixedLocator, HTTPLocator
from framedb.client.objects import HTTPStore
from framedb.config import Settings, read_settings
from framedb.errors import InvalidInputError, InvalidSettingError
from framedb.frame import Frame, utc_now
from framedb.queueing.base import FrameQueue
from framedb.queueing.opening import open_queue, queue_options
from framedb.resp import ClusterConnection
from framedb.resp.connection import parse_redis_url
from framedb.stores.base import Put, SourceStats
from framedb.stores.memory import MemoryStore
from framedb.tiering.tiers import Tiers

T = TypeVar("T")


def connect(url: str | None = None, *, token: str | None = None, cache_bytes: int | None = None) -> "FrameDB":
    """The frame database of the node at `url` (default: `FRAMEDB_URL`, else http://127.0.0.1:8000).

    `cache_bytes`: durable objects read last are kept, up to so many bytes (default: `FRAMEDB_CACHE_BYTES`, else 0: none). The
    node is asked each time whether they are still the same, so that nobody's overwrite is hidden.

    Without a `url`, and with `FRAMES_REDIS_URL` set, it is that server alone: frames in memory, and the queue of
    `BROKER_URL` or `REDIS_URL`, without a node.
    Nothing is opened before the first call. Raises InvalidSettingError for a URL that is none.
    """
    settings = read_settings()
    secret = settings.token.get_secret_value() if settings.token else None
    node = NodeClient(url or settings.url, token=token or secret, tls_ca=settings.tls_ca)
    alone = None if url else _without_a_node(settings)
    return FrameDB(node, alone=alone, settings=settings, cache_bytes=cache_bytes)


class FrameDB:
    """Frames by key, and by source and time. Thread-safe; close it, or use it in a `with`.

    Every call may raise NodeUnavailableError or StoreUnavailableError when nobody answers within a bounded wait, and
    InvalidInputError for what cannot be meant: then nothing was done. Times are aware datetimes; a span of time is a number
    of seconds, or a timedelta.
    """

    def __init__(
        self,
        node: NodeClient,
        *,
        alone: ClusterConnection | None = None,
        settings: Settings | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        """`alone` is the one server to use where there is no node: then nothing is durable."""
        self.node = node
        self._settings = settings or read_settings()
        self._closed = False
        self._locator = FixedLocator(alone) if alone else HTTPLocator(node)
        self._durable = HTTPStore(node, cache_bytes=self._settings.cache_bytes if cache_bytes is None else cache_bytes)
        self._tiers = Tiers(
            self._locator,
            None if alone else self._durable,
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
        ttl: Seconds | None = None,
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
        return self.tiers.put(frame, ttl=_ttl(ttl), durable=durable, replicated=replicated)

    def put_many(
        self,
        frames: Iterable[Frame],
        *,
        ttl: Seconds | None = None,
        durable: bool = False,
        replicated: bool = False,
    ) -> list[Put]:
        """Store frames in one go; results in their order. After an error put all of them again: nothing is stored twice."""
        return self.tiers.put_many(as_frames(frames), ttl=_ttl(ttl), durable=durable, replicated=replicated)

    def get(self, key: str, *, source: str | None = None) -> Frame | None:
        """The frame, or None when there is none. `source` is needed only for keys that do not tell it themselves."""
        return self.tiers.get(as_key(key), source=_source(source))

    def get_many(self, keys: Iterable[str], *, source: str | None = None) -> list[Frame | None]:
        """Frames in the order of the keys; None for each that is not there."""
        return self.tiers.get_many(as_keys(keys), source=_source(source))

    def get_into(self, key: str, buffer: "Buffer | Array", *, source: str | None = None) -> int | None:
        """Read the bytes into a buffer or array you hold, without another copy; how many there were, or None.

        Raises BufferTooSmallError.
        """
        return self.tiers.get_into(as_key(key), as_room(buffer), source=_source(source))

    def delete(self, *keys: str, source: str | None = None) -> int:
        """Remove frames wherever they are; how many there were."""
        return self.tiers.delete_many(as_keys(keys), source=_source(source))

    def scan(self, prefix: str = "", *, source: str | None = None) -> Iterator[str]:
        """Keys that begin with `prefix`, of one source or of all; in no promised order."""
        if not isinstance(prefix, str):
            raise InvalidInputError(f"a prefix is text, not {type(prefix).__name__}")
        return self._while_open(self.tiers.scan(prefix, source=_source(source)))

    def latest(self, source: str) -> Frame | None:
        """The frame of the source that was captured last."""
        return self.tiers.latest(as_source(source))

    def at(self, source: str, time: datetime, *, tolerance: Seconds | None = None) -> Frame | None:
        """The frame captured closest to `time`, and no further from it than `tolerance`; its `captured_at` tells how far."""
        within = None if tolerance is None else timedelta(seconds=as_seconds(tolerance, "tolerance"))
        return self.tiers.nearest(as_source(source), as_time(time), tolerance=within)

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """Frames captured in `start <= t < stop`, in order; a few at a time are in memory."""
        return self._while_open(self.tiers.range(as_source(source), as_time(start), as_time(stop)))

    def stream(self, source: str, *, since: datetime | None = None, interval: Seconds = 0.1) -> Iterator[Frame]:
        """Frames of the source as they come in, for ever: in order of capture, from `since` (by default now) on.

        It takes nothing away, and so is no queue. `interval` is the pause in seconds between two looks. A frame that comes
        late, captured before one that was given, is left out.
        """
        return self._followed(self.arrivals(source, since=since), max(0.0, as_seconds(interval, "interval")))

    def arrivals(self, source: str, *, since: datetime | None = None) -> Arrivals:
        """What `stream` asks, again and again."""
        self._check_open()
        return Arrivals(lambda: self.tiers, as_source(source), utc_now() if since is None else as_time(since))

    def sources(self) -> list[str]:
        """Sources that have frames."""
        return self.tiers.sources()

    def stats(self, source: str) -> SourceStats:
        """Frames and bytes held of the source, and drops by reason."""
        return self.tiers.stats(as_source(source))

    def cache_info(self) -> CacheInfo:
        """How the cache of durable objects has done: hits, misses, and what it holds."""
        return self._durable.cache_info()

    @property
    def tiers(self) -> Tiers:
        """Every place frames may be, as one store: what a `Publisher` writes to. Raises InvalidInputError once closed."""
        self._check_open()
        return self._tiers

    def memory(self, source: str) -> MemoryStore:
        """The memory store that holds the source: for announcing, leasing and dropping."""
        return self.tiers.memory(source)

    def connection(self, *, source: str | None = None) -> ClusterConnection:
        """How the node says its engines are reached: the cluster of the source, or cluster `local`, and the control server."""
        self._check_open()
        return self._locator.connection(source=source)

    def queue(self, **options: Any) -> FrameQueue:
        """One more connection to the frame queue, for one thread. Options are those of `open_queue`, by default as set."""
        connection = self.connection()
        if connection.control is None:
            raise InvalidSettingError("the frame queue needs a node, or REDIS_URL beside FRAMES_REDIS_URL")
        given = {**queue_options(self._settings), **options}
        return open_queue(connection.control, broker_url=connection.broker_url, **given)

    def close(self) -> None:
        """Close every connection. What is called afterwards raises InvalidInputError; closing again does nothing."""
        self._closed = True
        self._tiers.close()
        self.node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidInputError("this FrameDB is closed: connect again, or close it later")

    def _while_open(self, items: Iterator[T]) -> Iterator[T]:
        for item in items:
            yield item
            self._check_open()  # else what is left would be read over a connection that nobody closes

    def _followed(self, arrivals: Arrivals, interval: float) -> Iterator[Frame]:
        while True:
            page = arrivals.next_page(utc_now())
            yield from page
            if not page:
                time.sleep(interval)


def _ttl(ttl: Seconds | None) -> float | None:
    return None if ttl is None else as_seconds(ttl, "ttl")


def _source(source: str | None) -> str | None:
    return None if source is None else as_source(source)


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
