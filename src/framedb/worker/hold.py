"""Holding on to a frame while its worker works on it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from framedb.queueing.base import Delivery


class Holder:
    """Renews the delivery that is in hand, from one thread for all frames of a worker.

    `renew(delivery)` is called at least three times per `hold` seconds, for as long as `holding` lasts and never after it.
    """

    def __init__(self, renew: Callable[[Delivery], None], *, hold: float) -> None:
        self._renew = renew
        # What is taken between two looks is renewed at the second one: a third of its hold later at most.
        self._period = hold / 6
        self._lock = threading.Lock()
        self._delivery: Delivery | None = None
        self._since = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hold", daemon=True)

    @contextmanager
    def holding(self, delivery: Delivery) -> Iterator[None]:
        """The delivery is in hand during the block."""
        with self._lock:
            self._delivery, self._since = delivery, time.monotonic()
        try:
            yield
        finally:
            with self._lock:  # waits for a renewal that is under way
                self._delivery = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._period):
            with self._lock:
                if self._delivery is not None and time.monotonic() - self._since >= self._period:
                    self._renew(self._delivery)
