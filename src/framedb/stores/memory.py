"""`MemoryStore`: frames in Redis or Valkey, each a plain value under its own key, with an index per source.

| Redis key | holds |
|---|---|
| `K` (the frame's key) | the bytes, `SET ... PX ttl`: any Redis client can read them |
| `fdb:S:t` | sorted set: K by capture time, microseconds |
| `fdb:S:x` | sorted set: K by expiry, ms of the server's clock |
| `fdb:S:m` | hash: K -> what is known about the bytes (`row`) |
| `fdb:S:s` | hash: count, bytes, and drops by reason |
| `fdb:S:f` | hash: epoch and token of the writer, and the source's policy |
| `fdb:S:out` | sorted set: K put to be announced, not yet confirmed |
| `fdb:sources` | set of sources |

A write is one `MULTI`: `SET`, then the index function of `frames.lua`, which sees metadata only. It is idempotent, so a
write whose outcome is unknown is simply repeated. A *replicated* one then waits on the same connection for the replicas.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from math import isinf
from typing import Any

from typing_extensions import Buffer

from framedb.config import MiB
from framedb.errors import (
    InvalidFrameError,
    NotReplicatedError,
    StaleWriterError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from framedb.frame import NO_SOURCE, Frame, check_key, check_source, source_of, to_microseconds
from framedb.resp import (
    MasterClient,
    Redis,
    Replicated,
    execute_many,
    get_into,
    replicated_transaction,
    transaction,
    transport,
)
from framedb.resp.connection import is_missing_function, is_out_of_memory, is_server_error, is_short_of_replicas
from framedb.stores.base import FrameStore, Put, SourceStats, check_ttl
from framedb.stores.functions import call_function, load_functions
from framedb.stores.leaving import Holding, Leaving, leaving, look_at, pages
from framedb.stores.policy import SourcePolicy
from framedb.stores.row import pack_row, unpack_row

LARGEST_FRAME_BYTES = 64 * MiB
"""A value is held whole by reader and writer; larger ones belong in the durable store."""

_BATCH_BYTES = 8 * MiB  # a MULTI waits in the server's memory, beside the frames, until EXEC
_BATCH_FRAMES = 256
_PAGE = 64  # keys read in one round trip
_MASTERS = 3  # tried by one replicated write, while they are deposed one after the other
_DEFAULT_TTL = -1  # the source's own, known to the server


@dataclass(frozen=True, slots=True)
class Fence:
    """Proves that a writer is the one its source has now. A lower epoch or token than the stored one is refused."""

    epoch: int | None = None
    """Version of the source's route; None for a writer that runs without a node, and so without routes."""
    token: int | None = None
    """Fencing token of the lease on the camera; None for a writer that holds none."""


class MemoryStore(FrameStore):
    """Frames of one cluster.

    Beyond `FrameStore`: announcing, leasing, dropping with a reason, and the policies of sources. Frames over 64 MiB are
    refused with InvalidFrameError.
    """

    def __init__(self, master: MasterClient) -> None:
        self._master = master
        self._ask_first: set[str] = set()  # sources whose policy has turned a frame away

    @property
    def master(self) -> MasterClient:
        """The client it speaks through, for what else is kept beside the frames. It closes with the store."""
        return self._master

    # Writing

    def put(
        self,
        frame: Frame,
        *,
        ttl: float | None = None,
        announce: bool = False,
        fence: Fence | None = None,
        replicated: bool = False,
    ) -> Put:
        """As `FrameStore.put`. `announce`: the frame is listed as unannounced until `confirm`.

        `replicated`: acknowledged only when every attached replica, and at least half of the cluster's members, have it.
        """
        return self.put_many([frame], ttl=ttl, announce=announce, fence=fence, replicated=replicated)[0]

    def put_many(
        self,
        frames: Sequence[Frame],
        *,
        ttl: float | None = None,
        announce: bool = False,
        fence: Fence | None = None,
        replicated: bool = False,
    ) -> list[Put]:
        """As `FrameStore.put_many`. After StoreFullError put all of them again: those that were stored are replaced.

        `replicated` may also raise NotReplicatedError: the frames may be there, and a failover may lose them. Put all of
        them again then, too.
        """
        for frame in frames:
            check_key(frame.key)
            check_source(frame.source)
            if frame.nbytes > LARGEST_FRAME_BYTES:
                raise InvalidFrameError(
                    f"{frame.key} has {frame.nbytes} bytes; in memory at most {LARGEST_FRAME_BYTES}: store it as durable"
                )
        ttl_ms = _DEFAULT_TTL if ttl is None else 0 if isinf(check_ttl(ttl)) else max(1, round(ttl * 1000))
        if replicated:
            self._check_replicas()
        results: dict[int, Put] = {}
        for positions in _batches(frames):
            batch = [frames[position] for position in positions]
            puts = self._put_batch(batch, ttl_ms, announce, fence or Fence(), replicated)
            results.update(zip(positions, puts, strict=True))
        return [results[position] for position in range(len(frames))]

    def _put_batch(self, frames: list[Frame], ttl_ms: int, announce: bool, fence: Fence, replicated: bool) -> list[Put]:
        """Frames of one source, in one MULTI."""
        source = frames[0].source
        size = sum(frame.nbytes for frame in frames)
        commands, index = _write_commands(source, frames, ttl_ms, announce, fence)
        ask_first = source in self._ask_first

        def write(redis: Redis) -> tuple[list[str], Replicated | None]:
            if ask_first:  # rather than send bytes that will be turned away
                verdict = _call(redis, "admit", [], [source, len(frames), size])
                if verdict != "admitted":
                    return [verdict] * len(frames), None
            for attempt in range(3):
                try:
                    statuses, copies = self._transact(redis, commands, index, replicated)
                except Exception as exc:
                    if not is_out_of_memory(exc):
                        raise
                    verdict = _call(redis, "trim", [], [source, len(frames), size << attempt])
                    if verdict != "trimmed":
                        return [verdict] * len(frames), None
                    continue
                return [status.decode() for status in statuses], copies
            return ["refused:full"] * len(frames), None

        statuses = self._replicated(write) if replicated else self._master.run(write)[0]
        if any(status in ("refused:full", "dropped:drop-newest") for status in statuses):
            self._ask_first.add(source)
        for status in statuses:
            _raise_refusal(status, source, self._master)
        return [Put(frame.key, _dropped(status)) for frame, status in zip(frames, statuses, strict=True)]

    def _replicated(self, write: Callable[[Redis], tuple[list[str], Replicated | None]]) -> list[str]:
        """What is answered to a write that enough replicas have; NotReplicatedError otherwise."""
        for _ in range(_MASTERS):
            master = self._master.connection.master
            try:
                statuses, copies = self._master.run(write)
            except StoreUnavailableError as exc:
                if is_short_of_replicas(exc.__cause__):
                    raise NotReplicatedError(f"nothing was written: {exc}") from exc
                raise
            if copies is None or copies or "stored" not in statuses:
                return statuses
            confirmed = f"{copies.acknowledged} of {copies.wanted}"
            # A master that hung while another took its place believes in itself for seconds, without a replica.
            self._master.ask_again()
            if self._master.connection.master == master:
                break
        raise NotReplicatedError(
            f"{self._master}: {confirmed} replicas confirmed the write within {self._master.timeout:g} s, and a failover may "
            f"lose it: put it again, and look at the cluster's members"
        )

    def _transact(
        self, redis: Redis, commands: list[tuple[Any, ...]], index: tuple[Any, ...], replicated: bool
    ) -> tuple[list[bytes], Replicated | None]:
        """What the index function answers to a write, and who has it where that was asked for."""
        copies = None
        if replicated:
            members, timeout = self._master.connection.members, self._master.timeout
            replies, copies = replicated_transaction(redis, commands, members=members, timeout=timeout)
            if is_missing_function(replies[-1]):
                load_functions(redis)
                # All of it again: a WAIT is for what its own connection wrote.
                replies, copies = replicated_transaction(redis, commands, members=members, timeout=timeout)
            statuses = replies[-1]
        else:
            statuses = transaction(redis, commands)[-1]
            if is_missing_function(statuses):
                load_functions(redis)
                (statuses,) = execute_many(redis, [index])
        if is_server_error(statuses):
            raise statuses
        return statuses, copies

    def _check_replicas(self) -> None:
        """Raises NotReplicatedError, before anything is written, where there is nobody to replicate to."""
        if self._master.connection.members == 1:
            self._master.ask_again()  # it may have been scaled since
        if self._master.connection.members == 1:
            raise NotReplicatedError(
                f"{self._master} has one member, and nothing was written: scale it to three "
                f"(`framedb cluster scale`), or put without `replicated`"
            )

    # Reading

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`."""
        frames: list[Frame | None] = []
        for page in _pages(keys):
            frames += self._get_page(page, source)
        return frames

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`; the bytes are read from the socket straight into the buffer."""
        size = self._master.run(lambda redis: get_into(redis, key, buffer))
        if size is None:
            self._repair([key], source or source_of(key))
        return size

    def scan(self, prefix: str = "", *, source: str | None = None) -> Iterator[str]:
        """As `FrameStore.scan`."""
        for each in self.sources() if source is None else [source]:
            self.expire(each)
            seen: set[bytes] = set()
            for key in self._scan_rows(each):
                if key not in seen:
                    seen.add(key)
                    text = key.decode()
                    if text.startswith(prefix):
                        yield text

    def latest(self, source: str) -> Frame | None:
        """As `FrameStore.latest`."""
        return self._first_living(source, lambda redis: redis.zrevrange(f"fdb:{source}:t", 0, 0))

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`."""
        index, wanted = f"fdb:{source}:t", to_microseconds(at)

        def look(redis: Redis) -> list[bytes]:
            before, after = execute_many(
                redis,
                [
                    ("ZREVRANGEBYSCORE", index, wanted, "-inf", "WITHSCORES", "LIMIT", 0, 1),
                    ("ZRANGEBYSCORE", index, wanted, "+inf", "WITHSCORES", "LIMIT", 0, 1),
                ],
            )
            found = [(abs(int(float(pair[1])) - wanted), pair[0]) for pair in (before, after) if pair]
            return [min(found, key=lambda candidate: candidate[0])[1]] if found else []

        frame = self._first_living(source, look)
        if frame is None or (tolerance is not None and abs(frame.captured_at - at) > tolerance):
            return None
        return frame

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`."""
        index, end = f"fdb:{source}:t", f"({to_microseconds(stop)}"
        begin, skip = to_microseconds(start), 0
        while True:
            page = self._master.run(
                lambda redis, begin=begin, skip=skip: redis.zrangebyscore(  # type: ignore[misc]
                    index, begin, end, start=skip, num=_PAGE, withscores=True
                )
            )
            if not page:
                return
            yield from filter(None, self._get_page([key.decode() for key, _ in page], source, repair=False))
            # Go on behind the last one; frames of the very same microsecond are told apart by their number.
            last = int(page[-1][1])
            same = sum(1 for _, score in page if int(score) == last)
            skip = skip + same if last == begin else same
            begin = last

    def sources(self) -> list[str]:
        """As `FrameStore.sources`."""

        def look(redis: Redis) -> list[str]:
            names = sorted(_text(name) for name in redis.smembers("fdb:sources"))
            counts = execute_many(redis, [("HGET", f"fdb:{name}:s", "count") for name in names])
            return [name for name, count in zip(names, counts, strict=True) if int(count or 0) > 0]

        return self._master.run(look)

    def stats(self, source: str) -> SourceStats:
        """As `FrameStore.stats`; expired frames are counted first."""
        self.expire(source)
        fields = self._master.run(lambda redis: redis.hgetall(f"fdb:{source}:s"))
        numbers = {_text(name): int(value) for name, value in fields.items()}
        drops = {name[len("drop:") :]: number for name, number in numbers.items() if name.startswith("drop:")}
        return SourceStats(numbers.get("count", 0), numbers.get("bytes", 0), drops)

    # Removing

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`. Released frames count as no drop."""
        return sum(int(self._call("remove", page, [of, ""])) for of, page in _by_source(keys, source))

    def drop(self, key: str, *, reason: str, source: str | None = None) -> bool:
        """Remove a frame nobody has acknowledged, and count it under `reason`; whether there was one."""
        return bool(self._call("remove", [key], [source or source_of(key), reason]))

    def count_drops(self, source: str, *, reason: str, number: int = 1) -> None:
        """Count frames that never reached the store."""
        self._call("count", [], [source, reason, number])

    def expire(self, source: str) -> None:
        """Clear and count the source's expired frames, rather than wait for its next write to do so."""
        while int(self._call("expire", [], [source])):
            pass

    # Announcing, and holding

    def confirm(self, keys: Sequence[str], *, source: str | None = None) -> None:
        """The queue has confirmed the announcement of these frames."""
        for of, page in _by_source(keys, source):
            self._call("confirm", page, [of])

    def unannounced(self, *, older_than: float) -> list[tuple[str, str]]:
        """(source, key) of frames that were put to be announced over `older_than` seconds ago, and not confirmed since."""

        def look(redis: Redis) -> list[tuple[str, str]]:
            seconds, microseconds = redis.time()
            limit = seconds * 1000 + microseconds // 1000 - round(older_than * 1000)
            names = [_text(name) for name in redis.smembers("fdb:sources")]
            found = execute_many(
                redis, [("ZRANGEBYSCORE", f"fdb:{name}:out", "-inf", limit, "LIMIT", 0, 1000) for name in names]
            )
            return [(name, key.decode()) for name, keys in zip(names, found, strict=True) for key in keys]

        return self._master.run(look)

    def lease(self, key: str, *, seconds: float, source: str | None = None) -> bool:
        """A worker holds the frame that long: if it is evicted meanwhile, it counts as `evicted-leased`."""
        return bool(self._call("lease", [key], _lease_arguments(source or source_of(key), seconds)))

    def get_leased(self, key: str, *, seconds: float, source: str | None = None) -> Frame | None:
        """As `lease` and `get`, in one round trip."""
        of = source or source_of(key)
        arguments = _lease_arguments(of, seconds)
        commands = [("FCALL", "fdb_v1_lease", 1, key, *arguments), *_read_commands([key], [of])]

        def look(redis: Redis) -> list[Any]:
            leased, *read = execute_many(redis, commands)
            if is_missing_function(leased):
                _call(redis, "lease", [key], arguments)
            elif is_server_error(leased):
                raise leased
            return read

        return self._frames([key], [of], self._master.run(look))[0]

    # Leaving this cluster

    def raise_epoch(self, source: str, epoch: int) -> None:
        """From now on refuse writers of the source whose route is older than that. It is never lowered."""
        check_source(source)
        self._master.run(lambda redis: call_function(redis, "move_v1_raise_epoch", [], [source, epoch]))

    def holds(self, source: str) -> Holding:
        """How many frames of the source are here, and when the last of them is gone; expired ones are cleared first."""
        self.expire(source)
        return self._master.run(lambda redis: look_at(redis, source))

    def export(self, source: str) -> Iterator[Leaving]:
        """(frame, seconds left to it, whether it is unannounced) for each, in no promised order, a few in memory at a time.

        Frames may be removed meanwhile. One that is replaced meanwhile may come twice.
        """
        for keys in _pages_of(self._scan_rows(source)):
            for page in self._master.run(lambda redis, keys=keys: list(pages(redis, source, keys))):  # type: ignore[misc]
                yield from self._master.run(lambda redis, page=page: leaving(redis, source, page))  # type: ignore[misc]

    # Policies

    def set_policy(self, source: str, policy: SourcePolicy) -> None:
        """Caps and TTL of the source, in force with its next write."""
        check_source(source)
        key, fields = f"fdb:{source}:f", policy.fields()
        pairs = [part for pair in fields.items() for part in pair]
        unset = [name for name in SourcePolicy.__slots__ if name not in fields]
        self._master.run(lambda redis: transaction(redis, [("HDEL", key, *unset), ("HSET", key, *pairs)]))

    def policy(self, source: str) -> dict[str, str]:
        """What is in force for the source, as the server has it: `SourcePolicy` by name, epoch, token."""
        fields = self._master.run(lambda redis: redis.hgetall(f"fdb:{source}:f"))
        return {_text(name): _text(value) for name, value in fields.items()}

    def epoch(self, source: str) -> int:
        """The latest version of the source's route that the server was told of; 0 if of none."""
        return int(self._master.run(lambda redis: redis.hget(f"fdb:{source}:f", "epoch")) or 0)

    def release_token(self, source: str) -> None:
        """The camera is gone: its source may be written without its lease."""
        self._master.run(lambda redis: redis.hdel(f"fdb:{source}:f", "token"))

    def transport(self) -> str:
        """How the bytes travel: `unix socket PATH`, or `tcp HOST:PORT`."""
        return self._master.run(transport)

    def close(self) -> None:
        """As `FrameStore.close`."""
        self._master.close()

    # Inside

    def _call(self, function: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return self._master.run(lambda redis: _call(redis, function, keys, arguments))

    def _get_page(self, keys: Sequence[str], source: str | None, *, repair: bool = True) -> list[Frame | None]:
        sources = [source or source_of(key) for key in keys]
        commands = _read_commands(keys, sources)
        return self._frames(keys, sources, self._master.run(lambda redis: execute_many(redis, commands)), repair=repair)

    def _frames(
        self, keys: Sequence[str], sources: Sequence[str], replies: Sequence[Any], *, repair: bool = True
    ) -> list[Frame | None]:
        """What was read, by the replies to `_read_commands`."""
        for reply in replies:
            if is_server_error(reply):
                raise StoreError(f"{self._master}: {reply}") from reply
        frames: list[Frame | None] = []
        values, rows = replies[: len(keys)], replies[len(keys) :]
        for key, of, value, row in zip(keys, sources, values, rows, strict=True):
            frames.append(None if value is None else unpack_row(key, of, value, row))
            if value is None and row is not None and repair:
                self._repair([key], of)
        return frames

    def _repair(self, keys: list[str], source: str) -> None:
        self._call("repair", keys, [source])

    def _first_living(self, source: str, look: Any) -> Frame | None:
        """The frame whose key `look` finds; keys whose bytes have gone are repaired, and it looks again."""
        for _ in range(_PAGE):
            found = self._master.run(look)
            if not found:
                return None
            frame = self.get(found[0].decode(), source=source)
            if frame is not None:
                return frame
            self._repair([found[0].decode()], source)
            self.expire(source)
        return None

    def _scan_rows(self, source: str) -> Iterator[bytes]:
        cursor = 0
        while True:
            cursor, page = self._master.run(
                lambda redis, cursor=cursor: redis.hscan(f"fdb:{source}:m", cursor, count=1000)  # type: ignore[misc]
            )
            yield from page
            if cursor == 0:
                return


def _read_commands(keys: Sequence[str], sources: Sequence[str]) -> list[tuple[Any, ...]]:
    """What asks for the bytes, then for what is known about them."""
    rows = [("HGET", f"fdb:{of}:m", key) for of, key in zip(sources, keys, strict=True)]
    return [*(("GET", key) for key in keys), *rows]


def _lease_arguments(source: str, seconds: float) -> list[Any]:
    return [source, round(seconds * 1000)]


def _call(redis: Redis, function: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    return call_function(redis, f"v1_{function}", keys, arguments)


def _write_commands(
    source: str, frames: list[Frame], ttl_ms: int, announce: bool, fence: Fence
) -> tuple[list[tuple[Any, ...]], tuple[Any, ...]]:
    """What goes into the MULTI, the index call last; and that call."""
    commands: list[tuple[Any, ...]] = []
    arguments: list[Any] = [source, _or_empty(fence.epoch), _or_empty(fence.token), "1" if announce else ""]
    for frame in frames:
        expiry = ("PX", ttl_ms) if ttl_ms > 0 else ()
        commands.append(("SET", frame.key, frame.view(), *expiry))
        captured_at = "" if source == NO_SOURCE else to_microseconds(frame.captured_at)
        arguments += [captured_at, ttl_ms, pack_row(frame)]
    index = ("FCALL", "fdb_v1_index", len(frames), *(frame.key for frame in frames), *arguments)
    return [*commands, index], index


def _batches(frames: Sequence[Frame]) -> Iterator[list[int]]:
    """Positions of frames that go in one MULTI: of one source, few enough bytes, no key twice."""
    by_source: dict[str, list[int]] = {}
    for position, frame in enumerate(frames):
        by_source.setdefault(frame.source, []).append(position)
    for positions in by_source.values():
        batch: list[int] = []
        size = 0
        for position in positions:
            if batch and (size + frames[position].nbytes > _BATCH_BYTES or len(batch) == _BATCH_FRAMES):
                yield batch
                batch, size = [], 0
            batch.append(position)
            size += frames[position].nbytes
        yield batch


def _by_source(keys: Sequence[str], source: str | None) -> Iterator[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for key in keys:
        grouped.setdefault(source or source_of(key), []).append(key)
    for of, group in grouped.items():
        for page in _pages(group):
            yield of, page


def _pages_of(keys: Iterator[bytes]) -> Iterator[list[str]]:
    while page := [key.decode() for key in islice(keys, _PAGE)]:
        yield page


def _pages(keys: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _PAGE):
        yield list(keys[start : start + _PAGE])


def _or_empty(number: int | None) -> int | str:
    return "" if number is None else number


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _dropped(status: str) -> str | None:
    return status.removeprefix("dropped:") if status.startswith("dropped:") else None


def _raise_refusal(status: str, source: str, where: object) -> None:
    if status == "refused:stale":
        raise StaleWriterError(f"another writer holds source {source}, or it has moved: ask for its connection again")
    if status == "refused:full":
        raise StoreFullError(
            f"no room for source {source} in {where}: acknowledge or delete frames, or raise its caps or maxmemory"
        )
