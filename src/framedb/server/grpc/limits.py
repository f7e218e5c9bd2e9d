"""How much goes on at once, and how long a peer may do nothing."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc

from framedb.server.grpc.replies import BusyError

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Slots:
    """So many calls of a kind at once; one more is refused, and never waits."""

    def __init__(self, number: int, kind: str) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._refusal = f"{number} {kind} are under way, which is as many as there may be: try again a little later"
        self.used = 0
        """How many are held."""

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one. Raises BusyError when all are held."""
        with self._lock:
            if self.used >= self._number:
                raise BusyError(self._refusal)
            self.used += 1
        try:
            yield
        finally:
            with self._lock:
                self.used -= 1


class Patience:
    """Ends calls whose peer neither sends nor takes anything for `limit` seconds, while it is its turn.

    Keepalive finds a peer that is gone. One that is there and does nothing would hold a thread for ever.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._waiting: dict[grpc.ServicerContext, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="grpc-patience", daemon=True)
        self._thread.start()

    def incoming(self, messages: Iterator[T], context: grpc.ServicerContext) -> Iterator[T]:
        """The peer's messages, each awaited for so long at most."""
        while True:
            self._wait(context)
            try:
                message = next(messages, None)
            finally:
                self._done(context)
            if message is None:
                return
            yield message

    def outgoing(self, messages: Iterable[T], context: grpc.ServicerContext) -> Iterator[T]:
        """Messages to the peer, who must take each within so long."""
        try:
            for message in messages:
                self._wait(context)
                yield message
                self._done(context)
        finally:
            self._done(context)

    def close(self) -> None:
        """Watch no more."""
        self._stopped.set()
        self._thread.join()

    def _wait(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._waiting[context] = time.monotonic()

    def _done(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._waiting.pop(context, None)

    def _watch(self) -> None:
        while not self._stopped.wait(min(1.0, self._limit / 4)):
            now = time.monotonic()
            with self._lock:
                idle = [context for context, since in self._waiting.items() if now - since > self._limit]
                for context in idle:
                    del self._waiting[context]
            for context in idle:
                logger.warning("a call is ended: its peer did nothing", extra={"peer": context.peer()})
                context.cancel()
