"""`Worker`: read, work, acknowledge, release."""

import importlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from framedb.client import FrameDB
from framedb.errors import FrameDBError, InvalidInputError
from framedb.frame import Frame, utc_now
from framedb.queueing.base import Delivery, FrameQueue
from framedb.worker.hold import Holder

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Frame], Any]
"""What works on a frame. It is done when it returns; when it raises, the frame is tried again, and set aside in the end."""

_TAKE_TIMEOUT = 1.0  # seconds: how long a worker that is asked to stop may still wait for a frame
_SHORTEST_PAUSE, _LONGEST_PAUSE = (
    0.1,
    5.0,
)  # seconds between attempts while a server is away, and after a handler failed


@dataclass(frozen=True, slots=True)
class Event:
    """One step of one frame, for whoever watches."""

    step: Literal["taken", "done", "gone", "failed"]
    key: str
    source: str
    attempt: int
    nbytes: int = 0
    """Size of the frame."""
    seconds: float = 0.0
    """Since it was taken."""
    age: float = 0.0
    """Seconds since it was captured."""


@dataclass(slots=True)
class WorkerStats:
    """What a worker has done."""

    done: int = 0
    """Frames whose handler returned, acknowledged."""
    failed: int = 0
    """Times a handler raised."""
    gone: int = 0
    """Keys whose frame was no longer there: worked on already, expired, or evicted."""
    redelivered: int = 0
    """Frames that came after another worker had them."""
    bytes: int = 0
    """Of the frames done."""


class Worker:
    """Calls `handler` with one frame after another until it is told to stop.

    While the handler works, the frame is held: its delivery is renewed, and an eviction would be counted as `evicted-leased`.
    A worker that dies holds nothing any more after `hold` seconds, and the frame goes to another.
    """

    def __init__(
        self,
        db: FrameDB,
        open_queue: Callable[[], FrameQueue],
        handler: Handler,
        *,
        hold: float = 10.0,
        watch: Callable[[Event], None] | None = None,
    ) -> None:
        self.stats = WorkerStats()
        self._db = db
        self._open_queue = open_queue
        self._handler = handler
        self._hold = hold
        self._watch = watch or (lambda event: None)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Servers that go away are waited for; what is in hand is finished first."""
        pause = _SHORTEST_PAUSE
        with ExitStack() as stack:
            queue: FrameQueue | None = None
            while not stop.is_set():
                try:
                    if queue is None:
                        queue = stack.enter_context(self._open_queue())
                        holder = stack.enter_context(Holder(partial(self._renew, queue), hold=self._hold))
                    delivery = queue.take(timeout=_TAKE_TIMEOUT)
                    worked = delivery is None or self._work(queue, holder, delivery)
                except FrameDBError as exc:
                    logger.warning("waiting: %s", exc, extra={"seconds": pause})
                    worked = False
                if worked:
                    pause = _SHORTEST_PAUSE
                else:
                    stop.wait(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)

    def _work(self, queue: FrameQueue, holder: Holder, delivery: Delivery) -> bool:
        """One delivery, to its end; False if the handler failed."""
        taken = time.monotonic()
        key, source = delivery.announcement.key, delivery.announcement.source
        try:
            frame = self._db.tiers.get_leased(key, seconds=self._hold, source=source)
        except FrameDBError:
            queue.give_back(delivery)  # it was not tried: the store is away
            raise

        def tell(step: Literal["taken", "done", "gone", "failed"]) -> None:
            age = (utc_now() - frame.captured_at).total_seconds() if frame else 0.0
            seconds = time.monotonic() - taken
            self._watch(Event(step, key, source, delivery.attempt, frame.nbytes if frame else 0, seconds, age))

        self.stats.redelivered += delivery.attempt > 1
        if frame is None:
            queue.acknowledge(delivery)
            self.stats.gone += 1
            tell("gone")
            return True
        tell("taken")
        try:
            with holder.holding(delivery):
                self._handler(frame)
        except Exception:
            logger.exception("the handler failed", extra={"key": key, "attempt": delivery.attempt})
            queue.give_back(delivery, counted=True)
            self.stats.failed += 1
            tell("failed")
            return False
        queue.acknowledge(delivery)
        self._db.tiers.release(key, source=source)
        self.stats.done += 1
        self.stats.bytes += frame.nbytes
        tell("done")
        return True

    def _renew(self, queue: FrameQueue, delivery: Delivery) -> None:
        announcement = delivery.announcement
        try:
            if queue.renew(delivery):
                self._db.tiers.lease(announcement.key, seconds=self._hold, source=announcement.source)
            else:
                logger.warning("the frame went to another worker meanwhile", extra={"key": announcement.key})
        except FrameDBError as exc:
            logger.warning("could not renew the hold: %s", exc, extra={"key": announcement.key})


def load_handler(path: str) -> Handler:
    """The function `module:function` names; modules of the working directory are found too. Raises InvalidInputError."""
    module_name, _, function_name = path.partition(":")
    if not module_name or not function_name:
        raise InvalidInputError(f"{path!r} names no function: write it as module:function, e.g. myjob:score")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ImportError as exc:
        raise InvalidInputError(f"cannot import {module_name!r}: {exc}") from exc
    handler = getattr(module, function_name, None)
    if not callable(handler):
        raise InvalidInputError(f"{module_name!r} has no function {function_name!r}")
    return handler  # type: ignore[no-any-return]
