"""The sweeper: frames that were stored but never announced are announced after all."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from framedb.capture.backoff import Backoff
from framedb.capture.publisher import Publisher
from framedb.errors import FrameDBError
from framedb.frame import parse_key
from framedb.periodic import Periodic
from framedb.queueing.base import Announcement, FrameQueue
from framedb.registry import Leases
from framedb.stores.memory import MemoryStore

logger = logging.getLogger(__name__)

OLDER_THAN = 10.0
"""Seconds after which an announcement that was not confirmed counts as forgotten: its writer died in between."""
_PERIOD = 2.0  # seconds between two looks
_HOLD = 10.0  # seconds of a lease


@dataclass(slots=True)
class _Turn:
    """What the sweeper knows of a cluster."""

    token: int | None
    retry: Backoff


class Sweeper:
    """A thread that makes good what writers left undone in any of the clusters: for each, whoever holds its lease does it.

    A cluster that does not answer is left alone for a while, so that it does not hold up the others.
    """

    def __init__(
        self,
        clusters: Callable[[], list[str]],
        memory: Callable[[str], MemoryStore],
        open_queue: Callable[[], FrameQueue],
        leases: Leases,
        *,
        holder: str,
    ) -> None:
        """`clusters` names those there are now, and `memory` is the store of one."""
        self._clusters = clusters
        self._memory = memory
        self._open_queue = open_queue
        self._leases = leases
        self._holder = holder
        self._turns: dict[str, _Turn] = {}
        self._thread = Periodic("sweeper", self._look_again, period=_PERIOD)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the look that is under way."""
        self._thread.stop()

    def sweep(self, cluster: str, queue: FrameQueue, *, older_than: float = OLDER_THAN) -> int:
        """Announce what has waited longer than that in the cluster, now; how many."""
        memory = self._memory(cluster)
        forgotten = []
        for source, key in memory.unannounced(older_than=older_than):
            parsed = parse_key(key)
            captured_at = parsed.captured_at if parsed else None
            forgotten.append(Announcement(key, source, cluster, captured_at))
        if forgotten:
            Publisher(memory, queue, framedb_id=cluster).announce(forgotten)
            logger.info("announced again", extra={"cluster": cluster, "frames": len(forgotten)})
        return len(forgotten)

    def look(self) -> None:
        """One look at every cluster that it is our turn for."""
        names = self._clusters()
        self._turns = {
            name: self._turns.get(name) or _Turn(None, Backoff(first=_PERIOD, longest=60.0)) for name in names
        }
        mine = [name for name in names if self._is_ours(name)]
        if mine:
            with self._open_queue() as queue:
                for name in mine:
                    if not self._thread.is_stopping:
                        self._try(name, queue)

    def _try(self, name: str, queue: FrameQueue) -> None:
        turn = self._turns[name]
        try:
            self.sweep(name, queue)
        except FrameDBError as exc:
            turn.retry.failed()
            logger.warning("could not look for forgotten announcements: %s", exc, extra={"cluster": name})
        else:
            turn.retry.worked()

    def _is_ours(self, name: str) -> bool:
        turn = self._turns[name]
        if not turn.retry.due:
            return False
        lease = f"sweeper:{name}"
        if turn.token is None or not self._leases.renew(lease, turn.token, _HOLD):
            turn.token = self._leases.acquire(lease, self._holder, _HOLD)
        return turn.token is not None

    def _look_again(self) -> None:
        try:
            self.look()
        except FrameDBError as exc:
            logger.warning("could not look for forgotten announcements: %s", exc)
