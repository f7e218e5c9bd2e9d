"""`ObjectPlace`: one instance as the flow of objects sees it, in memory or persistent."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from typing_extensions import Buffer

from framedb.errors import StoreError
from framedb.frame import Frame
from framedb.stores.sql import SQLStore
from framedb.stores.stored import Stored


class Pieces(Protocol):
    """The bytes of one object, or of a part of it. It may hold a connection until it is exhausted or closed."""

    stored: Stored
    """What is known about the object."""

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""

    def __iter__(self) -> Iterator[Buffer]:
        """Itself."""

    def __next__(self) -> Buffer:
        """At most a mebibyte of them."""

    def close(self) -> None:
        """Let go of what it holds."""


class ObjectPlace(Protocol):
    """Keeps objects by key."""

    def write(
        self, frame: Frame, pieces: Iterable[Buffer], *, size: int | None = None, ttl: float | None = None
    ) -> Stored:
        """Store an object that comes in pieces, over any earlier one of its key, with what `frame` says about it.

        It is seen when it is whole: if `pieces` raises, nothing has changed. `size` is in bytes, where known.
        """

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Pieces | None:
        """The object's bytes from `offset` on, `length` of them or all; None when it is not there."""

    def stat(self, key: str) -> Stored | None:
        """What is known about the object; None when it is not there."""

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are there."""

    def delete(self, key: str) -> bool:
        """Remove the object; whether there was one."""

    def expire(self, key: str, ttl: float) -> bool:
        """Keep the object that many seconds from now (`KEEP`: for ever); whether there was one."""


class StoredObjects:
    """Objects of a persistent instance."""

    def __init__(self, store: SQLStore) -> None:
        self._store = store

    def write(
        self, frame: Frame, pieces: Iterable[Buffer], *, size: int | None = None, ttl: float | None = None
    ) -> Stored:
        """As `ObjectPlace.write`."""
        return self._store.write_stream(frame, pieces, ttl=ttl)

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Pieces | None:
        """As `ObjectPlace.read`."""
        return self._store.read_stream(key, offset=offset, length=length)

    def stat(self, key: str) -> Stored | None:
        """As `ObjectPlace.stat`."""
        return self._store.stat(key)

    def present(self, keys: Sequence[str]) -> set[str]:
        """As `ObjectPlace.present`."""
        return self._store.present(keys)

    def delete(self, key: str) -> bool:
        """As `ObjectPlace.delete`."""
        return self._store.delete(key)

    def expire(self, key: str, ttl: float) -> bool:
        """As `ObjectPlace.expire`."""
        return self._store.expire(key, ttl)


@contextmanager
def naming(key: str) -> Iterator[None]:
    """What goes wrong with an instance meanwhile is said of the key."""
    try:
        yield
    except StoreError as exc:
        if key in str(exc):
            raise
        raise type(exc)(f"{key}: {exc}") from exc
