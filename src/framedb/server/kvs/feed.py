"""One subscription to the store for all who watch it: a writer does the same work for one watcher as for a thousand."""

import asyncio
from collections import deque
from typing import NamedTuple

from framedb.attributes.store import AttributeStore
from framedb.attributes.subscriptions import Subscription
from framedb.server.kvs.events import Event

MAX_WAITING = 1024
"""Changes that may wait for a watcher: some seconds of a busy store."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""About the memory that changes waiting for one watcher may hold."""

_HELD = 8 * MAX_WAITING  # changes that may wait for the loop, which is told of the first of them
_AT_ONCE = 256  # changes handed out before others get their turn on the loop


class End(NamedTuple):
    """Why a watcher gets nothing more: the WebSocket close code, and words."""

    code: int
    why: str


GONE = End(1000, "")
"""The watcher went."""
BEHIND = End(1013, "you fell behind, and changes were left out: connect again, and read what you need anew")
STOPPING = End(1001, "the server stops")


class Watcher:
    """What waits for one watcher. For the loop's thread alone."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._bytes = 0
        self._end: End | None = None
        self._came = asyncio.Event()

    async def next(self) -> Event | End:
        """The next change, waited for; or why there is none."""
        while True:
            if self._end is not None:
                return self._end
            if self._waiting:
                event = self._waiting.popleft()
                self._bytes -= event.size
                return event
            self._came.clear()
            await self._came.wait()

    def offer(self, event: Event) -> None:
        """Add a change; beyond the bounds the watcher has fallen behind."""
        if self._end is not None:
            return
        full = len(self._waiting) >= MAX_WAITING or self._bytes + event.size > MAX_WAITING_BYTES
        if full and self._waiting:  # one alone is handed over, however large
            self.end(BEHIND)
            return
        self._waiting.append(event)
        self._bytes += event.size
        self._came.set()

    def end(self, end: End) -> None:
        """Hand over nothing more. The first reason stays."""
        self._end = self._end or end
        self._waiting.clear()
        self._bytes = 0
        self._came.set()


class Feed:
    """The changes of a store, handed to every watcher. It holds a subscription while there are any."""

    def __init__(self, store: AttributeStore, *, expiries: bool) -> None:
        self._store = store
        self._expiries = expiries
        self._subscription: Subscription | None = None
        self._watchers: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._watchers)

    def join(self) -> Watcher:
        """A watcher of every change from now on. Raises StoreUnavailableError if the store is closed."""
        if self._subscription is not None:
            self._take(self._subscription, _HELD)  # what was done before is not for the new one
        if self._subscription is None:
            self._subscription = self._subscribed()
        watcher = Watcher()
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """The watcher takes part no longer."""
        self._watchers.discard(watcher)
        if not self._watchers and self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def end(self, end: End) -> None:
        """Every watcher gets nothing more."""
        for watcher in list(self._watchers):
            watcher.end(end)
            self.leave(watcher)

    def _subscribed(self) -> Subscription:
        loop = asyncio.get_running_loop()

        def ready() -> None:
            loop.call_soon_threadsafe(self._continue)

        return self._store.subscribe("watchers over HTTP", _HELD, expiries=self._expiries, on_ready=ready)

    def _continue(self) -> None:
        if self._subscription is not None and not self._take(self._subscription, _AT_ONCE):
            asyncio.get_running_loop().call_soon(self._continue)

    def _take(self, subscription: Subscription, number: int) -> bool:
        """Hand out so many changes at most; whether those were all."""
        for _ in range(number):
            change = subscription.try_recv()
            if change is None:
                if subscription.is_drained:
                    self.end(BEHIND if subscription.overflowed else STOPPING)
                return True
            event = Event(change)
            for watcher in self._watchers:
                watcher.offer(event)
        return False
