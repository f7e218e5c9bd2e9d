"""`Periodic`: a thread that does something again and again."""

import threading
from collections.abc import Callable


class Periodic:
    """Calls `work` every `period` seconds, beginning with the pause unless `at_once`. What `work` raises ends the thread."""

    def __init__(self, name: str, work: Callable[[], object], *, period: float, at_once: bool = False) -> None:
        self._work = work
        self._period = period
        self._at_once = at_once
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to end: work that takes long may look."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the work that is under way. Nothing is done any more once this returns."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        if self._at_once:
            self._work()
        while not self._stop.wait(self._period):
            self._work()
