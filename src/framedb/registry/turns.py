"""`Turns`: who writes to a SQLite file next."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framedb.errors import StoreUnavailableError

SUFFIX = "-turn"
"""Of the empty file beside the database that processes take turns by."""
_LOOK = 0.002  # seconds between two looks at it


class Turns:
    """Writers of one SQLite file one after the other: threads of this process, and processes of this machine.

    Left to SQLite they sleep and look again, and whoever writes all the time is always there first: of 16 threads one was
    passed over for 7 s; with commits of 150 ms, a process that works on jobs kept the one that runs cameras out for 3 s.
    """

    def __init__(self, path: Path, *, timeout: float) -> None:
        """`timeout`: seconds to wait for each of the two."""
        self._path = path
        self._timeout = timeout
        self._thread = threading.Lock()

    @contextmanager
    def of_this_process(self) -> Iterator[None]:
        """No other thread of this process writes during the block. Raises StoreUnavailableError."""
        if not self._thread.acquire(timeout=self._timeout):
            raise self._too_long()
        try:
            yield
        finally:
            self._thread.release()

    @contextmanager
    def next_in_line(self) -> Iterator[None]:
        """No other process begins to write during the block, which begins to write and no more. Raises StoreUnavailableError.

        Who has written is behind whoever waits here by then. The end of a process lets the next one in.
        """
        try:
            file = os.open(f"{self._path}{SUFFIX}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StoreUnavailableError(f"{self._path}{SUFFIX} cannot be opened: {exc.strerror}") from exc
        try:
            self._lock(file)
            yield
        finally:
            os.close(file)

    def _lock(self, file: int) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._too_long() from None
                time.sleep(_LOOK)
            else:
                return

    def _too_long(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self._path} is held by another writer for too long: try again")
