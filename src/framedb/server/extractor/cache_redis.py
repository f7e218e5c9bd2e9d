"""`RedisCache`: answers kept in a Redis, for every service that shares it."""

from importlib.resources import files

from framedb.resp import Endpoint, close_redis, open_redis, translated

PREFIX = "fdb:cache:"
"""What the cache's keys begin with."""

_TIMEOUT = 0.5  # seconds: what takes longer is made anew sooner
# The oldest go first, and not those used longest ago: telling the server of each use would make a read as dear as a write.
_PUT = files(__package__).joinpath("cache.lua").read_text()
_FORGET = files(__package__).joinpath("forget.lua").read_text()


class RedisCache:
    """Entries that are kept for `ttl` seconds, the oldest going where all together exceed `max_bytes`. Thread-safe.

    Raises StoreError, in half a second at most, where Redis does not answer.
    """

    def __init__(self, endpoint: Endpoint, *, max_bytes: int, ttl: float, db: int = 0) -> None:
        self._client = open_redis(endpoint, timeout=_TIMEOUT, verify=False, db=db)
        self._where = f"the cache at {endpoint}"
        self._max_bytes = max_bytes
        self._ttl_ms = max(1, round(ttl * 1000))

    def ping(self) -> None:
        """Raises StoreError unless it answers."""
        with translated(self._where):
            self._client.ping()

    def get(self, owner: str, name: str) -> bytes | None:
        """What was kept."""
        with translated(self._where):
            value = self._client.get(f"{PREFIX}entry:{_id(owner, name)}")
        return value if isinstance(value, bytes) else None

    def put(self, owner: str, name: str, value: bytes) -> bool:
        """Keep it, and whether it was kept: not if it alone is larger than the bound."""
        with translated(self._where):
            return bool(self._client.eval(_PUT, 0, PREFIX, owner, name, value, self._ttl_ms, self._max_bytes))

    def forget(self, owner: str) -> int:
        """Drop every entry of that owner; how many there were."""
        with translated(self._where):
            return int(self._client.eval(_FORGET, 0, PREFIX, owner))

    def nbytes(self) -> int:
        """What all entries take."""
        with translated(self._where):
            return int(self._client.get(f"{PREFIX}bytes") or 0)

    def close(self) -> None:
        """Close its connections."""
        close_redis(self._client)


def _id(owner: str, name: str) -> str:
    return f"{len(owner.encode())}:{owner}{name}"
