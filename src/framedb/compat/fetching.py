"""`Fetcher`: reads frames of one source in a thread, and hands them to callbacks."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framedb.compat.work import WorkQueue
from framedb.errors import FrameDBError

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


class Fetcher:
    """One thread, in the order of the requests. A callback that fails is logged; the next one is called all the same."""

    def __init__(
        self,
        source: str,
        fetch: Callable[[str, Sequence[str]], list[bytes | None]],
        callback: Callback,
        *,
        report: Callable[[str, str, BaseException], None],
    ) -> None:
        """`report` is told the action and what failed."""
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
