"""Holding something alone, among all threads and processes of the machine."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framedb.errors import ConflictError

_POLL = 0.02


class Locks:
    """One lock per name, as a file in the folder. The system lets it go when its holder dies."""

    def __init__(self, folder: Path, *, conflict: str) -> None:
        """`conflict` is what the error says, with `{}` for the name."""
        self._folder = folder
        self._conflict = conflict
        self._held = threading.local()

    @contextmanager
    def exclusively(self, name: str, wait: float) -> Iterator[None]:
        """Hold the lock for the block. A thread that holds it may enter again.

        Raises ConflictError if somebody else has it for longer than `wait` seconds.
        """
        mine: set[str] = self._held.__dict__.setdefault("names", set())
        if name in mine:
            yield
            return
        descriptor = self._acquire(name, wait)
        mine.add(name)
        try:
            yield
        finally:
            mine.discard(name)
            os.close(descriptor)

    def forget(self, name: str) -> None:
        """Delete the file of a lock that this thread holds."""
        (self._folder / f"{name}.lock").unlink(missing_ok=True)

    def _acquire(self, name: str, wait: float) -> int:
        path = self._folder / f"{name}.lock"
        deadline = time.monotonic() + wait
        while True:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_the_file(descriptor, path):
                    return descriptor
            except BlockingIOError:
                pass
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise ConflictError(self._conflict.format(name))
            time.sleep(_POLL)


def _is_the_file(descriptor: int, path: Path) -> bool:
    """Whether the locked file still stands there: its last holder may have deleted it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
