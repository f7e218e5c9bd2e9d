"""`AsyncFrameDB`: the same calls for programs on asyncio, each in a thread."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from functools import wraps
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from framedb.client.arguments import Seconds, as_seconds
from framedb.client.database import FrameDB, connect
from framedb.frame import Frame, utc_now

P = ParamSpec("P")
T = TypeVar("T")


def connect_async(
    url: str | None = None, *, token: str | None = None, cache_bytes: int | None = None
) -> "AsyncFrameDB":
    """As `connect`, for `async with` and `await`."""
    return AsyncFrameDB(connect(url, token=token, cache_bytes=cache_bytes))


def _awaited(
    method: Callable[Concatenate[FrameDB, P], T],
) -> Callable[Concatenate["AsyncFrameDB", P], Awaitable[T]]:
    @wraps(method)
    async def call(self: "AsyncFrameDB", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(method, self.sync, *args, **kwargs)

    return call


def _iterated(
    method: Callable[Concatenate[FrameDB, P], Iterator[T]],
) -> Callable[Concatenate["AsyncFrameDB", P], AsyncIterator[T]]:
    @wraps(method)
    async def iterate(self: "AsyncFrameDB", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        items = method(self.sync, *args, **kwargs)
        while (item := await asyncio.to_thread(next, items, _END)) is not _END:
            yield item  # type: ignore[misc]

    return iterate


_END = object()


class AsyncFrameDB:
    """The calls of `FrameDB`, awaitable. Any number may be under way at once; the threads of asyncio's executor do them."""

    def __init__(self, db: FrameDB) -> None:
        self.sync = db
        """The database underneath, for what has no awaitable form."""

    put = _awaited(FrameDB.put)
    put_many = _awaited(FrameDB.put_many)
    get = _awaited(FrameDB.get)
    get_many = _awaited(FrameDB.get_many)
    get_into = _awaited(FrameDB.get_into)
    delete = _awaited(FrameDB.delete)
    scan = _iterated(FrameDB.scan)
    latest = _awaited(FrameDB.latest)
    at = _awaited(FrameDB.at)
    range = _iterated(FrameDB.range)
    sources = _awaited(FrameDB.sources)
    stats = _awaited(FrameDB.stats)
    cache_info = _awaited(FrameDB.cache_info)
    close = _awaited(FrameDB.close)

    async def stream(
        self, source: str, *, since: datetime | None = None, interval: Seconds = 0.1
    ) -> AsyncIterator[Frame]:
        """As `FrameDB.stream`; no thread is held while it waits."""
        arrivals = self.sync.arrivals(source, since=since)
        pause = max(0.0, as_seconds(interval, "interval"))
        while True:
            page = await asyncio.to_thread(arrivals.next_page, utc_now())
            for frame in page:
                yield frame
            if not page:
                await asyncio.sleep(pause)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
