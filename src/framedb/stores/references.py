"""`References`: frames that several consumers share, gone when the last of them has released them.

| Redis key | holds |
|---|---|
| `P__<size>` | frame prefix P in one size: a frame like any other, with its row in the index |
| `ref__P` | how many consumers still need P; lives as long as its frames. No frame, and in no index |
| `fdb:refs:<consumer>` | the last step the consumer has taken, so that one whose answer was lost is not counted twice |
| `del_queue`, in database 5 | keys that somebody is asked to unlink |

Older producers write these with a bare `MSET`, without rows and times to live: such frames are released just the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

from typing_extensions import Buffer

from framedb.config import MiB
from framedb.errors import InvalidFrameError, InvalidInputError, StaleWriterError, StoreFullError
from framedb.frame import NO_SOURCE, Frame, check_key, check_source, guess_encoding, to_microseconds
from framedb.resp import Redis, execute_many, transaction
from framedb.resp.connection import is_missing_function, is_out_of_memory, is_server_error
from framedb.stores.base import Put, check_ttl
from framedb.stores.functions import call_function, load_functions
from framedb.stores.memory import LARGEST_FRAME_BYTES
from framedb.stores.row import pack_row

COUNT = "ref__"
"""Begins the key of a count; the frame prefix follows."""

MISSING = "missing"
"""What becomes of a release whose count is not there: nothing has changed."""

_BATCH_BYTES = 8 * MiB  # a MULTI waits in the server's memory, beside the frames, until EXEC
_BATCH_FRAMES = 256
_ATTEMPTS = 3  # to write into a server that is full, each after twice as much was trimmed
_SOURCES_OWN = -1


@dataclass(frozen=True, slots=True)
class Release:
    """That a consumer needs a frame no more, in any of its sizes."""

    count: str
    """Key of the count: `ref__P`."""
    by: int
    """How much it goes down."""
    sizes: tuple[str, ...]
    """Of the frames that go when it reaches zero: `416x416`."""
    step: int
    """The consumer's own number of it; each is higher than the one before, in the order they are sent."""

    @classmethod
    def of(cls, count: str, by: int, sizes: Sequence[str], step: int) -> "Release":
        """Raises InvalidInputError for what cannot be one."""
        if not isinstance(count, str) or not count.startswith(COUNT):
            raise InvalidInputError(f"{count!r} is no key of a count: it begins with {COUNT}")
        if isinstance(by, bool) or not isinstance(by, int) or not 0 <= by < 2**62:
            raise InvalidInputError(f"{count} cannot go down by {by!r}: give a whole number, 0 or more")
        if isinstance(sizes, str) or not all(isinstance(size, str) for size in sizes):
            raise InvalidInputError(f"{count}: sizes are a list of texts like 416x416")
        return cls(count, by, tuple(sizes), step)

    @property
    def frames(self) -> list[str]:
        """Keys of the frames."""
        return [f"{self.count.removeprefix(COUNT)}__{size}" for size in self.sizes]


class References:
    """Writes frames together with their counts, and releases them. `run` calls an operation with a client of the master.

    `run` may repeat an operation whose outcome is unknown: every one of these may be repeated.
    """

    def __init__(self, run: Callable[[Callable[[Redis], Any]], Any], *, default_ttl: float) -> None:
        """`default_ttl` is in seconds, for frames of sources whose policy has none: no consumer's death may leak a frame."""
        self._run = run
        self._default_ttl_ms = _milliseconds(default_ttl)
        self._has_ttl: dict[str, bool] = {}
        self._ask_first: set[str] = set()  # sources whose policy has turned a frame away

    def put(
        self,
        source: str,
        values: Mapping[str, "Buffer | str | float"],
        *,
        ttl: float | None = None,
        epoch: int | None = None,
    ) -> list[Put]:
        """Write frames, and the counts among them, a frame prefix with its count in one step; results of the frames.

        `ttl` is in seconds, by default the source's. `epoch` is the version of its route. Raises InvalidKeyError,
        InvalidInputError, InvalidFrameError, StoreFullError, and StaleWriterError if the source has moved.
        """
        check_source(source)
        ttl_ms = None if ttl is None else _milliseconds(ttl)
        puts: list[Put] = []
        for batch in _batches(source, values):
            puts += self._put_batch(source, batch, ttl_ms, epoch)
        return puts

    def release(self, source: str, releases: Sequence[Release], *, consumer: str, queue: bool = False) -> list[str]:
        """Take each step: `left:<n>`, `released`, `missing`, or `repeated` for one that was taken before.

        A frame whose count reaches zero goes, with its row, in that same step; `queue` asks for its bytes to be unlinked by
        whoever empties `del_queue`. May be called again after an error, with the same releases. What cannot be counted is
        `refused:<why>`.
        """
        commands: list[tuple[Any, ...]] = []
        for each in releases:
            keys = (each.count, *each.frames)
            arguments = (source, each.by, consumer, each.step, "1" if queue else "")
            commands.append(("FCALL", "fdb_refs_v1_release", len(keys), *keys, *arguments))

        def take(redis: Redis) -> list[str]:
            replies = execute_many(redis, commands)
            if any(is_missing_function(reply) for reply in replies):
                load_functions(redis)
                replies = execute_many(redis, commands)
            for reply in replies:
                if is_server_error(reply):
                    raise reply
            return [reply.decode() for reply in replies]

        taken: list[str] = self._run(take) if commands else []
        return taken

    def unlink_queued(self, limit: int = 1000) -> int:
        """Unlink up to so many keys of `del_queue`; how many there were."""
        return int(self._run(lambda redis: call_function(redis, "refs_v1_unlink_queued", [], [limit])))

    # Inside

    def _put_batch(self, source: str, batch: "_Batch", ttl_ms: int | None, epoch: int | None) -> list[Put]:
        """In one MULTI."""

        def write(redis: Redis) -> list[str]:
            lifetime = ttl_ms if ttl_ms is not None else self._lifetime(redis, source)
            commands, functions = batch.commands(source, lifetime, epoch, self._default_ttl_ms)
            asked = [source, len(batch.frames), batch.nbytes]
            if source in self._ask_first and batch.frames:  # rather than send bytes that will be turned away
                verdict = str(call_function(redis, "v1_admit", [], asked))
                if verdict != "admitted":
                    return [verdict] * len(batch.frames)
            for attempt in range(_ATTEMPTS):
                try:
                    return _transacted(redis, commands, functions, len(batch.frames))
                except Exception as exc:
                    if not is_out_of_memory(exc):
                        raise
                    verdict = str(call_function(redis, "v1_trim", [], [*asked[:2], batch.nbytes << attempt]))
                    if verdict != "trimmed":
                        return [verdict] * max(1, len(batch.frames))
            return ["refused:full"] * max(1, len(batch.frames))

        statuses: list[str] = self._run(write)
        if any(status in ("refused:full", "dropped:drop-newest") for status in statuses):
            self._ask_first.add(source)
        if "refused:stale" in statuses:
            raise StaleWriterError(f"source {source} has moved: ask for its mapping again")
        if "refused:full" in statuses:
            raise StoreFullError(f"no room for source {source}: release frames, or raise its caps or maxmemory")
        return [
            Put(frame.key, status.removeprefix("dropped:") if status.startswith("dropped:") else None)
            for frame, status in zip(batch.frames, statuses, strict=False)
        ]

    def _lifetime(self, redis: Redis, source: str) -> int:
        """The source's own, if it has one: the server knows it."""
        if source not in self._has_ttl:
            self._has_ttl[source] = redis.hexists(f"fdb:{source}:f", "ttl_s")
        return _SOURCES_OWN if self._has_ttl[source] else self._default_ttl_ms


@dataclass(slots=True)
class _Batch:
    """Frames, and counts with the frames they are for."""

    frames: list[Frame]
    counts: dict[str, tuple[memoryview, list[str]]]
    nbytes: int = 0

    def commands(
        self, source: str, ttl_ms: int, epoch: int | None, default_ttl_ms: int
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The values' commands, and the functions' that follow them."""
        expiry = ("PX", ttl_ms) if ttl_ms > 0 else ()
        values: list[tuple[Any, ...]] = [("SET", frame.key, frame.view(), *expiry) for frame in self.frames]
        values += [("SET", key, value) for key, (value, _) in self.counts.items()]
        functions: list[tuple[Any, ...]] = []
        if self.frames:
            arguments: list[Any] = [source, "" if epoch is None else epoch, "", ""]
            for frame in self.frames:
                captured_at = "" if source == NO_SOURCE else to_microseconds(frame.captured_at)
                arguments += [captured_at, ttl_ms, pack_row(frame)]
            functions.append(
                ("FCALL", "fdb_v1_index", len(self.frames), *(frame.key for frame in self.frames), *arguments)
            )
        lone = default_ttl_ms if ttl_ms <= 0 else ttl_ms
        for key, (_, frames) in self.counts.items():
            functions.append(("FCALL", "fdb_refs_v1_settle", 1 + len(frames), key, *frames, lone))
        return values, functions


def _transacted(
    redis: Redis, values: list[tuple[Any, ...]], functions: list[tuple[Any, ...]], frames: int
) -> list[str]:
    """What the index function says of each frame."""
    replies = transaction(redis, [*values, *functions])[len(values) :]
    if any(is_missing_function(reply) for reply in replies):
        load_functions(redis)
        replies = execute_many(redis, functions)
    for reply in replies:
        if is_server_error(reply):
            raise reply
    return [status.decode() for status in replies[0]] if frames else []


def _batches(source: str, values: Mapping[str, "Buffer | str | float"]) -> Iterator[_Batch]:
    """Few enough bytes each; a count goes with the frames it is for."""
    frames_of: dict[str, list[Frame]] = {}
    counts: dict[str, memoryview] = {}
    for key, value in values.items():
        data = _as_bytes(key, value)
        if key.startswith(COUNT):
            counts[check_key(key)] = _as_count(key, data)
        else:
            check_key(key)
            if data.nbytes > LARGEST_FRAME_BYTES:
                raise InvalidFrameError(f"{key} has {data.nbytes} bytes; in memory at most {LARGEST_FRAME_BYTES}")
            frame = Frame(key, data, source=source, encoding=guess_encoding(data))
            prefix = key.rpartition("__")[0]
            frames_of.setdefault(prefix if f"{COUNT}{prefix}" in values else "", []).append(frame)
    batch = _Batch([], {})
    for prefix in dict.fromkeys([*frames_of, *(key.removeprefix(COUNT) for key in counts)]):
        group = frames_of.get(prefix, [])
        together = [group] if prefix else [[frame] for frame in group]
        for part in together:
            size = sum(frame.nbytes for frame in part)
            crowded = batch.nbytes + size > _BATCH_BYTES or len(batch.frames) + len(part) > _BATCH_FRAMES
            if crowded and (batch.frames or batch.counts):
                yield batch
                batch = _Batch([], {})
            batch.frames += part
            batch.nbytes += size
        if f"{COUNT}{prefix}" in counts:
            batch.counts[f"{COUNT}{prefix}"] = (counts[f"{COUNT}{prefix}"], [frame.key for frame in group])
    if batch.frames or batch.counts:
        yield batch


def _as_bytes(key: str, value: "Buffer | str | float") -> memoryview:
    """As a Redis client would send it."""
    if not isinstance(key, str):
        raise InvalidInputError(f"{key!r} is no key: give text")
    if isinstance(value, str):
        return memoryview(value.encode())
    if isinstance(value, int | float):
        return memoryview(repr(value).encode())
    try:
        return memoryview(value).cast("B") if memoryview(value).nbytes else memoryview(b"")
    except TypeError as exc:
        raise InvalidInputError(
            f"{key}: a {type(value).__name__} is nothing that can be written: give bytes, in one piece"
        ) from exc


def _as_count(key: str, data: memoryview) -> memoryview:
    try:
        count = int(bytes(data))
    except ValueError:
        raise InvalidInputError(f"{key} is a count of consumers: give a whole number") from None
    if key == COUNT:
        raise InvalidInputError(f"{key} names no frame prefix: a count's key is {COUNT}<prefix>")
    return memoryview(str(count).encode())


def _milliseconds(ttl: float) -> int:
    return 0 if isinf(check_ttl(ttl)) else max(1, round(ttl * 1000))
