"""`ObjectCache`: objects a client has read, as long as the node says that they are still the same."""

import threading
from dataclasses import dataclass

from cachetools import LRUCache

from framedb.errors import InvalidSettingError
from framedb.frame import Frame

_ENTRY_BYTES = 1024  # of Python's memory that an entry takes beside its data and key, so that empty objects count too


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """How the cache has done so far."""

    hits: int
    """Reads that the node answered with "unchanged": the bytes were here."""
    misses: int
    """Reads whose bytes had to come from the node."""
    count: int
    """Objects in it."""
    bytes: int
    """What they take."""
    max_bytes: int
    """What they may take; 0: nothing is kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An object, and the name of this very version of it."""

    etag: str
    frame: Frame

    @property
    def nbytes(self) -> int:
        """What it takes in the cache."""
        return self.frame.nbytes + len(self.frame.key) + _ENTRY_BYTES


class ObjectCache:
    """The objects read last, up to a number of bytes. Thread-safe.

    It decides nothing about what is current: whoever reads asks the node each time, and names the version that is here.
    """

    def __init__(self, max_bytes: int = 0) -> None:
        """Raises InvalidSettingError for what is no number of bytes."""
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 0:
            raise InvalidSettingError(f"cache_bytes is {max_bytes!r}: give a number of bytes, or 0 for no cache")
        self._lock = threading.Lock()
        self._kept: LRUCache[str, Kept] = LRUCache(max_bytes, getsizeof=lambda kept: kept.nbytes)
        self._hits = 0
        self._misses = 0

    def find(self, key: str) -> Kept | None:
        """What was kept of the key; it may have been replaced since."""
        with self._lock:
            return self._kept.get(key)

    def hit(self) -> None:
        """What was kept is still the one."""
        with self._lock:
            self._hits += 1

    def keep(self, key: str, kept: Kept | None) -> None:
        """The bytes had to be read: keep them, in place of what was kept before; None: they are not to be kept."""
        with self._lock:
            self._misses += 1
            self._kept.pop(key, None)
            if kept is not None and kept.nbytes <= self._kept.maxsize:
                self._kept[key] = kept

    def has_room(self, nbytes: int) -> bool:
        """Whether an object of that many bytes would be kept at all."""
        return nbytes + _ENTRY_BYTES <= self._kept.maxsize

    def forget(self, key: str) -> None:
        """It is gone, or replaced."""
        with self._lock:
            self._kept.pop(key, None)

    def info(self) -> CacheInfo:
        """How it has done so far."""
        with self._lock:
            size, most = int(self._kept.currsize), int(self._kept.maxsize)
            return CacheInfo(self._hits, self._misses, len(self._kept), size, most)
