"""`HTTPStore`: the durable tier of a node, over HTTP."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from typing_extensions import Buffer

from framedb.client.http import NodeClient, quoted
from framedb.errors import BufferTooSmallError, NotFoundError
from framedb.frame import Frame, check_key, check_source, from_microseconds, to_microseconds
from framedb.stores.base import FrameStore, Put, SourceStats
from framedb.stores.description import DESCRIPTION_HEADER, describe, described


class HTTPStore(FrameStore):
    """Durable frames through `/v1/objects`; what the node refuses is raised as its own error."""

    def __init__(self, node: NodeClient) -> None:
        self._node = node

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
            self._node.request("PUT", path, body=view, headers=headers).close()
        return [Put(frame.key) for frame in frames]

    def get_many(self, keys: Sequence[str], *, source: str | None = None) -> list[Frame | None]:
        """As `FrameStore.get_many`."""
        return [self._get(f"/v1/objects/{quoted(key)}") for key in keys]

    def get_into(self, key: str, buffer: Buffer, *, source: str | None = None) -> int | None:
        """As `FrameStore.get_into`."""
        view = memoryview(buffer).cast("B")
        try:
            response = self._node.request("GET", f"/v1/objects/{quoted(key)}")
        except NotFoundError:
            return None
        with response:
            size = int(response.headers["Content-Length"])
            if size > view.nbytes:
                raise BufferTooSmallError(f"{key!r} has {size} bytes and the buffer {view.nbytes}: give a larger one")
            at = 0
            for piece in self._node.stream(response):
                view[at : at + len(piece)] = piece
                at += len(piece)
        return at

    def delete_many(self, keys: Sequence[str], *, source: str | None = None) -> int:
        """As `FrameStore.delete_many`."""
        return sum(self._node.json("DELETE", f"/v1/objects/{quoted(key)}")["deleted"] for key in keys)

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

    def _get(self, path: str, query: dict[str, str] | None = None) -> Frame | None:
        try:
            response = self._node.request("GET", path, query=query)
        except NotFoundError:
            return None
        with response:
            fields = json.loads(response.headers[DESCRIPTION_HEADER])
            return described(fields, b"".join(self._node.stream(response)))


def _in_utc(time: datetime) -> str:
    return from_microseconds(to_microseconds(time)).isoformat()
