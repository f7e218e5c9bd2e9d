"""`StoreStats`: what a store holds, and what it has done."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a store holds, and what it has done since it was opened."""

    entries: int
    """Attributes. Some may have expired, their memory not being back yet."""
    bytes: int
    """About the memory they take."""
    sets: int
    """Attributes set."""
    deletes: int
    """Attributes deleted."""
    expired: int
    """Attributes whose ttl ran out."""
    refused: int
    """Calls refused because the store was full."""
    watchers: int
    """Open subscriptions."""
    overflowed: int
    """Subscriptions closed because they fell behind."""
