"""Threads that Python does not know of, waited for by the name that they inherit.

Granian's own threads end a moment after it says that it has stopped. One of them that still asks for the interpreter's lock
when the interpreter ends aborts the process: seen in one exit of six.
"""

import os
import threading
import time
from itertools import count
from pathlib import Path

_TASKS = Path("/proc/self/task")
_numbers = count(1)
_POLL = 0.001


class NativeThreads:
    """Those that the thread which makes this starts from now on, and those that they start."""

    def __init__(self) -> None:
        self._name = f"kvs-{os.getpid() % 100_000}-{next(_numbers)}"[:15]  # as many as the kernel keeps
        self._can_tell = _named(threading.get_native_id(), self._name)

    def wait(self, seconds: float) -> bool:
        """Whether all have ended, within so many seconds. Where the system cannot tell, they are given a moment."""
        if not self._can_tell:
            time.sleep(0.1)
            return True
        deadline = time.monotonic() + seconds
        while self._are_there():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
        return True

    def _are_there(self) -> bool:
        # A store's own thread, say, was started by who first set something here, and has the name too.
        known = {thread.native_id for thread in threading.enumerate()}
        return any(int(task.name) not in known and _name(task) == self._name for task in _TASKS.iterdir())


def _named(thread: int, name: str) -> bool:
    try:
        (_TASKS / str(thread) / "comm").write_text(name)
    except OSError:
        return False
    return True


def _name(task: Path) -> str | None:
    try:
        return (task / "comm").read_text().rstrip()
    except OSError:
        return None  # it has just ended
