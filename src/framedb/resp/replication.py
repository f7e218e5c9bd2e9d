"""Writes that are acknowledged only when replicas have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.connection import Connection

from framedb.resp.connection import Redis, is_server_error
from framedb.resp.fast import Command, checked_out, converse, executed


@dataclass(frozen=True, slots=True)
class Replicated:
    """How many replicas have confirmed a write. True if they are enough."""

    acknowledged: int
    wanted: int

    def __bool__(self) -> bool:
        return self.acknowledged >= self.wanted


def replicated_transaction(
    client: Redis, commands: Sequence[Command], *, members: int, timeout: float
) -> tuple[list[Any], Replicated]:
    """As `transaction`; and whether every attached replica, and at least half of the `members`, have it.

    They are waited for up to `timeout` seconds. All of it is on one connection, outside the `MULTI`: on another one, or
    inside, `WAIT` answers at once and means nothing.
    """
    with checked_out(client) as connection:
        *replies, role = converse(connection, [("MULTI",), *commands, ("EXEC",), ("ROLE",)])
        wanted = acknowledged = 0
        if not is_server_error(replies[-1]):
            wanted = max(_online_replicas(role), members // 2)
            acknowledged = _wait(connection, wanted, timeout)
    return executed(replies), Replicated(acknowledged, wanted)


def _online_replicas(role: Any) -> int:
    """How many replicas are attached, by the answer to `ROLE`."""
    if is_server_error(role):
        raise role
    if role[0] != b"master":
        raise redis.ReadOnlyError("the master was demoted in the middle of a write")
    return len(role[2])


def _wait(connection: Connection, wanted: int, timeout: float) -> int:
    sock: Any = connection._sock
    patience = sock.gettimeout()
    sock.settimeout(None if patience is None else patience + timeout)
    (acknowledged,) = converse(connection, [("WAIT", wanted, max(1, round(timeout * 1000)))])
    sock.settimeout(patience)
    if is_server_error(acknowledged):
        raise acknowledged
    return int(acknowledged)
