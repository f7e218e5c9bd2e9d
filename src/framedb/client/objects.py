"""`HTTPStore`: the durable tier of a node, over HTTP."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import urllib3
from typing_extensions import Buffer

from framedb.client.cache import CacheInfo, Kept, ObjectCache
from framedb.client.http import NodeClient, quoted
from framedb.errors import BufferTooSmallError, NotFoundError
from framedb.frame import Frame, check_key, check_source, from_microseconds, to_microseconds
from framedb.stores.base import FrameStore, Put, SourceStats
from framedb.stores.description import DESCRIPTION_HEADER, describe, described

_NOT_MODIFIED = 304
_TYPE_HEADER = "X-FrameDB-Type"


class HTTPStore(FrameStore):
    """Durable frames through `/v1/objects`; what the node refuses is raised as its own error.

    With a cache, an object that was read before is asked for by its version: if it is still the same, the node says so
    instead of sending it again.
    """

    def __init__(self, node: NodeClient, *, cache_bytes: int = 0) -> None:
        """`cache_bytes` bounds the cache; 0: there is none."""
        self._node = node
        self._cache = ObjectCache(cache_bytes)

    def cache_info(self) -> CacheInfo:
        """How the cache has done so far."""
        return self._cache.info()

    def put_many(self, frames: Sequence[Frame], *, ttl: float | None = None) -> list[Put]:
        """As `FrameStore.put_many`: each is acknowledged when it is on disk."""
        for frame in frames:  # before the first of them is sent
            check_key(frame.key)
            check_source(frame.source)
        described_frames = [(frame, json.dumps(describe(frame)), frame.view()) for frame in frames]
        for frame, description, view in described_frames:
            headers = {
                DESCRIPTION_HEADER: description,
                "Content-Type": "application/octet-stream",
                "Content-Length": str(frame.nbytes),
            }
            query = "" if ttl is None else f"?ttl={ttl!r}"
            path = f"/v1/objects/{quoted(frame.key)}{query}"
            with self._node.request("PUT", path, body=view, headers=headers) as response:
                response.drain_conn()  # so that the next one goes over the same connection
            self._cache.forget(frame.key)
        return [Put(frame.key) for frame in frames]

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`."""
        return [self._object(key) for key in keys]

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`."""
        view = memoryview(buffer).cast("B")
        known = self._cache.find(key)
        response = self._asked_for(key, known)
        if response is None:
            return None
        with response:
            if known is not None and response.status == _NOT_MODIFIED:
                self._unchanged(response)
                return _copied(key, known.frame.view(), view)
            size = int(response.headers["Content-Length"])
            _check_room(key, size, view)
            at = 0
            for piece in self._node.stream(response):
                view[at : at + len(piece)] = piece
                at += len(piece)
            keeps = self._cache.has_room(size)
            self._keep(key, response, _described(response, bytes(view[:size])) if keeps else None)
        return at

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`."""
        deleted = 0
        for key in keys:
            deleted += self._node.json("DELETE", f"/v1/objects/{quoted(key)}")["deleted"]
            self._cache.forget(key)
        return deleted

    def scan(self, prefix: str = "", *, source: str | None = None) -> Iterator[str]:
        """As `FrameStore.scan`, a page at a time."""
        after: str | None = ""
        while after is not None:
            query = {"prefix": prefix, "after": after, **({"source": source} if source else {})}
            page = self._node.json("GET", "/v1/objects", query=query)
            yield from page["keys"]
            after = page["next"]

    def latest(self, source: str) -> Frame | None:
        """As `FrameStore.latest`."""
        return self._get(f"/v1/sources/{quoted(source)}/latest")

    def nearest(self, source: str, at: datetime, *, tolerance: timedelta | None = None) -> Frame | None:
        """As `FrameStore.nearest`."""
        query = {
            "at": _in_utc(at),
            **({"tolerance": repr(tolerance.total_seconds())} if tolerance is not None else {}),
        }
        return self._get(f"/v1/sources/{quoted(source)}/nearest", query=query)

    def range(self, source: str, start: datetime, stop: datetime) -> Iterator[Frame]:
        """As `FrameStore.range`: keys come a page at a time, and each frame when it is asked for."""
        begin: str | None = _in_utc(start)
        while begin is not None:
            query = {"start": begin, "stop": _in_utc(stop)}
            page = self._node.json("GET", f"/v1/sources/{quoted(source)}/range", query=query)
            yield from filter(None, map(self.get, page["keys"]))
            begin = page["next"]

    def sources(self) -> list[str]:
        """As `FrameStore.sources`."""
        names: list[str] = self._node.json("GET", "/v1/sources")["durable"]
        return names

    def stats(self, source: str) -> SourceStats:
        """As `FrameStore.stats`."""
        return SourceStats(**self._node.json("GET", f"/v1/sources/{quoted(source)}")["durable"])

    def close(self) -> None:
        """The node client belongs to whoever made it."""

    def _object(self, key: str) -> Frame | None:
        known = self._cache.find(key)
        response = self._asked_for(key, known)
        if response is None:
            return None
        with response:
            if known is not None and response.status == _NOT_MODIFIED:
                self._unchanged(response)
                return known.frame
            frame = _described(response, b"".join(self._node.stream(response)))
            self._keep(key, response, frame)
            return frame

    def _asked_for(self, key: str, known: Kept | None) -> urllib3.BaseHTTPResponse | None:
        """The node's answer: the object, or that it is still the one that is known. None: there is none."""
        headers = {} if known is None else {"If-None-Match": known.etag}
        try:
            return self._node.request("GET", f"/v1/objects/{quoted(key)}", headers=headers)
        except NotFoundError:
            self._cache.forget(key)
            return None

    def _unchanged(self, response: urllib3.BaseHTTPResponse) -> None:
        response.drain_conn()
        self._cache.hit()

    def _keep(self, key: str, response: urllib3.BaseHTTPResponse, frame: Frame | None) -> None:
        etag = response.headers.get("ETag")
        # Only a persistent instance names a version anew with every write. What is in memory any Redis client may have changed.
        versioned = response.headers.get(_TYPE_HEADER) == "storage"
        self._cache.keep(key, Kept(etag, frame) if frame is not None and etag is not None and versioned else None)

    def _get(self, path: str, query: dict[str, str] | None = None) -> Frame | None:
        try:
            response = self._node.request("GET", path, query=query)
        except NotFoundError:
            return None
        with response:
            return _described(response, b"".join(self._node.stream(response)))


def _described(response: urllib3.BaseHTTPResponse, data: bytes) -> Frame:
    return described(json.loads(response.headers[DESCRIPTION_HEADER]), data)


def _check_room(key: str, size: int, view: memoryview) -> None:
    if size > view.nbytes:
        raise BufferTooSmallError(f"{key!r} has {size} bytes and the buffer {view.nbytes}: give a larger one")


def _copied(key: str, data: memoryview, view: memoryview) -> int:
    _check_room(key, data.nbytes, view)
    view[: data.nbytes] = data
    return data.nbytes


def _in_utc(time: datetime) -> str:
    return from_microseconds(to_microseconds(time)).isoformat()
