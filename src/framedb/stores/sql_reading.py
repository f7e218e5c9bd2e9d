"""The steps of the SQL store's reads. Those on one connection see one moment of the database."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Engine, Select, select
from typing_extensions import Buffer

from framedb.errors import StoreError
from framedb.frame import NO_SOURCE, Frame
from framedb.registry.engine import translated
from framedb.registry.types import DatabaseNow
from framedb.stores.chunks import CHUNKS_PER_COMMIT, check
from framedb.stores.sql_rows import BATCH_BYTES, FrameRow, by_size, frame_of, storable, stored_of
from framedb.stores.sql_tables import chunks, frames

VISIBLE: ColumnElement[bool] = frames.c.expires_at > DatabaseNow()
"""What is there and has not expired."""

# Seconds a slow reader of a stream holds on to one moment of the database, which cannot tidy up behind it meanwhile.
_SNAPSHOT = 30.0


class FrameStream(Iterator[bytes]):
    """The bytes of one stored object, or of a part of it; each item at most a mebibyte, checked against its digest.

    It holds a connection until it is exhausted or closed. What is replaced or deleted meanwhile is still read to its end,
    unless that takes over half a minute: then StoreError, and the reader starts again.
    """

    def __init__(
        self, engine: Engine, connection: Connection, row: FrameRow, *, offset: int, length: int | None
    ) -> None:
        self.stored = stored_of(row)
        """What is known about the object."""
        self._engine = engine
        self._connection = connection
        self._row = row
        self._position: int = min(offset, row.size)
        self._stop: int = row.size if length is None else min(row.size, offset + length)
        self._began = time.monotonic()

    def __next__(self) -> bytes:
        if self._position >= self._stop:
            self.close()
            raise StopIteration
        try:
            with translated(self._engine):
                self._renew_snapshot()
                number, start = divmod(self._position, self._row.chunk_bytes)
                (data,) = _read_chunks(self._connection, self._row, number, number + 1)
        except BaseException:
            self.close()
            raise
        piece = data[start : start + self._stop - self._position]
        self._position += len(piece)
        return piece

    @property
    def remaining(self) -> int:
        """Bytes not yet read."""
        return max(0, int(self._stop) - self._position)

    def _renew_snapshot(self) -> None:
        if time.monotonic() - self._began < _SNAPSHOT:
            return
        self._connection.rollback()
        self._began = time.monotonic()
        row = self._connection.execute(row_of(self._row.key)).one_or_none()
        if row is None or row.version != self._row.version:
            raise StoreError(f"{self._row.key} was replaced or deleted while it was read: read it again")

    def close(self) -> None:
        """Give the connection back. Closing twice does no harm."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def row_of(key: str) -> Select[Any]:
    """The visible row of a key."""
    return select(frames).where(frames.c.key == storable(key), VISIBLE)


def of_source(source: str) -> Select[Any]:
    """Frames of a source that has a time index."""
    return select(frames).where(frames.c.source == source, frames.c.source != NO_SOURCE, VISIBLE)


def first_of(
    connection: Connection, source: str, *conditions: ColumnElement[bool], descending: bool = False
) -> FrameRow | None:
    """The source's earliest frame that meets the conditions, or its latest."""
    order = (frames.c.captured_at, frames.c.key)
    query = of_source(source).where(*conditions).limit(1)
    return connection.execute(query.order_by(*(c.desc() for c in order) if descending else order)).one_or_none()


def load(connection: Connection, rows: Sequence[FrameRow]) -> list[Frame]:
    """The frames of rows read on the same connection, in their order."""
    data: dict[bytes, Buffer] = {}
    for group in by_size(rows):
        if group[0].size > BATCH_BYTES:
            whole = bytearray(group[0].size)
            read_into(connection, group[0], memoryview(whole))
            data[group[0].version] = whole
        else:
            data.update(_read_small(connection, group))
    return [frame_of(row, data[row.version]) for row in rows]


def _read_small(connection: Connection, rows: Sequence[FrameRow]) -> dict[bytes, bytes]:
    """The bytes of frames that together are small, by version."""
    pieces: dict[bytes, dict[int, bytes]] = {row.version: {} for row in rows}
    digests: dict[tuple[bytes, int], int] = {}
    for chunk in connection.execute(select(chunks).where(chunks.c.version.in_(list(pieces)))):
        pieces[chunk.version][chunk.number] = chunk.data
        digests[chunk.version, chunk.number] = chunk.digest
    whole = {}
    for row in rows:
        numbers = range(-(-row.size // row.chunk_bytes))
        parts = []
        for number in numbers:
            part = pieces[row.version].get(number, b"")
            check(row.key, number, part, digests.get((row.version, number), -1), expected_bytes=_expected(row, number))
            parts.append(part)
        whole[row.version] = parts[0] if len(parts) == 1 else b"".join(parts)
    return whole


def read_into(connection: Connection, row: FrameRow, view: memoryview) -> None:
    """All of a frame's bytes, a few chunks at a time."""
    number = position = 0
    while position < row.size:
        for data in _read_chunks(connection, row, number, number + CHUNKS_PER_COMMIT):
            view[position : position + len(data)] = data
            position += len(data)
            number += 1


def _read_chunks(connection: Connection, row: FrameRow, start: int, stop: int) -> list[bytes]:
    """Some chunks of a frame, checked."""
    stop = min(stop, -(-row.size // row.chunk_bytes))
    query = select(chunks).where(chunks.c.version == row.version, chunks.c.number >= start, chunks.c.number < stop)
    found = {chunk.number: chunk for chunk in connection.execute(query)}
    for number in range(start, stop):
        data, digest = (found[number].data, found[number].digest) if number in found else (b"", -1)
        check(row.key, number, data, digest, expected_bytes=_expected(row, number))
    return [found[number].data for number in range(start, stop)]


def _expected(row: FrameRow, number: int) -> int:
    return min(int(row.chunk_bytes), int(row.size) - number * int(row.chunk_bytes))
