"""`Releasers`: the threads that release frames, one per source, and one that unlinks what was queued."""

import threading
from collections.abc import Callable

from framedb.compat.releasing import Releaser, Report, Unlinker
from framedb.compat.work import CLOSED
from framedb.errors import InvalidInputError
from framedb.frame import check_source
from framedb.tiering.references import SharedFrames


class Releasers:
    """Started when they are first needed. Thread-safe."""

    def __init__(self, frames: SharedFrames, *, queue: Callable[[], bool], report: Report) -> None:
        """`queue` tells whether what is released is queued to be unlinked, rather than unlinked at once."""
        self._frames = frames
        self._queue = queue
        self._report = report
        self._lock = threading.Lock()
        self._closed = False
        self._by_source: dict[str, Releaser] = {}
        self._unlinker: Unlinker | None = None

    def of(self, source: str) -> Releaser:
        """The source's own. Raises InvalidInputError once they are closed."""
        check_source(source)
        with self._lock:
            if self._closed:
                raise InvalidInputError(CLOSED)
            found = self._by_source.get(source)
            if found is None:
                found = Releaser(source, self._frames, queue=self._queue, report=self._report)
                self._by_source[source] = found
            if self._queue():
                self._unlink_of(source)
            return found

    def close(self, wait: float) -> None:
        """End them. What waits to be released is still tried, for so many seconds each."""
        with self._lock:
            self._closed = True
            releasers = list(self._by_source.values())
        for releaser in releasers:
            releaser.close(wait)
        if self._unlinker is not None:
            self._unlinker.close(wait)

    def _unlink_of(self, source: str) -> None:
        if self._unlinker is None:
            self._unlinker = Unlinker(self._frames, report=self._report)
        self._unlinker.add(source)
