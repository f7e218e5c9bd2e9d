"""One connection to RabbitMQ with one channel: opening it, confirmed publishing, fetching, and its failures."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.transport.pyamqp import Transport

from framedb.errors import InvalidSettingError, QueueError, QueueFullError, QueueUnavailableError
from framedb.redaction import redacted

logger = logging.getLogger(__name__)
T = TypeVar("T")

# py-amqp may also meet its own None after it lost a connection, and raises AttributeError then.
_FAILURES = (*Transport.connection_errors, *Transport.channel_errors, KombuError, OSError, AttributeError)
_REFUSED, _NOT_FOUND, _PRECONDITION_FAILED = 403, 404, 406
_PERSISTENT = 2

Message = tuple[str, bytes, dict[str, str]]
"""Queue, body and headers."""


class UnroutableError(ConnectionError):
    """The queue was deleted under us: a new connection declares it again."""


class Broker:
    """A connection that is made on first use, and again on the first use after it failed. Not thread-safe.

    `queues` are declared on each connection, durable and with no arguments: any argument would make everybody else's plain
    declaration fail. `heartbeat` is in seconds; 0 means none. `timeout` holds for connecting and for each answer.
    """

    def __init__(self, url: str, *, queues: Iterable[str], heartbeat: int = 0, timeout: float = 5.0) -> None:
        if urlsplit(url).scheme not in ("amqp", "amqps"):
            raise InvalidSettingError("the broker's URL is none of the form amqp://user:password@host:port/vhost")
        self._url = url
        self._queues = list(queues)
        self._heartbeat = heartbeat
        self._timeout = timeout
        self._connection: Any = None
        self._channel: Any = None
        self._blocked = False
        self._published = 0
        self._unconfirmed: set[int] = set()
        self._refused: set[int] = set()
        self._unroutable = False

    @property
    def channel(self) -> Any:
        """The channel that is open now, or None: proves that a delivery is still this connection's."""
        return self._channel

    def run(self, operation: Callable[["Broker"], T]) -> T:
        """The result of `operation(self)` on an open connection; once more on a new one if an old one turns out dead.

        So the operation must be one that may be repeated: whatever was fetched on a lost connection is back in its queue.
        Raises QueueUnavailableError; QueueFullError when the broker blocks publishers; QueueError for what it refuses.
        """
        if self._channel is not None:
            try:
                return self._attempt(operation)
            except _FAILURES as exc:
                if self._blocked:
                    raise self._error(exc) from exc
                logger.debug("connecting to the broker again", extra={"broker": str(self), "reason": str(exc)})
        try:
            self._open()
            return self._attempt(operation)
        except _FAILURES as exc:
            raise self._error(exc) from exc

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        """Publish all, then wait for the broker's confirms: per message, whether it took it (it was not nacked)."""
        first = self._published + 1
        for queue, body, headers in messages:
            self._published += 1
            self._unconfirmed.add(self._published)
            message = self._channel.prepare_message(
                body,
                content_type="text/plain",
                content_encoding="utf-8",
                headers=headers,
                properties={"delivery_mode": _PERSISTENT},
            )
            # Mandatory: a message to a queue that was deleted would be confirmed, and lost.
            self._channel.basic_publish(message, exchange="", routing_key=queue, mandatory=True, timeout=self._timeout)
        deadline = time.monotonic() + self._timeout
        while self._unconfirmed:
            self._connection.drain_events(timeout=max(0.001, deadline - time.monotonic()))
        if self._unroutable:
            raise UnroutableError("a queue was deleted")
        refused, self._refused = self._refused, set()
        return [number not in refused for number in range(first, self._published + 1)]

    def fetch(self, queue: str) -> Any | None:
        """The oldest message of the queue, to be acknowledged; None if it is empty."""
        raw = self._channel.basic_get(queue, no_ack=False)
        return None if raw is None else self._channel.message_to_python(raw)

    def wait_for(self, queue: str, seconds: float) -> Any | None:
        """The next message of the queue, waiting for one as its consumer.

        The consumer goes as soon as it has one: else the broker would hand the next over with the acknowledgement of
        this one, and it would lie here while nobody takes it.
        """
        arrived: list[Any] = []
        deadline = time.monotonic() + seconds
        tag = self._channel.basic_consume(queue, no_ack=False, callback=arrived.append)
        while not arrived and (remaining := deadline - time.monotonic()) > 0:
            with suppress(TimeoutError):
                self._connection.drain_events(timeout=min(remaining, self._heartbeat / 3 or remaining))
            self._connection.heartbeat_check()
        if arrived:
            self._channel.basic_cancel(tag, nowait=True)  # what comes later on this channel finds it cancelled
            self._channel.callbacks.pop(tag, None)
        else:
            self._channel.basic_cancel(tag)
        return self._channel.message_to_python(arrived[0]) if arrived else None

    def length(self, queue: str) -> int:
        """Messages that wait in the queue; those in consumers' hands are not among them."""
        return int(self._channel.queue_declare(queue, passive=True).message_count)

    def beat(self) -> None:
        """Read what has come in, and send a heartbeat if one is due. Any failure means that the connection is lost."""
        while True:
            try:
                self._connection.drain_events(timeout=0)
            except TimeoutError:
                break
        self._connection.heartbeat_check()

    def still(self, channel: object, operation: Callable[["Broker"], object]) -> bool:
        """Run `operation(self)` if `channel` is still open; whether it was, up to the end."""
        if channel is None or channel is not self._channel:
            return False
        try:
            self._attempt(operation)
        except _FAILURES as exc:
            logger.info("lost the connection to the broker", extra={"broker": str(self), "reason": str(exc)})
            return False
        return True

    def close(self) -> None:
        """Disconnect; what was fetched and not acknowledged is back in its queue."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(*_FAILURES):
                connection.release()

    def __str__(self) -> str:
        return redacted(self._url)

    def _attempt(self, operation: Callable[["Broker"], T]) -> T:
        try:
            return operation(self)
        except BaseException:
            self._drop()  # an answer may still be on its way
            raise

    def _open(self) -> None:
        self._blocked = self._unroutable = False
        self._published = 0
        self._unconfirmed, self._refused = set(), set()
        connection = Connection(
            self._url,
            heartbeat=self._heartbeat,
            connect_timeout=self._timeout,
            transport_options={
                "read_timeout": self._timeout,
                "write_timeout": self._timeout,
                "on_blocked": self._on_blocked,
                "on_unblocked": self._on_unblocked,
            },
        )
        self._connection = connection
        try:
            # Each alternative of a URL list is tried once; kombu's own pauses are left to whoever calls again.
            connection.ensure_connection(max_retries=len(connection.alt or [None]) - 1, interval_start=0)
            channel: Any = connection.channel()
            channel.auto_decode = False  # bodies are bytes, whatever their sender says of them
            for queue in self._queues:
                channel.queue_declare(queue, durable=True, auto_delete=False)
            channel.basic_qos(0, 1, False)
            channel.confirm_select()
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)
            channel.events["basic_return"].add(self._on_return)
            self._channel = channel
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        """Forget the connection without a word to the broker, which may not listen."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(*_FAILURES):
                connection.collect()

    def _error(self, exc: BaseException) -> QueueError:
        code = getattr(exc, "code", None)
        if self._blocked:
            return QueueFullError(
                f"{self} blocks publishers: free memory or disk there, or let workers drain the queue"
            )
        if code == _PRECONDITION_FAILED:
            return QueueError(
                f"{self} has one of {', '.join(self._queues)} declared otherwise: it must be durable and without arguments; "
                "delete it, and set limits as a policy"
            )
        if code == _REFUSED:
            return QueueError(f"{self} refuses us: check the user, the password and the permissions of the vhost")
        return QueueUnavailableError(f"{self} does not answer: {redacted(str(exc) or type(exc).__name__)}")

    def _on_ack(self, number: int, multiple: bool) -> None:
        self._unconfirmed -= self._up_to(number, multiple)

    def _on_nack(self, number: int, multiple: bool) -> None:
        nacked = self._up_to(number, multiple)
        self._unconfirmed -= nacked
        self._refused |= nacked

    def _up_to(self, number: int, multiple: bool) -> set[int]:
        return {one for one in self._unconfirmed if one <= number} if multiple else {number}

    def _on_return(self, *_: object) -> None:
        self._unroutable = True

    def _on_blocked(self, _reason: str) -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False
