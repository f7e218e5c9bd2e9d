"""`Reconciler`: what runs and what is registered agree again by themselves."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from framedb.clusters.registered import READY, ClusterInfo
from framedb.clusters.service import ClusterService

logger = logging.getLogger(__name__)

_THREADS = 8  # clusters mended side by side; each attempt ends with the driver's own deadlines
_PATIENCE = 2  # looks in a row a cluster may fail before it is mended: sentinels may be choosing a master meanwhile
_LONGEST_PAUSE = 30.0  # seconds between attempts at what will not be mended


@dataclass(slots=True)
class _Look:
    """What is remembered of one cluster between looks."""

    work: "Future[None] | None" = None
    settled: bool = False
    """Whether it was well once since this reconciler began."""
    failures: int = 0
    attempts: int = 0
    not_before: float = 0.0


class Reconciler:
    """Looks at every cluster of this installation, each on its own, and mends what is not as it should be.

    A cluster that hangs holds up nobody: each is looked at in a thread, and not again before that look has ended. What will not
    be mended is tried again after ever longer pauses, up to 30 s. A cluster somebody is changing at the moment is left alone.
    """

    def __init__(
        self,
        service: ClusterService,
        *,
        remove: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._remove = remove
        """Finishes a removal that was cut short; the service's own, if there are no sources to be moved."""
        self._clock = clock
        self._looks: dict[str, _Look] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="reconcile")

    def once(self, *, wait_for: float = 0.0) -> None:
        """Begin a look at every cluster that is due, and wait for them for up to that many seconds.

        Raises StoreUnavailableError if the registry does not answer; what is wrong with single clusters is logged.
        """
        registered: dict[str, ClusterInfo | None] = {info.name: info for info in self._service.own()}
        due = registered | dict.fromkeys(self._service.strangers())
        for name in self._looks.keys() - due.keys():
            if not _busy(self._looks[name]):
                del self._looks[name]
        for name, info in due.items():
            look = self._looks.setdefault(name, _Look())
            if not _busy(look) and self._clock() >= look.not_before:
                look.work = self._pool.submit(self._look_at, name, info, look)
        begun = [look.work for look in self._looks.values() if look.work is not None]
        if wait_for > 0:
            wait(begun, timeout=wait_for)

    def close(self) -> None:
        """Begin nothing more, and wait for what was begun; it ends with the driver's deadlines."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _look_at(self, name: str, info: ClusterInfo | None, look: _Look) -> None:
        try:
            if info is not None and look.settled and self._may_wait(info, look):
                return
            if look.settled:
                logger.warning("cluster %s is not as it should be, mending it", name, extra={"cluster": name})
            look.attempts += 1
            if self._service.mend(name, remove=self._remove):
                look.settled, look.failures, look.attempts = True, 0, 0
                if info is None:
                    look.not_before = self._clock() + _LONGEST_PAUSE  # a folder in which nothing runs
            else:
                look.attempts -= 1  # somebody is changing it
        except Exception as exc:  # noqa: BLE001  (whatever it was, this cluster must be looked at again)
            pause = min(2.0**look.attempts, _LONGEST_PAUSE)
            look.not_before = self._clock() + pause
            logger.error(  # noqa: TRY400  (a traceback each time would bury the reason)
                "cluster %s could not be mended: %s", name, exc, extra={"cluster": name, "pause": pause}
            )

    def _may_wait(self, info: ClusterInfo, look: _Look) -> bool:
        """Whether the cluster is well, or has not been unwell for long."""
        if info.state == READY and self._service.is_well(info):
            look.failures = look.attempts = 0
            return True
        look.failures += 1
        return info.state == READY and look.failures < _PATIENCE


def _busy(look: _Look) -> bool:
    return look.work is not None and not look.work.done()
