"""`Journal`: where a store's entries are written down, so that they survive it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from framedb.attributes.record import Record

Key = tuple[str, str]
"""Namespace and name."""

Kept = tuple[Record, int | None]
"""What is set, and when it expires: milliseconds since 1970, UTC; None: never."""


class Journal(Protocol):
    """Entries on disk. The store is the only one that writes it."""

    def load(self) -> Iterable[Kept]:
        """All entries, those that have expired meanwhile among them or not."""
        ...

    def apply(self, sets: Sequence[Kept], deletes: Sequence[Key]) -> None:
        """Write down both, or raise and write nothing. Called before the store changes, one call at a time."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
