"""How often a key was delivered, where the broker does not count: `fdb:deliveries:<key>` on the control server."""

import logging
from collections.abc import Iterable
from typing import Any

from framedb.errors import QueueError
from framedb.queueing.control import Control, control_client, queue_errors
from framedb.resp import close_redis, execute_many, transaction

logger = logging.getLogger(__name__)

_PREFIX = "fdb:deliveries:"
_DAY_S = 86_400  # a count outlives any hold by far, and nothing stays for ever


class DeliveryCounts:
    """Counts deliveries per key, for all workers together."""

    def __init__(self, control: Control, *, timeout: float = 5.0) -> None:
        self._redis, self._owned = control_client(control, timeout=timeout)

    def count(self, key: str) -> int:
        """How often it was delivered, this time included. Raises QueueUnavailableError, QueueFullError."""
        return self._change("INCR", key)

    def uncount(self, key: str) -> None:
        """This delivery does not count. If the control server does not answer, it does."""
        try:
            self._change("DECR", key)
        except QueueError as exc:
            logger.warning("a delivery stays counted", extra={"key": key, "reason": str(exc)})

    def forget(self, keys: Iterable[str]) -> None:
        """They are done with. If the control server does not answer, the counts go after a day."""
        names = [_PREFIX + key for key in keys]
        if not names:
            return
        try:
            with queue_errors("the control server"):
                [reply] = execute_many(self._redis, [("UNLINK", *names)])
                if isinstance(reply, Exception):
                    raise reply
        except QueueError as exc:
            logger.warning("counts of deliveries stay for a day", extra={"count": len(names), "reason": str(exc)})

    def close(self) -> None:
        """Disconnect."""
        if self._owned:
            close_redis(self._redis)

    def _change(self, command: str, key: str) -> int:
        name = _PREFIX + key
        commands: list[tuple[Any, ...]] = [(command, name), ("EXPIRE", name, _DAY_S)]
        with queue_errors("the control server"):
            count, _ = transaction(self._redis, commands)
            if isinstance(count, Exception):
                raise count
        return int(count)
