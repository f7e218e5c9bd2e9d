"""`Cache`: answers that were made before, in Redis; in this process while Redis is away."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from framedb.errors import StoreError
from framedb.server.extractor.cache_memory import MemoryCache
from framedb.server.extractor.cache_redis import RedisCache

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSE = (
    1.0  # seconds for which a Redis that did not answer is not asked: requests must not wait for it one after another
)
_MOST_UNTOLD = 10_000  # owners that Redis is still to forget; each is a job that was removed while it was away


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """How the cache has done so far."""

    requests: dict[tuple[str, str], int]
    """By where it was looked (`redis`, `memory`) and how that ended (`hit`, `miss`)."""
    memory_bytes: int
    """What this process keeps."""
    redis_bytes: int | None
    """What is kept in Redis, by all who share it; None: it does not answer."""
    max_bytes: int
    """What either may keep."""


class Cache:
    """Values by owner and name, bounded in bytes and time; losing any of them loses nothing. Thread-safe.

    An owner is a job, or `""` for what belongs to several: `forget` drops all that is one's. It decides nothing about what is
    current: who reads knows, by the name or by what is in the value.
    """

    def __init__(self, redis: RedisCache | None, *, max_bytes: int, ttl: float) -> None:
        """`redis` keeps the values while it answers, to be closed with this; None: this process always does."""
        self._redis = redis
        self._memory = MemoryCache(max_bytes=max_bytes, ttl=ttl)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._away_until: float | None = None
        self._untold: set[str] = set()
        self._requests: Counter[tuple[str, str]] = Counter()

    def get(self, owner: str, name: str) -> bytes | None:
        """What was kept, or None."""
        answered = self._ask(lambda redis: redis.get(owner, name))
        place, found = ("redis", answered[0]) if answered else ("memory", self._memory.get(owner, name))
        with self._lock:
            self._requests[place, "miss" if found is None else "hit"] += 1
        return found

    def put(self, owner: str, name: str, value: bytes) -> None:
        """Keep it for a while."""
        if not self._ask(lambda redis: redis.put(owner, name, value)):
            self._memory.put(owner, name, value)

    def forget(self, owner: str) -> None:
        """Drop all that is that owner's, everywhere: in Redis as soon as it answers."""
        self._memory.forget(owner)
        if self._redis is None:
            return
        if not self._ask(lambda redis: redis.forget(owner)):
            with self._lock:
                if len(self._untold) < _MOST_UNTOLD:  # past it, what is left runs out by itself
                    self._untold.add(owner)

    def is_in_redis(self) -> bool:
        """Whether Redis answers, at this moment."""
        if self._redis is None:
            return False
        try:
            self._redis.ping()
        except StoreError as exc:
            self._gone(exc)
            return False
        return self._returned(self._redis)

    def info(self) -> CacheInfo:
        """How it has done so far."""
        answered = self._ask(lambda redis: redis.nbytes())
        with self._lock:
            requests = dict(self._requests)
        return CacheInfo(requests, self._memory.nbytes, answered[0] if answered else None, self._max_bytes)

    def close(self) -> None:
        """Close its connections."""
        if self._redis is not None:
            self._redis.close()

    def _ask(self, ask: Callable[[RedisCache], T]) -> tuple[T] | None:
        """What Redis answers; None if it is away."""
        redis, away_until = self._redis, self._away_until
        if redis is None or (away_until is not None and time.monotonic() < away_until):
            return None
        try:
            return (ask(redis),) if self._returned(redis) else None
        except StoreError as exc:
            self._gone(exc)
            return None

    def _gone(self, why: StoreError) -> None:
        with self._lock:
            was_there = self._away_until is None
            self._away_until = time.monotonic() + _PAUSE
        if was_there:
            logger.warning("answers are kept in this process until Redis returns: %s", why)

    def _returned(self, redis: RedisCache) -> bool:
        """Whether Redis may be used: if it was away, once it has forgotten what was to be forgotten meanwhile."""
        if self._away_until is None:
            return True
        with self._lock:
            untold = tuple(self._untold)
        try:
            redis.ping()
            for owner in untold:
                redis.forget(owner)
        except StoreError as exc:
            self._gone(exc)
            return False
        with self._lock:
            self._untold.difference_update(untold)
            was_away, self._away_until = self._away_until is not None, None
        if was_away:
            self._memory.clear()
            logger.info("answers are kept in Redis again")
        return True
