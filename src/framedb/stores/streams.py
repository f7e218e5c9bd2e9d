"""`Streams`: items in Redis lists, first in and first out; a read takes the item.

| Redis key | holds |
|---|---|
| `fdb:q:<name>` | list: items as they are, `LPUSH` in and `RPOP` out, so that any Redis client can take part |
| `fdb:qd:<name>` | hash: items nobody took, by reason |
"""

import time
from typing import Any, cast, get_args

from typing_extensions import Buffer

from framedb.config import MiB, Policy
from framedb.errors import InvalidInputError, StoreFullError
from framedb.frame import check_key
from framedb.resp import MasterClient, Redis, execute_many, transaction
from framedb.resp.connection import is_missing_function, is_server_error
from framedb.stores.functions import call_function, raised

StreamPolicy = Policy
"""At its cap: the oldest item goes, the new one is turned away, or its writer is told to wait."""

LARGEST_ITEM_BYTES = 64 * MiB
"""An item is held whole by writer and reader, as a frame in memory is."""

_POLICIES: tuple[Policy, ...] = get_args(Policy)
_BLOCK = 1.0  # seconds the server may keep a reader waiting in one call: well below a connection's timeout


class Streams:
    """Streams of one cluster. What was pushed while a server died may come twice; what was taken then may be lost."""

    def __init__(self, master: MasterClient) -> None:
        self._master = master

    def push(
        self, name: str, data: Buffer, *, max_length: int | None = None, policy: StreamPolicy | None = None
    ) -> int:
        """Add an item behind all others; how many of these went for it, where there is a cap.

        Raises InvalidKeyError, InvalidInputError for an item over 64 MiB, and StoreFullError when there is no room, or at the
        cap under `drop-newest` (which counts the item) and `wait`.
        """
        view = memoryview(data)
        view = view.cast("B") if view.nbytes else memoryview(b"")
        if view.nbytes > LARGEST_ITEM_BYTES:
            raise InvalidInputError(
                f"an item of {view.nbytes} bytes is too large for stream {name}: at most {LARGEST_ITEM_BYTES} are possible; "
                f"put it as an object, and push its key"
            )
        max_length, policy = check_policy(max_length, policy)
        push = ("LPUSH", list_of(check_key(name)), view)
        if max_length is None:
            self._master.run(lambda redis: raised(execute_many(redis, [push])))
            return 0
        bound = (list_of(name), name, max_length, policy)
        status, gone = self._master.run(lambda redis: _push(redis, push, bound))
        if status != b"stored":
            raise StoreFullError(
                f"stream {name} is at its cap of {max_length} items: take some, raise it, or have policy drop-oldest"
            )
        return int(gone)

    def pop(self, name: str, *, wait: float = 0.0) -> bytes | None:
        """Take the oldest item, waiting up to that many seconds for one; None if there is none."""
        deadline = time.monotonic() + wait
        key = list_of(name)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return cast(bytes | None, self._master.run(lambda redis: redis.rpop(key)))
            block = max(0.001, min(left, _BLOCK))
            found = self._master.run(lambda redis, block=block: redis.brpop([key], block))  # type: ignore[misc]
            if found is not None:
                return cast(bytes, found[1])

    def take_back(self, name: str, data: Buffer) -> bool:
        """Remove the newest item of these bytes; whether it was still there."""
        view = memoryview(data)
        flat = view.cast("B") if view.nbytes else memoryview(b"")
        return bool(self._master.run(lambda redis: raised(execute_many(redis, [("LREM", list_of(name), 1, flat)]))[0]))

    def length(self, name: str) -> int:
        """Items that wait."""
        return int(self._master.run(lambda redis: redis.llen(list_of(name))))

    def drops(self, name: str) -> dict[str, int]:
        """Items that nobody took, by reason: `evicted-unread`, `drop-newest`."""
        counted = self._master.run(lambda redis: redis.hgetall(f"fdb:qd:{name}"))
        return {cast(bytes, reason).decode(): int(number) for reason, number in counted.items()}

    def delete(self, name: str) -> bool:
        """Remove the stream with what waits in it; whether there was anything."""
        return bool(self._master.run(lambda redis: redis.unlink(list_of(name), f"fdb:qd:{name}")))


def list_of(name: str) -> str:
    """The Redis key of a stream."""
    return f"fdb:q:{name}"


def check_policy(max_length: Any, policy: Any) -> tuple[int | None, StreamPolicy]:
    """A cap in items, or None for none, and what happens at it (by default `drop-oldest`). Raises InvalidInputError."""
    if max_length is not None and (isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1):
        raise InvalidInputError("max_length of a stream must be a whole number of items, at least 1; or leave it out")
    if policy is None:
        return max_length, "drop-oldest"
    if policy not in _POLICIES:
        raise InvalidInputError(f"a stream has one of the policies {', '.join(_POLICIES)}")
    return max_length, policy


def _push(redis: Redis, push: tuple[Any, ...], bound: tuple[Any, ...]) -> Any:
    key, *arguments = bound
    _, verdict = transaction(redis, [push, ("FCALL", "fdb_stream_v1_bound", 1, key, *arguments)])
    if is_missing_function(verdict):
        return call_function(redis, "stream_v1_bound", [key], arguments)
    if is_server_error(verdict):
        raise verdict
    return verdict
