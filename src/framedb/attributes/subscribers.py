"""`Subscribers`: who is told what changes."""

import time
from collections.abc import Iterable

from framedb.attributes.record import Record
from framedb.attributes.subscriptions import Change, Operation, Subscription


class Subscribers:
    """The open subscriptions of a store. All methods are called under its lock."""

    def __init__(self) -> None:
        self.open: list[Subscription] = []
        """Who is told. Looked at with every set."""
        self._overflowed = 0

    def add(self, subscription: Subscription) -> None:
        """Tell this one, too."""
        self._forget_closed()
        self.open.append(subscription)

    def count(self) -> tuple[int, int]:
        """How many are open, and how many were closed because they fell behind."""
        self._forget_closed()
        return len(self.open), self._overflowed

    def publish(self, operation: Operation, records: Iterable[Record], ttl: int | None = None) -> None:
        """Tell all of them; of what expired, those that asked for it."""
        change = Change(operation, time.time_ns(), ttl, tuple(records))
        some_closed = False
        for subscription in self.open:
            if operation != "expire" or subscription.expiries:
                subscription.deliver(change)
            some_closed |= subscription.is_closed
        if some_closed:
            self._forget_closed()

    def close(self) -> None:
        """End all of them."""
        for subscription in self.open:
            subscription.close()
        self._forget_closed()

    def _forget_closed(self) -> None:
        self._overflowed += sum(subscription.overflowed for subscription in self.open)
        self.open = [subscription for subscription in self.open if not subscription.is_closed]
