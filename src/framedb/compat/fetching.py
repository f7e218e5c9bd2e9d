"""`Fetchers`: threads that read frames, one per source, and hand them to callbacks."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framedb.compat.work import CLOSED, WorkQueue
from framedb.errors import FrameDBError, InvalidInputError

logger = logging.getLogger(__name__)

Callback = Callable[..., Any]
"""Called with `is_not_error`, `frame_data`, `frame_keys`, and what the request passed on."""


@dataclass(frozen=True, slots=True)
class Request:
    """Frames that somebody wants."""

    keys: list[str]
    passed_on: Mapping[str, Any]
    callback: Callback | None
    """None: the one the source was registered with."""


Fetch = Callable[[str, Sequence[str]], list[bytes | None]]
"""The frames of a source, in the order of the keys."""

Report = Callable[[str, str, BaseException], None]
"""Told the action, and what failed."""


class Fetchers:
    """Those of the sources that were registered. Thread-safe."""

    def __init__(self, fetch: Fetch, *, report: Report) -> None:
        self._fetch = fetch
        self._report = report
        self._lock = threading.Lock()
        self._closed = False
        self._by_source: dict[str, Fetcher] = {}

    def of(self, source: str) -> "Fetcher | None":
        """The source's own; None for one that is not registered."""
        with self._lock:
            return self._by_source.get(source)

    def add(self, source: str, callback: Callback) -> bool:
        """Register a source; False if somebody did before. Raises InvalidInputError once they are closed."""
        with self._lock:
            if self._closed:
                raise InvalidInputError(CLOSED)
            if source in self._by_source:
                return False
            self._by_source[source] = Fetcher(source, self._fetch, callback, report=self._report)
            return True

    def submit(self, source: str, request: Request) -> None:
        """Have a request done by the fetcher of a source that is registered; waits while 500 are waiting."""
        with self._lock:
            fetcher = self._by_source[source]
        fetcher.submit(request)

    def close(self, wait: float) -> None:
        """End them, each within so many seconds."""
        with self._lock:
            self._closed = True
            fetchers = list(self._by_source.values())
        for fetcher in fetchers:
            fetcher.close(wait)


class Fetcher:
    """One thread, in the order of the requests. A callback that fails is logged; the next one is called all the same."""

    def __init__(
        self,
        source: str,
        fetch: Fetch,
        callback: Callback,
        *,
        report: Report,
    ) -> None:
        self._source = source
        self._fetch = fetch
        self._callback = callback
        self._report = report
        self._requests: WorkQueue[Request] = WorkQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"framedb-fetch-{source}", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Have it done; waits while 500 are waiting. Raises InvalidInputError once it is closed."""
        self._requests.put(request)

    def close(self, wait: float) -> None:
        """Take no more requests. Those that wait are answered with `is_not_error=False`, for so many seconds."""
        self._closing = True
        self._requests.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(wait)

    def _run(self) -> None:
        while (request := self._requests.take()) is not None:
            frames: list[bytes | None] = []
            fetched = False
            if not self._closing:
                try:
                    frames = self._fetch(self._source, request.keys)
                    fetched = True
                except FrameDBError as exc:
                    self._report("mget_frames", f"frames of source {self._source} could not be read", exc)
            call = request.callback or self._callback
            try:
                call(is_not_error=fetched, frame_data=frames, frame_keys=request.keys, **request.passed_on)
            except Exception as exc:  # noqa: BLE001  # of somebody else's code, in a thread that must go on
                self._report("frames_callback", f"the callback for source {self._source} failed", exc)
