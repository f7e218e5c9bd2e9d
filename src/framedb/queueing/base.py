"""`FrameQueue`: how the keys of frames reach workers. One contract suite holds for every backend."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from framedb.config import Policy

FRAME_QUEUE = "frame_queue"
"""The queue's name, unless told otherwise. Its dead letters go to `frame_queue.dead`."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """That a frame can be read: its key, and what helps to find it without asking anybody."""

    key: str
    source: str
    framedb_id: str = "local"
    """The cluster that holds the frame."""
    captured_at: datetime | None = None
    """UTC."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An announcement in one worker's hands, until it is acknowledged, set aside, or the hold runs out."""

    announcement: Announcement
    attempt: int
    """1 on the first delivery of this key, counted before the work starts."""
    handle: Any = field(repr=False, compare=False)
    """What the backend needs to acknowledge it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An announcement that was set aside, and why."""

    announcement: Announcement
    reason: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long the queue may grow, and what happens then."""

    max_length: int = 100_000
    """Announcements, those in workers' hands included where the backend can tell. It bounds the bytes too: a key has at
    most 1024. As many dead letters are kept."""
    policy: Policy = "drop-oldest"
    """`wait`: announce raises QueueFullError, and the publisher tries again when there is room."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What became of announcements."""

    accepted: list[Announcement]
    """In the queue, confirmed by it."""
    dropped: list[Announcement]
    """Turned away or pushed out by the policy: these frames nobody will be told of. Whoever announced releases and
    counts them."""


class FrameQueue(ABC):
    """Announce, take, renew, acknowledge, set aside.

    Every method may raise QueueUnavailableError while the broker does not answer; a later call connects again by itself.
    Delivery is at least once: a key may come twice, or its frame be gone.
    """

    @abstractmethod
    def announce(self, announcements: Sequence[Announcement]) -> Announced:
        """Tell workers of frames that can be read. Returns once the queue has confirmed them.

        Raises QueueFullError under the policy `wait`, and when the broker itself has no room left: then none of them
        was announced, or they may be announced again. InvalidKeyError or another InvalidInputError: nothing was done.
        After QueueUnavailableError announce them again: some may come twice.
        """

    @abstractmethod
    def take(self, *, timeout: float) -> Delivery | None:
        """The next announcement, waiting up to `timeout` seconds; None if there is none.

        A key that was delivered too often is set aside here, with its reason, and never returned.
        """

    @abstractmethod
    def renew(self, delivery: Delivery) -> bool:
        """Keep holding it: call at least three times per hold. False if it was lost to another worker.

        May be called from another thread than the one that works, while that one does not take.
        """

    @abstractmethod
    def acknowledge(self, delivery: Delivery) -> None:
        """The work is done; it is never delivered again.

        One whose hold was lost before may come once more: whoever takes it finds the frame gone.
        """

    @abstractmethod
    def give_back(self, delivery: Delivery, *, counted: bool = False) -> None:
        """Deliver it to another at once. `counted`: the work was tried, and failed; otherwise the attempt does not count."""

    @abstractmethod
    def set_aside(self, delivery: Delivery, reason: str) -> None:
        """Move it to the dead letters with the reason, and acknowledge it."""

    @abstractmethod
    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """What was set aside, oldest first. They stay."""

    @abstractmethod
    def depth(self) -> int:
        """Announcements not yet acknowledged, as far as the backend can tell."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect. What this worker still held is delivered to others (at once, or when the hold runs out)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
