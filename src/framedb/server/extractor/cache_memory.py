"""`MemoryCache`: answers kept in this process."""

import threading

from cachetools import TTLCache

_ENTRY_BYTES = 512  # of Python's memory that an entry takes beside its value and name, so that empty ones count too

Name = tuple[str, str]
"""Whose an entry is, and which of its entries."""


class MemoryCache:
    """Entries that are kept for `ttl` seconds, the one used longest ago going where they exceed `max_bytes`. Thread-safe."""

    def __init__(self, *, max_bytes: int, ttl: float) -> None:
        self._lock = threading.Lock()
        self._kept: TTLCache[Name, bytes] = TTLCache(max_bytes, ttl, getsizeof=_size)

    def get(self, owner: str, name: str) -> bytes | None:
        """What was kept."""
        with self._lock:
            return self._kept.get((owner, name))

    def put(self, owner: str, name: str, value: bytes) -> None:
        """Keep it, unless it alone is larger than the bound."""
        with self._lock:
            self._kept.pop((owner, name), None)
            if _size(value) <= self._kept.maxsize:
                self._kept[owner, name] = value

    def forget(self, owner: str) -> None:
        """Drop every entry of that owner."""
        with self._lock:
            for each in [name for name in self._kept if name[0] == owner]:
                self._kept.pop(each, None)

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept.clear()

    @property
    def nbytes(self) -> int:
        """What it takes."""
        with self._lock:
            self._kept.expire()
            return int(self._kept.currsize)


def _size(value: bytes) -> int:
    return len(value) + _ENTRY_BYTES
