"""`SQLStore`: frames that stay, in SQLite or on a server of the MySQL protocol.

Bytes are chunks under a version (see `sql_tables`). What is written appears with the row of its key, which comes with the
last chunk; what it replaces goes in the same transaction, or, if it is large, in the next ones. Readers see one moment of
the database, so that a frame replaced under their hands stays whole.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Self

from sqlalchemy import Connection, Engine
from typing_extensions import Buffer

from framedb.errors import InvalidInputError, StoreError
from framedb.frame import Frame
from framedb.registry.engine import open_engine, translated, write
from framedb.stores.base import KEEP
from framedb.stores.chunks import CHUNKS_PER_COMMIT, Chunk, batched, cut, regroup
from framedb.stores.frame_rows import FrameRows, Swept
from framedb.stores.sql_reading import FrameStream, load, read_into, row_of
from framedb.stores.sql_rows import BATCH_BYTES, FrameRow, NewFrame, moment_or_none
from framedb.stores.sql_tables import BytesPlace
from framedb.stores.sql_writing import (
    Clear,
    begin_large,
    continue_large,
    doom,
    doom_abandoned,
    finish_large,
    insert_chunks,
    publish,
    remove_chunks,
    remove_rows,
    remove_small,
)
from framedb.stores.stored import Stored

logger = logging.getLogger(__name__)

_PAGE_SIZE = 65536  # bytes of a SQLite page: a mebibyte is then 16 pages to write instead of 256


class SQLStore(FrameRows):
    """Frames of one persistent instance, all in one database.

    Beyond `FrameRows`: `write_stream` and `read_stream`, which never hold a whole object.
    """

    def __init__(self, engine: Engine, *, default_ttl: float = KEEP) -> None:
        """A store on an open database; its tables are made if they are missing. `default_ttl` is in seconds."""
        super().__init__(engine, BytesPlace.CHUNKS, default_ttl=default_ttl)

    @classmethod
    def open(cls, url: str, *, default_ttl: float = KEEP) -> Self:
        """A store on the database of a URL, as `registry.open_engine` takes it; `close` lets go of it."""
        return cls(open_engine(url, page_size=_PAGE_SIZE), default_ttl=default_ttl)

    # Writing

    def write_stream(self, frame: Frame, pieces: Iterable[Buffer], *, ttl: float | None = None) -> Stored:
        """Store an object that comes in pieces of any size, under `frame`'s key and with what it says; its data are unused.

        Eight chunks at a time are in memory. The object appears when the last piece is in; if `pieces` raises, nothing of
        it is left, and an earlier object of the key stands. Errors as `put`; StoreError if a sweep took it for abandoned.
        """
        new = NewFrame.of(frame, 0, self._lifetime(ttl))
        self._write_large(new, regroup(pieces))
        stored_at, expires_at = new.times(new.now)
        return Stored(frame, new.size, new.version.hex(), stored_at, moment_or_none(expires_at))

    def _write(self, batch: list[NewFrame], views: Mapping[str, memoryview]) -> None:
        if batch[0].size > BATCH_BYTES:
            self._write_large(batch[0], cut(views[batch[0].key]))
        else:
            self._write_small(batch, {item.version: list(cut(views[item.key])) for item in batch})

    def _write_small(self, batch: list[NewFrame], data: dict[bytes, list[Chunk]]) -> None:
        """Frames that fit into one transaction."""

        def store(connection: Connection) -> Clear:
            for version, pieces in data.items():
                insert_chunks(connection, version, 0, pieces)
            return publish(connection, batch, self._take_out)

        write(self._engine, store)()

    def _write_large(self, new: NewFrame, pieces: Iterator[Chunk]) -> None:
        """One frame, in as many transactions as it takes."""
        groups = batched(pieces, CHUNKS_PER_COMMIT)
        first, second = next(groups, []), next(groups, None)
        new.size = sum(len(chunk.data) for chunk in first)
        if second is None:
            self._write_small([new], {new.version: first})
            return
        written = len(first)
        try:
            write(self._engine, lambda connection: begin_large(connection, new.version, first))
            group: list[Chunk] | None = second
            while group is not None:
                self._add(new.version, written, group)
                written += len(group)
                new.size += sum(len(chunk.data) for chunk in group)
                group = next(groups, None)
            clear = write(self._engine, lambda connection: finish_large(connection, new, self._take_out))
        except BaseException:
            self._abandon(new.version)
            raise
        clear()

    def _add(self, version: bytes, at: int, pieces: list[Chunk]) -> None:
        write(self._engine, lambda connection: continue_large(connection, version, at, pieces))

    def _abandon(self, version: bytes) -> None:
        """Take back what was written so far. If that fails too, `sweep` will."""
        try:
            write(self._engine, lambda connection: doom(connection, version))
            self._remove_versions([version])
        except StoreError as exc:
            logger.warning("an unfinished write stays until it is swept", extra={"error": str(exc)})

    # Reading

    def _load(self, connection: Connection, rows: Sequence[FrameRow]) -> list[Frame]:
        return load(connection, rows)

    def _read_into(self, connection: Connection, row: FrameRow, view: memoryview) -> None:
        read_into(connection, row, view)

    def read_stream(self, key: str, *, offset: int = 0, length: int | None = None) -> "FrameStream | None":
        """The object's bytes from `offset` on, `length` of them or all, a chunk at a time; None when it is not there.

        Close it (it is its own `with` block): it holds a connection. Raises InvalidInputError for negative numbers.
        """
        if offset < 0 or (length is not None and length < 0):
            raise InvalidInputError(f"bytes {offset} and {length} on: offset and length cannot be negative")
        with translated(self._engine):
            connection = self._engine.connect()
            try:
                row = connection.execute(row_of(key)).one_or_none()
            except BaseException:
                connection.close()
                raise
        if row is None:
            connection.close()
            return None
        return FrameStream(self._engine, connection, row, offset=offset, length=length)

    # Removing

    def sweep(self, older_than: float = 3600.0) -> Swept:
        """As `FrameRows.sweep`; a write has begun again with each chunk."""
        expired = self._sweep_expired()
        cutoff = round(older_than * 1_000_000)
        unfinished = 0
        while True:
            doomed = write(self._engine, lambda connection: doom_abandoned(connection, cutoff))
            self._remove_versions(doomed)
            unfinished += len(doomed)
            if not doomed:
                return Swept(expired, unfinished)

    def _take_out(self, connection: Connection, rows: Sequence[FrameRow], now: int) -> Clear:
        remove_rows(connection, rows, now)
        return partial(self._remove_versions, remove_small(connection, rows))

    def _remove_versions(self, versions: list[bytes]) -> None:
        """Remove the chunks of doomed versions, a bounded number at a time."""
        try:
            for version in versions:
                while write(self._engine, partial(remove_chunks, version=version)):
                    pass
        except StoreError as exc:
            # What was asked for is done; the rest can wait for `sweep`.
            logger.warning("a replaced frame stays until it is swept", extra={"error": str(exc)})
