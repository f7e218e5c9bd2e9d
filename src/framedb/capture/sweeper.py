"""The sweeper: frames that were stored but never announced are announced after all."""

import logging
import threading
from collections.abc import Callable

from framedb.capture.publisher import Publisher
from framedb.errors import FrameDBError
from framedb.frame import parse_key
from framedb.queueing.base import Announcement, FrameQueue
from framedb.registry import Leases
from framedb.stores.memory import MemoryStore

logger = logging.getLogger(__name__)

OLDER_THAN = 10.0
"""Seconds after which an announcement that was not confirmed counts as forgotten: its writer died in between."""
_PERIOD = 2.0  # seconds between two looks
_HOLD = 10.0  # seconds of the lease


class Sweeper:
    """A thread that makes good what writers left undone, one per cluster: whoever holds the lease does it."""

    def __init__(
        self,
        memory: MemoryStore,
        open_queue: Callable[[], FrameQueue],
        leases: Leases,
        *,
        cluster: str,
        holder: str,
    ) -> None:
        self._memory = memory
        self._open_queue = open_queue
        self._leases = leases
        self._cluster = cluster
        self._holder = holder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sweeper-{cluster}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the look that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def sweep(self, queue: FrameQueue, *, older_than: float = OLDER_THAN) -> int:
        """Announce what has waited longer than that, now; how many."""
        forgotten = []
        for source, key in self._memory.unannounced(older_than=older_than):
            parsed = parse_key(key)
            captured_at = parsed.captured_at if parsed else None
            forgotten.append(Announcement(key, source, self._cluster, captured_at))
        if forgotten:
            Publisher(self._memory, queue, framedb_id=self._cluster).announce(forgotten)
            logger.info("announced again", extra={"cluster": self._cluster, "frames": len(forgotten)})
        return len(forgotten)

    def _run(self) -> None:
        name, token = f"sweeper:{self._cluster}", None
        while not self._stop.wait(_PERIOD):
            try:
                if token is None or not self._leases.renew(name, token, _HOLD):
                    token = self._leases.acquire(name, self._holder, _HOLD)
                if token is not None:
                    with self._open_queue() as queue:
                        self.sweep(queue)
            except FrameDBError as exc:
                logger.warning("could not look for forgotten announcements: %s", exc, extra={"cluster": self._cluster})
