"""What can be asked of the store over HTTP: each call decodes, asks the store, and encodes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from framedb.attributes.attribute import record_of
from framedb.attributes.encoding import decode
from framedb.attributes.store import AttributeStore
from framedb.errors import InvalidInputError
from framedb.server.kvs.answers import Answer, json_answer
from framedb.server.kvs.paths import decoded
from framedb.server.kvs.routes import Route

T = TypeVar("T")

NOTHING = Answer(content_type=b"application/octet-stream")
"""An empty answer: it was done."""

_MOST_IN_ONE_SET = 250_000  # attributes: 16 MiB of empty ones are eight million, and would take gigabytes
_LARGE_BODY = 256 * 1024  # bytes that are decoded aside: that takes milliseconds, and others would wait
_MANY = 2000  # attributes that are searched aside


class Calls:
    """The calls of one store. What takes long is done beside the loop, so that other clients do not wait for it.

    `durable`: the store writes to disk before it changes, so that every change takes long.
    """

    def __init__(self, store: AttributeStore, *, durable: bool = False) -> None:
        self._store = store
        self._durable = durable

    def routes(self) -> list[Route]:
        """Where each is called."""
        return [
            Route("POST", "/kvs/set", self.set),
            Route("POST", "/kvs/set-with-ttl/{ms}", self.set_with_ttl),
            Route("POST", "/kvs/delete/{nsglob}/{nameglob}", self.delete),
            Route("POST", "/kvs/delete-single/{ns}/{name}", self.delete_single),
            Route("GET", "/kvs/get/{ns}/{name}", self.get),
            Route("GET", "/kvs/search/{nsglob}/{nameglob}", self.search),
            Route("GET", "/kvs/search-keys/{nsglob}/{nameglob}", self.search_keys),
        ]

    async def set(self, path: Sequence[bytes], body: bytes) -> Answer:
        """Keep the attributes of the body for good."""
        return await self._set(body, None)

    async def set_with_ttl(self, path: Sequence[bytes], body: bytes) -> Answer:
        """Keep the attributes of the body for so many milliseconds."""
        return await self._set(body, _milliseconds(path[0]))

    async def get(self, path: Sequence[bytes], body: bytes) -> Answer:
        """One attribute; empty if there is none."""
        return Answer(self._store.get_encoded(*map(decoded, path)))

    async def search(self, path: Sequence[bytes], body: bytes) -> Answer:
        """The attributes that two patterns match."""
        ns, name = map(decoded, path)
        return Answer(await _done(lambda: self._store.search_encoded(ns, name), aside=self._takes_long))

    async def search_keys(self, path: Sequence[bytes], body: bytes) -> Answer:
        """Their keys alone, as JSON."""
        ns, name = map(decoded, path)
        return await _done(lambda: json_answer(self._store.search_keys(ns, name)), aside=self._takes_long)

    async def delete(self, path: Sequence[bytes], body: bytes) -> Answer:
        """Delete the attributes that two patterns match."""
        ns, name = map(decoded, path)
        await _done(lambda: self._store.delete_matching(ns, name), aside=self._takes_long)
        return NOTHING

    async def delete_single(self, path: Sequence[bytes], body: bytes) -> Answer:
        """Delete one attribute, and hand it back; empty if there is none."""
        ns, name = map(decoded, path)
        removed = await _done(lambda: self._store.delete(ns, name), aside=self._durable)
        return Answer() if removed is None else Answer(record_of(removed).encoded_set())

    async def _set(self, body: bytes, ttl: int | None) -> Answer:
        aside = self._durable or len(body) > _LARGE_BODY
        await _done(lambda: self._store.set_records(decode(body, max_attributes=_MOST_IN_ONE_SET), ttl), aside=aside)
        return NOTHING

    @property
    def _takes_long(self) -> bool:
        """Whether going through all of it does, or waiting for who writes to disk."""
        return self._durable or self._store.stats.entries > _MANY


async def _done(work: Callable[[], T], *, aside: bool) -> T:
    return await asyncio.to_thread(work) if aside else work()


def _milliseconds(part: bytes) -> int:
    if not part.isdigit() or len(part) > 20:
        raise InvalidInputError(f"a ttl is a whole number of milliseconds, 0 or more, not {decoded(part)[:40]!r}")
    return int(part)
