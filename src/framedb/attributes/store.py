"""`AttributeStore`: attributes under (namespace, name), in this process."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from threading import RLock
from types import TracebackType
from typing import Self

from framedb.attributes.attribute import Attribute, attribute_of
from framedb.attributes.encoding import encode
from framedb.attributes.expiry import Deadline, Expiry
from framedb.attributes.globs import glob
from framedb.attributes.journal import Journal, Key
from framedb.attributes.record import Record
from framedb.attributes.stats import StoreStats
from framedb.attributes.subscribers import Subscribers
from framedb.attributes.subscriptions import Subscription
from framedb.attributes.table import Entry, Expiring, Table, record_in
from framedb.attributes.ttl import expires_at, milliseconds, wall_ms
from framedb.bounds import KVS_MAX_BYTES, KVS_MAX_ENTRIES
from framedb.errors import FrameDBError, StoreFullError, StoreUnavailableError

_new = object.__new__
_record_of = attrgetter("_record")

logger = logging.getLogger(__name__)

_DROPPED_AT_ONCE = 1000  # expired entries, before writers get their turn


class AttributeStore:
    """Attributes under (namespace, name), for any number of threads.

    An exact key is read without a lock. What is handed out is the caller's own. The attributes of one call are set together.
    What has expired is never handed out, and a thread gives its memory back.
    """

    def __init__(
        self,
        *,
        max_entries: int = KVS_MAX_ENTRIES,
        max_bytes: int = KVS_MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
        journal: Journal | None = None,
    ) -> None:
        """With a journal it begins with what that holds, and writes to it what changes. `clock` counts seconds."""
        self._clock = clock
        self._journal = journal
        # Finalizers and signal handlers may call the store while their thread is in it: they would wait for themselves.
        self._lock = RLock()
        # A journal writes to disk under `_lock`. Searches do not wait for that: the table has its own.
        self._table = Table(self._lock if journal is None else RLock(), max_entries=max_entries, max_bytes=max_bytes)
        self._entries = self._table.entries
        self._expiry = Expiry(self._lock, clock=clock, is_live=self._is_live, expire=self.expire)
        self._subscribers = Subscribers()
        self._sets = self._deletes = self._expired = self._refused = 0
        self._is_closed = False
        if journal is not None:
            self._load(journal)

    def set(self, attributes: Iterable[Attribute], ttl: int | None = None) -> None:
        """Keep these attributes, for `ttl` milliseconds or for good: all together, in the place of those with the same keys.

        Nothing is set if it raises StoreFullError, InvalidInputError for a ttl that cannot be, or TypeError for what is no
        attribute.
        """
        try:
            records = list(map(_record_of, attributes))
        except AttributeError as exc:
            raise TypeError("only Attributes can be set") from exc
        self.set_records(records, ttl)

    def set_records(self, records: Sequence[Record], ttl: int | None = None) -> None:
        """As `set`, for records."""
        if ttl is None and len(records) == 1 and self._journal is None:
            # What programs do most, in a third of the time.
            with self._lock:
                if not self._is_closed and self._table.put_one(records[0]):
                    self._sets += 1
                    if self._subscribers.open:
                        self._subscribers.publish("set", records)
                    return
        ttl = None if ttl is None else milliseconds(ttl)
        deadline = None if ttl is None else self._clock() + ttl / 1000
        fresh: dict[Key, Entry] = {
            (record.namespace, record.name): record if deadline is None else (record, deadline) for record in records
        }
        with self._lock:
            size, replaced = self._admit(fresh)
            if self._journal is not None and fresh:
                self._journal.apply([(record_in(entry), expires_at(ttl)) for entry in fresh.values()], ())
            self._table.put(fresh, size)
            self._sets += len(records)
            if replaced:
                self._supersede(replaced)
            if deadline is not None:
                self._expiry.add(deadline, fresh)
            if self._subscribers.open:
                self._subscribers.publish("set", records, ttl)

    def get(self, ns: str, name: str) -> Attribute | None:
        """The attribute with this namespace and name, or None."""
        entry = self._entries.get((ns, name))
        if type(entry) is not Record:
            if entry is None or entry[1] <= self._clock():
                return None
            entry = entry[0]
        # `attribute_of(entry)`, written out: a call less in what programs call most.
        attribute = _new(Attribute)
        attribute._record = entry
        return attribute

    def get_encoded(self, ns: str, name: str) -> bytes:
        """The AttributeSet of this one attribute, as on the wire; empty if there is none. Every call gets the same bytes."""
        entry = self._entries.get((ns, name))
        if type(entry) is not Record:
            if entry is None or entry[1] <= self._clock():
                return b""
            entry = entry[0]
        return entry.encoded_set()

    def search(self, ns: str | None = None, name: str | None = None) -> list[Attribute]:
        """The attributes whose namespace and name match these patterns (`globs`); None matches all.

        Raises InvalidInputError for what is no pattern.
        """
        return [attribute_of(record) for record in self._matching(ns, name)]

    def search_encoded(self, ns: str | None = None, name: str | None = None) -> bytes:
        """As `search`: their AttributeSet, as on the wire."""
        return encode(self._matching(ns, name))

    def search_keys(self, ns: str | None = None, name: str | None = None) -> list[Key]:
        """As `search`: their namespaces and names."""
        return [(record.namespace, record.name) for record in self._matching(ns, name)]

    def delete(self, ns: str, name: str) -> Attribute | None:
        """Delete the attribute with this namespace and name, and return it, or None."""
        with self._lock:
            record = self._living(ns, name)
            if record is None:
                return None
            self._delete([record])
        return attribute_of(record)

    def delete_matching(self, ns: str | None = None, name: str | None = None) -> int:
        """Delete the attributes whose namespace and name match these patterns; how many it were. Raises as `search` does."""
        with self._lock:
            records = self._matching(ns, name)
            self._delete(records)
        return len(records)

    def subscribe(
        self,
        name: str,
        max_inflight: int,
        *,
        expiries: bool = False,
        on_ready: Callable[[], None] | None = None,
    ) -> Subscription:
        """What changes from now on, one object per call; with `expiries` what expires, too. See `Subscription`."""
        subscription = Subscription(name, max_inflight, expiries=expiries, on_ready=on_ready)
        with self._lock:
            self._check_open()
            self._subscribers.add(subscription)
        return subscription

    def close_subscriptions(self) -> None:
        """End all subscriptions; the store goes on."""
        with self._lock:
            self._subscribers.close()

    def expire(self) -> int:
        """Drop entries that have expired, a bounded number; how many it were. A thread does this by itself."""
        with self._lock:
            keys = self._expiry.due(self._clock(), _DROPPED_AT_ONCE)
            if keys:
                self._drop(keys)
            return len(keys)

    def set_bounds(self, *, max_entries: int | None = None, max_bytes: int | None = None) -> None:
        """Hold so many attributes and bytes at most from now on; None leaves a bound as it is. Nothing is dropped."""
        with self._lock:
            if max_entries is not None:
                self._table.max_entries = max_entries
            if max_bytes is not None:
                self._table.max_bytes = max_bytes

    @property
    def stats(self) -> StoreStats:
        """What it holds, and what it has done."""
        with self._lock:
            watchers, overflowed = self._subscribers.count()
            return StoreStats(
                entries=len(self._entries),
                bytes=self._table.size,
                sets=self._sets,
                deletes=self._deletes,
                expired=self._expired,
                refused=self._refused,
                watchers=watchers,
                overflowed=overflowed,
            )

    def survive_forks(self) -> None:
        """From now on the process forks only between writes, so that the child's copy is whole. Such a store is never freed."""
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._lock.release
        )

    def close(self) -> None:
        """End its subscriptions, its thread and its journal. What it holds can still be read."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._subscribers.close()
            if self._journal is not None:
                self._journal.close()
            thread = self._expiry.close()
        if thread is not None:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _matching(self, ns: str | None, name: str | None) -> list[Record]:
        namespaces, names = glob(ns), glob(name)
        if namespaces.literal is not None and names.literal is not None:
            record = self._living(namespaces.literal, names.literal)
            return [] if record is None else [record]
        return self._table.search(namespaces, names, self._clock())

    def _living(self, ns: str, name: str) -> Record | None:
        entry = self._entries.get((ns, name))
        if type(entry) is Record or entry is None:
            return entry
        return entry[0] if entry[1] > self._clock() else None

    def _is_live(self, deadline: Deadline) -> bool:
        entry = self._entries.get(deadline[1])
        return type(entry) is tuple and entry[1] == deadline[0]

    def _admit(self, fresh: dict[Key, Entry]) -> tuple[int, list[Expiring]]:
        """How many bytes more there will be, and which entries that expire are replaced."""
        self._check_open()
        more, size, replaced = self._table.compare(fresh)
        if not self._table.has_room(more, size):
            while self.expire():
                pass
            more, size, replaced = self._table.compare(fresh)
            if not self._table.has_room(more, size):
                self._refuse()
        return size, replaced

    def _refuse(self) -> None:
        self._refused += 1
        raise StoreFullError(
            f"the store holds {len(self._entries)} of {self._table.max_entries} attributes and {self._table.size} of "
            f"{self._table.max_bytes} bytes, which leaves no room for this: delete some, give them a ttl, or raise the bound"
        )

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailableError("the key-value store is closed: open another one")

    def _supersede(self, replaced: list[Expiring]) -> None:
        self._expiry.forget(len(replaced))
        now = self._clock()
        expired = [record for record, deadline in replaced if deadline <= now]
        if expired:
            self._expired += len(expired)
            self._subscribers.publish("expire", expired)

    def _delete(self, records: Sequence[Record]) -> None:
        self._check_open()
        keys = [(record.namespace, record.name) for record in records]
        if self._journal is not None and keys:
            self._journal.apply((), keys)
        removed = self._table.remove(keys)
        self._expiry.forget(sum(type(entry) is not Record for entry in removed))
        self._deletes += len(removed)
        if self._subscribers.open:
            self._subscribers.publish("delete", records)

    def _drop(self, keys: Sequence[Key]) -> None:
        if self._journal is not None:
            try:
                self._journal.apply((), keys)
            except FrameDBError as exc:
                # The journal says when they expire: whoever loads it leaves them out.
                logger.warning("expired attributes stay on disk for now", exc_info=exc, extra={"number": len(keys)})
        removed = self._table.remove(keys)
        self._expired += len(removed)
        self._subscribers.publish("expire", map(record_in, removed))

    def _load(self, journal: Journal) -> None:
        began, wall = self._clock(), wall_ms()
        for record, expires_ms in journal.load():
            deadline = None if expires_ms is None else began + (expires_ms - wall) / 1000
            if deadline is None or deadline > began:
                entry = record if deadline is None else (record, deadline)
                fresh: dict[Key, Entry] = {(record.namespace, record.name): entry}
                _, size, _ = self._table.compare(fresh)
                self._table.put(fresh, size)
                if deadline is not None:
                    self._expiry.add(deadline, fresh)
