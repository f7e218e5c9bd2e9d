"""The frame queue on a Valkey or Redis stream with a consumer group."""

import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any

from framedb.errors import InvalidInputError, InvalidKeyError, QueueError, QueueFullError
from framedb.queueing.base import FRAME_QUEUE, Announced, Announcement, Bounds, DeadLetter, Delivery, FrameQueue
from framedb.queueing.control import Control, control_client, queue_errors
from framedb.queueing.fields import from_fields, to_fields, unreadable
from framedb.resp import close_redis, execute_many, transaction
from framedb.resp.connection import is_missing_function

logger = logging.getLogger(__name__)

_LIBRARY = (files("framedb.queueing") / "streams.lua").read_text()
_LONGEST_BLOCK = 0.5  # seconds one read may block: what another worker gives back is found this soon
_SWEEP_EVERY = 60.0  # seconds between two looks for consumers that are gone; each queue looks by itself
_SILENT = 600.0  # seconds after which a consumer that holds nothing is taken off the group's list
_NO_CURSOR = b"0-0"


class StreamsQueue(FrameQueue):
    """Announcements are entries of the stream `name`; workers are consumers of one group.

    What a worker holds goes to another once the worker was silent for `hold` seconds: all workers of a queue must agree
    on it. Threads may share one, as each call uses a connection of its own, but a consumer's name belongs to one queue
    object only. `control` is an endpoint, or a client that stays open when the queue closes.
    """

    def __init__(
        self,
        control: Control,
        *,
        name: str = FRAME_QUEUE,
        group: str = "workers",
        consumer: str | None = None,
        hold: float = 10.0,
        max_deliveries: int = 5,
        bounds: Bounds | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._redis, self._owned = control_client(control, timeout=timeout)
        self._name, self._dead, self._group = name, f"{name}.dead", group
        self._consumer = consumer or uuid.uuid4().hex
        self._hold_ms = max(1, round(hold * 1000))
        self._max_deliveries = max_deliveries
        self._bounds = bounds or Bounds()
        self._longest_block = min(_LONGEST_BLOCK, hold / 4, timeout / 2)
        self._cursor: Any = _NO_CURSOR
        self._next_sweep = 0.0
        self._in_group = False

    def announce(self, announcements: Sequence[Announcement]) -> Announced:
        """As the interface says. QueueFullError also when the control server is at its maxmemory, whatever the policy."""
        if not announcements:
            return Announced([], [])
        limit, policy = self._bounds.max_length, self._bounds.policy
        if policy == "wait" and len(announcements) > limit:
            raise InvalidInputError(
                f"{len(announcements)} announcements at once never fit into {self._name}: announce at most {limit}"
            )
        values = [
            text for one in announcements for text in (one.key, *to_fields(one).values())
        ]  # in the order of `to_fields`: source, framedb_id, captured_at
        done, *answer = self._call("announce", [self._name], [self._group, limit, policy, *values])
        if not done:
            raise QueueFullError(
                f"{self._name} holds {answer[0]} of at most {limit}: announce again when workers have taken some"
            )
        first, last, removed = answer
        pushed_out = [self._read(fields) for fields in removed]
        accepted = list(announcements[first - 1 : last])
        return Announced(accepted, [*pushed_out, *announcements[: first - 1], *announcements[last:]])

    def take(self, *, timeout: float) -> Delivery | None:
        """As the interface says. What others gave back comes first, then a dead worker's, then the oldest new one."""
        deadline = time.monotonic() + timeout
        self._sweep()
        while True:
            delivery = self._take_one()
            remaining = deadline - time.monotonic()
            if delivery is None and remaining > 0:
                delivery = self._wait_for_new(min(remaining, self._longest_block))
            if delivery is not None or time.monotonic() >= deadline:
                return delivery

    def renew(self, delivery: Delivery) -> bool:
        """As the interface says; from any thread."""
        return bool(self._call("renew", [self._name], [self._group, self._consumer, delivery.handle]))

    def acknowledge(self, delivery: Delivery) -> None:
        """As the interface says, also for one that was lost to another worker: the work is done, whoever did it."""
        with queue_errors(str(self)):
            transaction(
                self._redis,
                [("XACK", self._name, self._group, delivery.handle), ("XDEL", self._name, delivery.handle)],
            )

    def give_back(self, delivery: Delivery, *, counted: bool = False) -> None:
        """As the interface says. Nothing happens to one that was lost to another worker."""
        attempts = delivery.attempt if counted else max(0, delivery.attempt - 1)
        self._call("give_back", [self._name], [self._group, self._consumer, delivery.handle, attempts])

    def set_aside(self, delivery: Delivery, reason: str) -> None:
        """As the interface says, in one step. Nothing happens to one that another worker has acknowledged."""
        self._set_aside(delivery.handle, delivery.announcement.key, reason)

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """As the interface says. At most as many as the queue may hold are kept; the oldest go first."""
        letters = []
        for _, fields in self._execute("XRANGE", self._dead, "-", "+", "COUNT", limit):
            reason = _as_map(fields).get("reason", b"")
            letters.append(DeadLetter(self._read(fields), reason.decode(errors="replace")))
        return letters

    def depth(self) -> int:
        """Announcements not yet acknowledged: waiting, and in workers' hands."""
        return int(self._execute("XLEN", self._name))

    def close(self) -> None:
        """As the interface says; what it held goes to others at once, if the server can be told, and counts as tried."""
        if self._in_group:
            self._in_group = False
            with suppress(QueueError):
                self._call("leave", [self._name], [self._group, self._consumer])
        if self._owned:
            close_redis(self._redis)

    def __str__(self) -> str:
        return f"the queue {self._name}"

    def _take_one(self) -> Delivery | None:
        """What can be had without waiting."""
        reason = f"not acknowledged in {self._max_deliveries} deliveries"
        arguments = [self._group, self._consumer, self._hold_ms, self._max_deliveries]
        while True:
            self._in_group = True
            self._cursor, aside, gone, *entry = self._call(
                "take",
                [self._name, self._dead],
                [*arguments, self._cursor, reason, self._bounds.max_length],
            )
            for fields in aside:
                self._log_aside(self._read(fields).key, reason)
            self._log_gone(gone)
            if not entry:
                return None
            delivery = self._delivery(*entry)
            if delivery is not None:
                return delivery

    def _wait_for_new(self, seconds: float) -> Delivery | None:
        """A new entry, if one comes in time. Blocking is not possible inside a function."""
        try:
            answer = self._execute(
                "XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", 1,
                "BLOCK", max(1, round(seconds * 1000)), "STREAMS", self._name, ">",
            )  # fmt: skip
        except QueueError as exc:
            if not _says_no_group(exc):
                raise
            return None  # the server was emptied meanwhile: the next look makes the group again
        if not answer:
            return None
        [[_, [[entry_id, fields]]]] = answer
        return self._delivery(entry_id, fields, 1)

    def _delivery(self, entry_id: bytes, fields: list[bytes], attempt: int) -> Delivery | None:
        values = _as_map(fields)
        try:
            return Delivery(from_fields(values.get("key", b""), values), attempt, entry_id)
        except InvalidKeyError as exc:
            self._set_aside(entry_id, unreadable(values.get("key", b"")).key, str(exc))
            return None

    def _set_aside(self, entry_id: bytes, key: str, reason: str) -> None:
        gone = self._call(
            "set_aside", [self._name, self._dead], [self._group, entry_id, reason, self._bounds.max_length]
        )
        self._log_aside(key, reason)
        self._log_gone(gone)

    def _log_aside(self, key: str, reason: str) -> None:
        logger.warning("a frame was set aside", extra={"queue": self._name, "key": key, "reason": reason})

    def _log_gone(self, gone: int) -> None:
        if gone:
            logger.warning("old dead letters had to go", extra={"queue": self._dead, "count": gone})

    def _sweep(self) -> None:
        now = time.monotonic()
        if now >= self._next_sweep:
            silent = max(_SILENT, self._hold_ms / 100)
            self._call("sweep", [self._name], [self._group, round(silent * 1000)])
            self._next_sweep = now + _SWEEP_EVERY

    def _read(self, fields: list[bytes]) -> Announcement:
        values = _as_map(fields)
        key = values.get("key", b"")
        try:
            return from_fields(key, values)
        except InvalidKeyError:
            return unreadable(key)

    def _call(self, function: str, keys: list[str], arguments: list[Any]) -> Any:
        """The answer of one of our functions, which a server that restarted or is new is given first."""
        command = ("FCALL", f"fdbq_v1_{function}", len(keys), *keys, *arguments)
        with queue_errors(str(self)):
            [reply] = execute_many(self._redis, [command])
            if isinstance(reply, Exception) and is_missing_function(reply):
                [loaded] = execute_many(self._redis, [("FUNCTION", "LOAD", _LIBRARY)])
                if isinstance(loaded, Exception) and "already exists" not in str(loaded):
                    raise loaded
                [reply] = execute_many(self._redis, [command])
            if isinstance(reply, Exception):
                raise reply
        return reply

    def _execute(self, *command: Any) -> Any:
        with queue_errors(str(self)):
            [reply] = execute_many(self._redis, [command])
            if isinstance(reply, Exception):
                raise reply
        return reply


def _as_map(fields: list[bytes]) -> dict[str, bytes]:
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return {name.decode(errors="replace"): value for name, value in pairs}


def _says_no_group(error: QueueError) -> bool:
    """Whether the group went away, before a read or under one that was blocked."""
    return "NOGROUP" in str(error) or "UNBLOCKED" in str(error)
