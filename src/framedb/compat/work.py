"""`WorkQueue`: what callers hand to a thread of ours."""

import threading
from collections import deque
from typing import Generic, TypeVar

from framedb.errors import InvalidInputError

T = TypeVar("T")

CLOSED = "this FrameDB is closed: make another one"
"""Why nothing is taken any more."""

LENGTH = 500
"""Requests of one source that may wait; then the caller does."""


class WorkQueue(Generic[T]):
    """First in, first out, and bounded. Unlike the standard library's it can be closed while callers wait at it."""

    def __init__(self, length: int = LENGTH) -> None:
        self._length = length
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T) -> None:
        """Hand it over, as soon as there is room. Raises InvalidInputError if it is closed."""
        with self._changed:
            while len(self._items) >= self._length and not self._closed:
                self._changed.wait()
            if self._closed:
                raise InvalidInputError(CLOSED)
            self._items.append(item)
            self._changed.notify_all()

    def take(self) -> T | None:
        """The oldest, as soon as there is one; None once it is closed and empty."""
        with self._changed:
            while not self._items:
                if self._closed:
                    return None
                self._changed.wait()
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Take nothing more; what waits is still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._items)
