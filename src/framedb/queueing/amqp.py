"""The frame queue on RabbitMQ."""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from framedb.errors import InvalidInputError, InvalidKeyError, QueueFullError
from framedb.queueing.base import FRAME_QUEUE, Announced, Announcement, Bounds, DeadLetter, Delivery, FrameQueue
from framedb.queueing.broker import Broker
from framedb.queueing.control import Control
from framedb.queueing.deliveries import DeliveryCounts
from framedb.queueing.fields import from_fields, to_fields, unreadable

logger = logging.getLogger(__name__)

_TIDY = 1000  # messages over the bound that one announcement takes out beyond its own number


@dataclass(frozen=True, slots=True)
class _Held:
    """A message in this worker's hands."""

    tag: int
    channel: Any = field(repr=False)
    """It can be acknowledged only where it came from, while that is open."""


class AMQPQueue(FrameQueue):
    """Announcements are persistent messages of the durable queue `name`: the key is the body, the rest are headers.

    Each thread opens its own; only `renew` may be called from another thread. RabbitMQ keeps a message with the
    connection that took it: it goes to another worker when that closes, or was silent for about `hold` seconds (at least
    two, as heartbeats are whole seconds). Deliveries are counted on the `control` server, an endpoint or a client that
    stays open when the queue closes.

    The bound is held by whoever announces, and counts only what waits: several publishers together may pass it by what
    they announce at the same moment. A RabbitMQ policy holds it exactly: `max-length` with `overflow: reject-publish`,
    whose refusals count as `drop-newest` would; its `drop-head` drops behind everybody's back.
    """

    def __init__(
        self,
        url: str,
        control: Control,
        *,
        name: str = FRAME_QUEUE,
        hold: float = 10.0,
        max_deliveries: int = 5,
        bounds: Bounds | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._name, self._dead = name, f"{name}.dead"
        self._max_deliveries = max_deliveries
        self._bounds = bounds or Bounds()
        self._lock = threading.RLock()
        queues = (self._name, self._dead)
        # Two connections: RabbitMQ stops reading from one that publishes when its memory is short, and acknowledgements,
        # which would help, must not wait behind that. The publishing one has no heartbeats: nobody would send them
        # between two announcements, and a dead one is noticed by its missing confirms.
        self._publishing = Broker(url, queues=queues, timeout=timeout)
        self._consuming = Broker(url, queues=queues, heartbeat=max(1, math.ceil(hold / 2)), timeout=timeout)
        self._held: set[_Held] = set()
        self._deliveries = DeliveryCounts(control, timeout=timeout)

    def announce(self, announcements: Sequence[Announcement]) -> Announced:
        """As the interface says. QueueFullError also while the broker blocks publishers, whatever the policy."""
        if not announcements:
            return Announced([], [])
        limit = self._bounds.max_length
        if self._bounds.policy == "wait" and len(announcements) > limit:
            raise InvalidInputError(
                f"{len(announcements)} announcements at once never fit into {self._name}: announce at most {limit}"
            )
        fields = [to_fields(one) for one in announcements]  # checks the keys, so that they can be encoded
        messages = [(self._name, one.key.encode(), beside) for one, beside in zip(announcements, fields, strict=True)]

        def publish(broker: Broker) -> Announced:
            excess = broker.length(self._name) + len(announcements) - limit
            first, last, pushed_out = 0, len(announcements), list[Any]()
            if excess > 0:
                if self._bounds.policy == "wait":
                    return Announced([], [])
                if self._bounds.policy == "drop-newest":
                    last = max(0, last - excess)
                else:
                    first = max(0, len(announcements) - limit)
                    pushed_out = self._oldest(broker, min(excess - first, len(announcements) + _TIDY))
            taken = broker.publish(messages[first:last])
            # Only now: had the new ones failed, the old ones would be back in the queue.
            for message in pushed_out:
                message.ack()
            accepted = [one for one, there in zip(announcements[first:last], taken, strict=True) if there]
            refused = [one for one, there in zip(announcements[first:last], taken, strict=True) if not there]
            old = [_read(message) for message in pushed_out]
            return Announced(accepted, [*old, *announcements[:first], *refused, *announcements[last:]])

        with self._lock:
            announced = self._publishing.run(publish)
        if self._bounds.policy == "wait" and len(announced.accepted) < len(announcements):
            raise QueueFullError(
                f"{self._name} is at its bound of {limit}, or of a policy: announce again when workers have taken some"
            )
        self._deliveries.forget(one.key for one in announced.dropped)
        return announced

    def take(self, *, timeout: float) -> Delivery | None:
        """As the interface says. The connection is kept alive meanwhile."""
        deadline = time.monotonic() + timeout
        with self._lock:
            while (message := self._consuming.run(lambda broker: self._next(broker, deadline))) is not None:
                delivery = self._delivery(message)
                if delivery is not None:
                    return delivery
        return None

    def renew(self, delivery: Delivery) -> bool:
        """As the interface says; from any thread. This is what sends the connection's heartbeats."""
        with self._lock:
            return self._consuming.still(delivery.handle.channel, Broker.beat)

    def acknowledge(self, delivery: Delivery) -> None:
        """As the interface says. If the connection it came by is gone it will come once more, which is logged."""
        self._deliveries.forget([delivery.announcement.key])
        self._finish(delivery.handle, delivery.announcement.key)

    def give_back(self, delivery: Delivery, *, counted: bool = False) -> None:
        """As the interface says; it takes its old place in the queue."""
        if not counted:
            self._deliveries.uncount(delivery.announcement.key)  # first: the next worker may count it at once
        with self._lock:
            self._return(delivery.handle)

    def set_aside(self, delivery: Delivery, reason: str) -> None:
        """As the interface says: first the dead letter, confirmed, so that one of the two is always there."""
        announcement = delivery.announcement
        self._set_aside(announcement.key.encode(), to_fields(announcement), reason, delivery.handle)

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """As the interface says. At most as many as the queue may hold are kept; the oldest go first.

        Another one who looks at that moment may not see them.
        """

        def look(broker: Broker) -> list[Any]:
            found = self._oldest(broker, limit, queue=self._dead)
            for message in found:
                message.requeue()
            return found

        with self._lock:
            found = self._publishing.run(look)
        return [DeadLetter(_read(message), str(message.headers.get("reason", ""))) for message in found]

    def depth(self) -> int:
        """Announcements that wait, and those in this worker's hands. RabbitMQ does not tell of other workers' hands.

        What was given back is counted a moment later.
        """
        with self._lock:
            broker = self._publishing if self._consuming.channel is None else self._consuming
            waiting = broker.run(lambda broker: broker.length(self._name))
            return waiting + sum(held.channel is self._consuming.channel for held in self._held)

    def close(self) -> None:
        """As the interface says; what it held goes to others at once, and counts as tried."""
        with self._lock:
            self._held.clear()
            self._consuming.close()
            self._publishing.close()
            self._deliveries.close()

    def __str__(self) -> str:
        return f"the queue {self._name}"

    def _next(self, broker: Broker, deadline: float) -> Any | None:
        message = broker.fetch(self._name)
        if message is None and (remaining := deadline - time.monotonic()) > 0:
            message = broker.wait_for(self._name, remaining)
        return message

    def _delivery(self, message: Any) -> Delivery | None:
        """The message as a delivery, counted; None if it was set aside instead."""
        held = _Held(message.delivery_tag, self._consuming.channel)
        self._held = {other for other in self._held if other.channel is held.channel} | {held}
        body = _body(message)
        try:
            announcement = from_fields(body, message.headers)
        except InvalidKeyError as exc:
            self._set_aside(body, {}, str(exc), held)
            return None
        try:
            attempt = self._deliveries.count(announcement.key)
            if attempt <= self._max_deliveries:
                return Delivery(announcement, max(1, attempt), held)
            reason = f"not acknowledged in {self._max_deliveries} deliveries"
            self._set_aside(body, to_fields(announcement), reason, held)
        except BaseException:
            self._return(held)
            raise
        return None

    def _set_aside(self, body: bytes, fields: dict[str, str], reason: str, held: _Held) -> None:
        def bury(broker: Broker) -> int:
            too_many = broker.length(self._dead) + 1 - self._bounds.max_length
            old = self._oldest(broker, too_many, queue=self._dead)
            if not all(broker.publish([(self._dead, body, {**fields, "reason": reason})])):
                raise QueueFullError(f"{self._dead} takes no more: read its dead letters and purge it")
            for message in old:
                message.ack()
            return len(old)

        key = body.decode(errors="replace")
        with self._lock:
            gone = self._publishing.run(bury)
            self._deliveries.forget([key])
            self._finish(held, key)
        logger.warning("a frame was set aside", extra={"queue": self._name, "key": key, "reason": reason})
        if gone:
            logger.warning("old dead letters had to go", extra={"queue": self._dead, "count": gone})

    def _finish(self, held: _Held, key: str) -> None:
        def acknowledge(broker: Broker) -> None:
            broker.beat()  # notices a connection that is gone already
            held.channel.basic_ack(held.tag)

        with self._lock:
            self._held.discard(held)
            if not self._consuming.still(held.channel, acknowledge):
                logger.warning(
                    "the hold of a frame was lost before it was acknowledged: it will come once more",
                    extra={"queue": self._name, "key": key},
                )

    def _return(self, held: _Held) -> None:
        """Back to the queue: where the connection is gone, the broker has done so itself."""
        self._held.discard(held)
        self._consuming.still(held.channel, lambda _: held.channel.basic_reject(held.tag, requeue=True))

    def _oldest(self, broker: Broker, limit: int, *, queue: str | None = None) -> list[Any]:
        found: list[Any] = []
        while len(found) < limit and (message := broker.fetch(queue or self._name)) is not None:
            found.append(message)
        return found


def _body(message: Any) -> bytes:
    return bytes(message.body or b"")  # an empty one arrives as text


def _read(message: Any) -> Announcement:
    body = _body(message)
    try:
        return from_fields(body, message.headers)
    except InvalidKeyError:
        return unreadable(body)
