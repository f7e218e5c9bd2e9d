"""Bytes, then index, then announcement, then confirmation."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from framedb.errors import StoreUnavailableError
from framedb.frame import Frame
from framedb.queueing.base import Announcement, FrameQueue
from framedb.stores.base import Put
from framedb.stores.memory import Fence

logger = logging.getLogger(__name__)


class AnnouncingStore(Protocol):
    """What capture needs of a store: `MemoryStore`, or whoever wraps it."""

    def put(self, frame: Frame, *, ttl: float | None, announce: bool, fence: Fence | None) -> Put:
        """Store the frame, and list it as unannounced."""

    def confirm(self, keys: Sequence[str], *, source: str | None) -> None:
        """These frames are announced."""

    def drop(self, key: str, *, reason: str, source: str | None) -> bool:
        """Remove the frame and count it as dropped."""

    def count_drops(self, source: str, *, reason: str, number: int) -> None:
        """Count frames that never reached the store."""


class Publisher:
    """Puts frames of one cluster where workers find them. One thread at a time may use it, as with the queue it is given."""

    def __init__(
        self,
        store: AnnouncingStore,
        queue: FrameQueue,
        *,
        framedb_id: str = "local",
        fence: Callable[[], Fence | None] | None = None,
    ) -> None:
        """`framedb_id` is the cluster the store writes to. `fence` is asked before every write: see `Fence`."""
        self._store = store
        self._queue = queue
        self._framedb_id = framedb_id
        self._fence = fence

    def store(self, frame: Frame, *, ttl: float | None = None) -> Put:
        """Bytes and index. Until it is announced and confirmed, the sweeper of the cluster would announce it too.

        Raises StoreFullError, StoreUnavailableError, StaleWriterError.
        """
        fence = self._fence() if self._fence is not None else None
        return self._store.put(frame, ttl=ttl, announce=True, fence=fence)

    def announcement(self, frame: Frame) -> Announcement:
        """What workers are told of a frame of this cluster."""
        return Announcement(frame.key, frame.source, self._framedb_id, frame.captured_at)

    def announce(self, announcements: Sequence[Announcement]) -> list[Announcement]:
        """Tell workers of stored frames; returns those the queue's policy turned away or pushed out, of whatever source.

        Frames nobody will hear of are released and counted under `queue-full`. Raises QueueFullError,
        QueueUnavailableError; then it may be called again.
        """
        announced = self._queue.announce(announcements)
        try:
            for source, keys in _by_source(announced.accepted).items():
                self._store.confirm(keys, source=source)
            for dropped in announced.dropped:
                # A frame of another cluster cannot be reached from here; its TTL takes it.
                if dropped.framedb_id == self._framedb_id:
                    self._store.drop(dropped.key, reason="queue-full", source=dropped.source)
        except StoreUnavailableError as exc:
            # What stays unconfirmed is announced again by the sweeper: a key may come twice.
            logger.debug("announced, but not confirmed: %s", exc)
        return announced.dropped

    def publish(self, frame: Frame, *, ttl: float | None = None) -> Put:
        """Store and announce one frame; the errors of both. After an error of the queue it is stored, and unannounced."""
        put = self.store(frame, ttl=ttl)
        if put and any(dropped.key == frame.key for dropped in self.announce([self.announcement(frame)])):
            return Put(frame.key, "queue-full")
        return put

    def count_drops(self, source: str, *, reason: str, number: int) -> None:
        """Make frames that never reached the store visible in its counts. Raises StoreUnavailableError."""
        self._store.count_drops(source, reason=reason, number=number)


def _by_source(announcements: Sequence[Announcement]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for announcement in announcements:
        grouped.setdefault(announcement.source, []).append(announcement.key)
    return grouped
