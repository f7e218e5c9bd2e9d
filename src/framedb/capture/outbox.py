"""Between a camera, which never waits, and a store and a queue, which may make us wait."""

import logging
import threading
import time
from collections import Counter, deque

from framedb.capture.backoff import Backoff
from framedb.capture.health import HealthRecord
from framedb.capture.publisher import Publisher
from framedb.errors import (
    FrameDBError,
    InvalidInputError,
    QueueError,
    QueueUnavailableError,
    StaleWriterError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from framedb.frame import Frame
from framedb.queueing.base import Announcement

logger = logging.getLogger(__name__)

_MAX_UNANNOUNCED = 1000  # beyond these the sweeper announces what is stored
_BATCH = 100


class Outbox:
    """Publishes frames from a thread of its own, so that the camera's connection is read however long that takes.

    At most `max_waiting` frames wait to be stored; then the oldest goes, counted by what it waited for: `store-full`,
    `store-unavailable`, `store-error`, `queue-full` or `slow`. While the queue is away frames are stored all the same, and
    announced when it is back. Use it in a `with` statement; leaving it tries once more to publish what waits.
    """

    def __init__(
        self, publisher: Publisher, health: HealthRecord, *, source: str, ttl: float | None, max_waiting: int
    ) -> None:
        self._publisher = publisher
        self._health = health
        self._source = source
        self._ttl = ttl
        self._max_waiting = max_waiting
        self._condition = threading.Condition()
        self._waiting: deque[Frame] = deque()
        self._uncounted: Counter[str] = Counter()  # drops the store does not know of yet
        self._stopping = False
        # The rest belongs to the publishing thread.
        self._store_retry = Backoff(first=0.1, longest=5.0)
        self._store_trouble: str | None = None
        self._unannounced: list[Announcement] = []
        self._batch = _BATCH
        self._queue_retry = Backoff(first=0.1, longest=5.0)
        self._queue_is_full = False
        self.failure: FrameDBError | None = None
        """Why nothing can be published any more: another writer has the source."""
        self._thread = threading.Thread(target=self._run, name=f"publish {source}", daemon=True)

    def put(self, frame: Frame) -> None:
        """Hand over a frame; never waits."""
        with self._condition:
            self._waiting.append(frame)
            self._make_room()
            self._condition.notify()

    def __enter__(self) -> "Outbox":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wait_for_work()
                if self._may_store():
                    self._store_next()
                if self._unannounced and self._queue_retry.due:
                    self._announce()
            self._finish()
        except StaleWriterError as exc:
            self.failure = exc
        except Exception as exc:  # nobody is above a thread: whoever runs the camera raises it
            logger.exception("publishing failed", extra={"source": self._source})
            self.failure = exc if isinstance(exc, FrameDBError) else FrameDBError(f"publishing failed: {exc!r}")

    def _wait_for_work(self) -> None:
        with self._condition:
            while not self._stopping and not self._may_store():
                if self._unannounced and self._queue_retry.due:
                    return
                retries = [self._queue_retry.until] if self._unannounced else []
                if self._waiting and not self._queue_is_full:
                    retries.append(self._store_retry.until)
                self._condition.wait(max(0.0, min(retries) - time.monotonic()) if retries else None)

    def _may_store(self) -> bool:
        return bool(self._waiting) and self._store_retry.due and not self._queue_is_full

    def _store_next(self) -> bool:
        with self._condition:
            frame = self._waiting.popleft()
        try:
            put = self._publisher.store(frame, ttl=self._ttl)
            self._count_in_store()
        except StaleWriterError:
            raise
        except InvalidInputError as exc:
            self._health.troubled(exc)
            self._drop("invalid")
            return False
        except StoreError as exc:
            with self._condition:
                self._waiting.appendleft(frame)
                self._store_trouble = _trouble(exc)
                self._make_room()
            self._trouble_begins(self._store_retry, exc)
            return False
        self._store_trouble = None
        self._trouble_ends(self._store_retry, "the store takes frames again")
        if not put:
            self._health.dropped(put.dropped or "policy")  # the store has counted it
            return True
        self._unannounced.append(self._publisher.announcement(frame))
        del self._unannounced[:-_MAX_UNANNOUNCED]
        return True

    def _announce(self) -> None:
        batch = self._unannounced[: self._batch]
        try:
            dropped = {announcement.key for announcement in self._publisher.announce(batch)}
        except (QueueError, InvalidInputError) as exc:
            # Under the policy `wait` all of a batch fit, or none: a nearly full queue takes a smaller one.
            self._queue_is_full = not isinstance(exc, QueueUnavailableError)
            self._batch = max(1, self._batch // 2)
            self._trouble_begins(self._queue_retry, exc)
            return
        self._queue_is_full = False
        self._batch = min(_BATCH, self._batch * 2)
        del self._unannounced[: len(batch)]
        self._trouble_ends(self._queue_retry, "the queue takes announcements again")
        own = sum(announcement.key in dropped for announcement in batch)
        self._health.announced(len(batch) - own)
        if own:
            self._health.dropped("queue-full", own)

    def _finish(self) -> None:
        """One try for each frame that still waits. What is stored and not announced is the sweeper's."""
        while self._waiting and not self._queue_is_full and self._store_next():
            pass
        with self._condition:
            while self._waiting:
                self._waiting.popleft()
                self._drop("stopped")
        while self._unannounced and self._queue_retry.due:
            self._announce()

    def _make_room(self) -> None:
        while len(self._waiting) > self._max_waiting:
            self._waiting.popleft()
            self._drop(self._store_trouble or ("queue-full" if self._queue_is_full else "slow"))

    def _drop(self, reason: str) -> None:
        self._health.dropped(reason)
        self._uncounted[reason] += 1

    def _count_in_store(self) -> None:
        with self._condition:
            uncounted, self._uncounted = self._uncounted, Counter()
        for reason, number in uncounted.items():
            try:
                self._publisher.count_drops(self._source, reason=reason, number=number)
            except StoreError:
                with self._condition:
                    self._uncounted[reason] += number

    def _trouble_begins(self, retry: Backoff, error: FrameDBError) -> None:
        self._health.troubled(error)
        if retry.attempts == 0:
            logger.warning("publishing waits: %s", error, extra={"source": self._source})
        retry.failed()

    def _trouble_ends(self, retry: Backoff, message: str) -> None:
        if retry.worked():
            logger.info(message, extra={"source": self._source})


def _trouble(error: StoreError) -> str:
    if isinstance(error, StoreFullError):
        return "store-full"
    return "store-unavailable" if isinstance(error, StoreUnavailableError) else "store-error"
