"""`Table`: the entries of a store, by key and by namespace."""

from collections.abc import Collection
from threading import RLock

from framedb.attributes.globs import EVERYTHING, Glob
from framedb.attributes.journal import Key
from framedb.attributes.record import Record

Expiring = tuple[Record, float]
"""A record, and when it expires by the store's clock. Made anew by every set."""

Entry = Record | Expiring
"""A record is kept for good: one object less to look at, in the call that programs make most."""


class Table:
    """Entries by key, and the keys of every namespace.

    One thread at a time may call what changes it, any thread the rest. `entries` is read without a lock: those of one call
    appear in it with one `update`.
    """

    def __init__(self, lock: RLock, *, max_entries: int, max_bytes: int) -> None:
        """The lock is held while it changes, and while a search collects what it goes through."""
        self._lock = lock
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.entries: dict[Key, Entry] = {}
        self.size = 0
        """About the bytes that all records take."""
        self._keys: dict[str, dict[Key, None]] = {}  # in the order in which they came, as `entries`

    def put_one(self, record: Record) -> bool:
        """Keep one record for good, unless that needs a closer look: if it replaces one that expires, or there is no room.

        This is `compare` and `put` of what programs do most, in a third of their time.
        """
        key = (record.namespace, record.name)
        size = self.size + record.size
        old = self.entries.get(key)
        if type(old) is Record:
            size -= old.size
        elif old is not None or len(self.entries) >= self.max_entries:
            return False
        if size > self.max_bytes:
            return False
        if old is None:
            self._index(key)
        self.entries[key] = record
        self.size = size
        return True

    def compare(self, fresh: dict[Key, Entry]) -> tuple[int, int, list[Expiring]]:
        """What `put` would do: how many entries more, how many bytes more, and which entries that expire it would replace."""
        more = size = 0
        expiring = []
        for key, entry in fresh.items():
            size += record_in(entry).size
            old = self.entries.get(key)
            if old is None:
                more += 1
                continue
            size -= record_in(old).size
            if type(old) is not Record:
                expiring.append(old)
        return more, size, expiring

    def has_room(self, more: int, size: int) -> bool:
        """Whether so many entries and bytes more are within the bounds. What makes it no larger always is."""
        return (more <= 0 or len(self.entries) + more <= self.max_entries) and (
            size <= 0 or self.size + size <= self.max_bytes
        )

    def put(self, fresh: dict[Key, Entry], size: int) -> None:
        """Add these entries, which take so many bytes more, in the place of those with the same keys."""
        with self._lock:
            # What is replaced dies after the update: values may run code when they die, and others would see half of it.
            replaced = {key: self.entries.get(key) for key in fresh}
            self.entries.update(fresh)
            for key, old in replaced.items():
                if old is None:
                    self._index(key)
            self.size += size

    def remove(self, keys: Collection[Key]) -> list[Entry]:
        """Take these entries out."""
        with self._lock:
            removed = [self.entries.pop(key) for key in keys]
            self.size -= sum(record_in(entry).size for entry in removed)
            for key in keys:
                self._unindex(key)
        return removed

    def search(self, namespaces: Glob, names: Glob, now: float) -> list[Record]:
        """The records that match, and have not expired by `now`; those of one namespace without a look at any other."""
        records = [
            entry if type(entry) is Record else entry[0]
            for entry in self._candidates(namespaces)
            if type(entry) is Record or entry[1] > now
        ]
        if namespaces.literal is None and namespaces is not EVERYTHING:
            records = [record for record in records if namespaces.matches(record.namespace)]
        if names is not EVERYTHING:
            records = [record for record in records if names.matches(record.name)]
        return records

    def _candidates(self, namespaces: Glob) -> list[Entry]:
        with self._lock:
            if namespaces.literal is None:
                return list(self.entries.values())
            return [self.entries[key] for key in self._keys.get(namespaces.literal, ())]

    def _index(self, key: Key) -> None:
        keys = self._keys.get(key[0])
        if keys is None:
            self._keys[key[0]] = {key: None}
        else:
            keys[key] = None

    def _unindex(self, key: Key) -> None:
        keys = self._keys[key[0]]
        del keys[key]
        if not keys:
            del self._keys[key[0]]


def record_in(entry: Entry) -> Record:
    """The record, whether or not it expires."""
    return entry if type(entry) is Record else entry[0]
