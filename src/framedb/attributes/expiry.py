"""`Expiry`: when which entry expires, and a thread that sees to it."""

import logging
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from threading import Condition, RLock, Thread, current_thread

from framedb.attributes.journal import Key

logger = logging.getLogger(__name__)

Deadline = tuple[float, Key]
"""When an entry expires, by the store's clock, and its key."""

_PAUSE = 0.05  # seconds between rounds: nobody sees what has expired, so entries that expire one by one may go together
_BREATH = 0.001  # seconds between rounds when there is more to do, for those who write meanwhile
_LONGEST_WAIT = 3600.0  # seconds: a lock cannot wait for centuries
_SLACK = 1024  # stale deadlines kept, besides as many as there are live ones


class Expiry:
    """The deadlines of a store's entries. All methods are called under the store's lock.

    Deadlines of entries that were replaced or deleted stay until they come up or outnumber the others. The thread runs while
    there are deadlines and ends with them.
    """

    def __init__(
        self,
        lock: RLock,
        *,
        clock: Callable[[], float],
        is_live: Callable[[Deadline], bool],
        expire: Callable[[], object],
    ) -> None:
        """`is_live` says whether an entry still has this deadline; `expire` takes `due` deadlines and drops their entries."""
        self._clock = clock
        self._is_live = is_live
        self._expire = expire
        self._heap: list[Deadline] = []
        self._stale = 0
        self._lock = lock
        self._changed = Condition(lock)
        self._thread: Thread | None = None
        self._sleeps_until = 0.0

    def add(self, deadline: float, keys: Iterable[Key]) -> None:
        """Expire these entries then."""
        for key in keys:
            heappush(self._heap, (deadline, key))
        if self._thread is None or not self._thread.is_alive():  # a fork leaves its threads behind
            self._start()
        elif deadline < self._sleeps_until:
            self._changed.notify()

    def forget(self, number: int) -> None:
        """That many deadlines are no longer those of their entries."""
        self._stale += number
        if self._stale > _SLACK and self._stale > len(self._heap) // 2:
            self._heap = list(set(filter(self._is_live, self._heap)))
            heapify(self._heap)
            self._stale = 0

    def due(self, now: float, limit: int) -> list[Key]:
        """The entries that expire up to `now`, so many at most, the first one first."""
        found: dict[Key, None] = {}  # once each: the same may have been set twice in one tick of the clock
        while self._heap and self._heap[0][0] <= now and len(found) < limit:
            deadline = heappop(self._heap)
            if self._is_live(deadline):
                found[deadline[1]] = None
            elif self._stale:
                self._stale -= 1
        return list(found)

    def close(self) -> Thread | None:
        """Expire nothing any more. The thread that is returned ends as soon as the lock is free."""
        self._heap.clear()
        self._changed.notify()
        return None if self._thread is current_thread() else self._thread

    def _start(self) -> None:
        self._changed = Condition(self._lock)
        self._sleeps_until = 0.0
        self._thread = Thread(target=self._run, name="framedb-expiry", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as exc:
            # What has expired stays out of sight all the same; the next entry with a ttl tries again.
            logger.warning("entries that expire keep their memory for now: no thread could be started", exc_info=exc)
            self._thread = None

    def _run(self) -> None:
        with self._lock:
            while self._heap:
                wait = self._heap[0][0] - self._clock()
                if wait > 0:
                    self._sleeps_until = self._heap[0][0]
                    self._changed.wait(min(wait, _LONGEST_WAIT))
                    continue
                self._sleeps_until = 0.0  # an earlier deadline is no reason to wake up
                self._expire()
                self._changed.wait(_BREATH if self._heap and self._heap[0][0] <= self._clock() else _PAUSE)
            self._thread = None
