"""How much memory a process comes to use."""

import threading
from types import TracebackType
from typing import Self

import psutil


class Peak:
    """Looks at a process's resident memory all the while the block goes on."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._idle = self._peak = 0

    @property
    def grown(self) -> int:
        """Bytes by which the peak is above the beginning."""
        return self._peak - self._idle

    def __enter__(self) -> Self:
        self._idle = self._peak = self._process.memory_info().rss
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.005):
            self._peak = max(self._peak, self._process.memory_info().rss)
