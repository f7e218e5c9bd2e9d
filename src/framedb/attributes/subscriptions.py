"""`Change` and `Subscription`: what was done to the store, told in its order to whoever asked."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Literal, Self

from framedb.attributes.record import Record
from framedb.errors import DeadlineExceededError, InvalidInputError

logger = logging.getLogger(__name__)

Operation = Literal["set", "delete", "expire"]


@dataclass(frozen=True, slots=True)
class Change:
    """One call that changed the store, or entries that expired. All subscriptions get the same object."""

    operation: Operation
    timestamp_ns: int
    """When, in nanoseconds since 1970, UTC."""
    ttl: int | None
    """Milliseconds that what was set is kept; None: for good, or nothing was set."""
    records: tuple[Record, ...]
    """What was set, deleted or expired. A call may touch nothing."""


class Subscription:
    """The changes since it was opened, one after the other. Any thread may take them.

    It holds a bounded number of changes and never makes a writer wait: who falls behind gets those it holds, and then it is
    closed, with `overflowed` true.
    """

    def __init__(
        self, name: str, max_inflight: int, *, expiries: bool = False, on_ready: Callable[[], None] | None = None
    ) -> None:
        """Raises InvalidInputError unless at least one change may wait to be taken."""
        if max_inflight < 1:
            raise InvalidInputError(f"a subscription holds at least one change, not {max_inflight}")
        self.name = name
        """What the log calls it."""
        self.max_inflight = max_inflight
        """How many changes may wait to be taken."""
        self.expiries = expiries
        """Whether it is told what expired, too."""
        self.on_ready = on_ready
        """Called, by the thread that writes, when a change came and none was waiting, and when it is closed: then take all,
        until `try_recv` gives None. It must return at once, and not call the store."""
        self.overflowed = False
        """Whether it was closed because its changes were not taken fast enough."""
        self.is_drained = False
        """Whether it is closed, and somebody was told so by `recv` or `try_recv`, all before it being taken."""
        self._changes: SimpleQueue[Change | None] = SimpleQueue()  # None after the last
        self._closing = Lock()  # never released

    @property
    def is_closed(self) -> bool:
        """Whether nothing more comes. What came before can still be taken."""
        return self._closing.locked()

    def recv(self, timeout: float | None = None) -> Change | None:
        """The next change, waited for `timeout` seconds at most; None once it is closed and all are taken.

        Raises DeadlineExceededError if none comes in time.
        """
        if self.is_drained:
            return None
        try:
            return self._taken(self._changes.get(timeout=timeout))
        except Empty as exc:
            raise DeadlineExceededError(f"nothing changed within {timeout} s") from exc

    def try_recv(self) -> Change | None:
        """The next change, if one is waiting; `is_drained` says whether none will ever be."""
        if self.is_drained:
            return None
        try:
            return self._taken(self._changes.get_nowait())
        except Empty:
            return None

    def close(self) -> None:
        """Take part no longer. Whoever waits in `recv` gets None."""
        # Finalizers call this, at any point of whatever their thread is doing: nothing here may wait.
        if self._closing.acquire(blocking=False):
            self._changes.put(None)
            self._wake()

    def deliver(self, change: Change) -> None:
        """Add a change, or close it if it holds as many as it may. For the store: one thread at a time."""
        if self.is_closed:
            return
        if self._changes.qsize() >= self.max_inflight:
            self._overflow()
            return
        self._changes.put(change)
        # Counted afterwards: somebody may have taken the last one, and found no other, just before this one came.
        if self._changes.qsize() == 1:
            self._wake()

    def _taken(self, change: Change | None) -> Change | None:
        if change is None:
            self.is_drained = True
            self._changes.put(None)  # for others who wait
        return change

    def _overflow(self) -> None:
        self.overflowed = True
        logger.warning(
            "subscription closed: it fell behind", extra={"subscription": self.name, "max_inflight": self.max_inflight}
        )
        self.close()

    def _wake(self) -> None:
        if self.on_ready is None:
            return
        try:
            self.on_ready()
        except Exception as exc:
            # A loop that has ended, say. That must not fail the write that happened to be next.
            self.on_ready = None
            if not self.is_closed:
                logger.warning("subscription closed: its hook failed", exc_info=exc, extra={"subscription": self.name})
                self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
