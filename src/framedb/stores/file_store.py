"""`FileStore`: frames that stay, as files in a folder, each content once; their rows are in a SQL database.

The file comes first, under a name of its own for each write, then the row, so that whoever sees a row can read the bytes;
what is replaced or deleted loses its row first. A reader whose file goes between the two looks again. The files are those of
a `FrameFolder`: it may hold frames of jobs too, which then share their bytes with the frames here.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine, delete, insert, select

from framedb.errors import CorruptDataError, StoreError, StoreUnavailableError
from framedb.frame import Frame
from framedb.registry.engine import open_engine, reading, sqlite_url, write
from framedb.stores.base import KEEP
from framedb.stores.chunks import batched
from framedb.stores.files import FrameFolder
from framedb.stores.frame_rows import FrameRows, Swept
from framedb.stores.sql_rows import BATCH_FRAMES, FrameRow, NewFrame, frame_of
from framedb.stores.sql_tables import BytesPlace, files
from framedb.stores.sql_writing import Clear, publish, remove_rows

logger = logging.getLogger(__name__)
T = TypeVar("T")

_VERSION = re.compile(r"[0-9a-f]{32}")
_FOLDERS = [f"rows-{number:02x}" for number in range(256)]


class FileStore(FrameRows):
    """Frames as files. Other programs may read them; whoever changes one makes it damaged, which a reader is told."""

    def __init__(self, engine: Engine, folder: FrameFolder, *, default_ttl: float = KEEP) -> None:
        """A store on an open database that holds the rows of no other; `default_ttl` is in seconds."""
        super().__init__(engine, BytesPlace.FILES, default_ttl=default_ttl)
        self._folder = folder

    @classmethod
    def open(cls, base: Path, *, default_ttl: float = KEEP) -> Self:
        """A store in a folder, which is made if it is missing, with its rows in `<base>/rows.db`; `close` lets go of it."""
        try:
            base.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreUnavailableError(f"{base} cannot be made: {exc.strerror}") from exc
        return cls(open_engine(sqlite_url(base / "rows.db")), FrameFolder(base), default_ttl=default_ttl)

    # Writing

    def _write(self, batch: list[NewFrame], views: Mapping[str, memoryview]) -> None:
        kept = self._keep(batch, views)

        def store(connection: Connection) -> Clear:
            connection.execute(insert(files), [{"version": each, "checksum": kept[each]} for each in kept])
            return publish(connection, batch, self._take_out)

        write(self._engine, store)()  # if it raises, the rows may be there all the same: the files are left to `sweep`

    def _keep(self, batch: list[NewFrame], views: Mapping[str, memoryview]) -> dict[bytes, str]:
        """The bytes as files; their checksums, by version."""
        kept: dict[bytes, str] = {}
        try:
            for new in batch:
                kept[new.version] = self._folder.keep(views[new.key], *_named(new.version))
        except BaseException:
            self._clear(kept)
            raise
        return kept

    # Reading

    def _load(self, connection: Connection, rows: Sequence[FrameRow]) -> list[Frame]:
        checksums = _checksums(connection, [row.version for row in rows])
        return [frame_of(row, self._bytes(row, checksums.get(row.version))) for row in rows]

    def _bytes(self, row: FrameRow, checksum: str | None) -> bytearray:
        data = bytearray(row.size)
        self._read(row, checksum, memoryview(data))
        return data

    def _read_into(self, connection: Connection, row: FrameRow, view: memoryview) -> None:
        self._read(row, _checksums(connection, [row.version]).get(row.version), view[: row.size])

    def _read(self, row: FrameRow, checksum: str | None, view: memoryview) -> None:
        with self._folder.opened(*_named(row.version)) as file:
            if file is None:
                raise _FileGoneError(row.key, row.version)
            size = file.readinto(view)
            is_whole = size == row.size and not file.read(1)
        if not is_whole or sha256(view).hexdigest() != checksum:
            raise CorruptDataError(
                f"{row.key}: its file is damaged: check the disk, delete the frame, and put it again"
            )

    def _look(self, operation: Callable[[Connection], T]) -> T:
        missing: bytes | None = None
        while True:
            try:
                return super()._look(operation)
            except _FileGoneError as exc:  # replaced or deleted since its row was read
                if exc.version == missing:
                    raise CorruptDataError(f"{exc.key}: somebody removed its file: put the frame again") from exc
                missing = exc.version

    # Removing

    def sweep(self, older_than: float = 3600.0) -> Swept:
        """As `FrameRows.sweep`; and contents nobody holds, as `FrameFolder.sweep` does. No write may take longer than that."""
        expired = self._sweep_expired()
        before = time.time_ns() - round(older_than * 1e9)
        unfinished = sum(self._drop_loose(folder, before) for folder in _FOLDERS)
        self._folder.sweep(older_than=older_than)
        return Swept(expired, unfinished)

    def _drop_loose(self, folder: str, before: int) -> int:
        """Remove files that no row leads to, of writes that began before; how many."""
        versions = [bytes.fromhex(name) for name in self._folder.names(folder) if _VERSION.fullmatch(name)]
        dropped = 0
        for page in batched((each for each in versions if int.from_bytes(each[:8], "big") < before), BATCH_FRAMES):
            with reading(self._engine) as connection:
                held = _checksums(connection, page)
            for version in page:
                if version not in held:
                    self._folder.drop(*_named(version))
                    dropped += 1
        return dropped

    def _take_out(self, connection: Connection, rows: Sequence[FrameRow], now: int) -> Clear:
        held = _checksums(connection, [row.version for row in rows])
        remove_rows(connection, rows, now)
        if held:
            connection.execute(delete(files).where(files.c.version.in_(list(held))))
        return partial(self._clear, held)

    def _clear(self, held: Mapping[bytes, str]) -> None:
        """Remove the files of versions that no row leads to."""
        try:
            for version, checksum in held.items():
                self._folder.drop(*_named(version), checksum)
        except StoreError as exc:
            # What was asked for is done; the rest can wait for `sweep`.
            logger.warning("a replaced frame's file stays until it is swept", extra={"error": str(exc)})


class _FileGoneError(Exception):
    """A row has no file (any more)."""

    def __init__(self, key: str, version: bytes) -> None:
        super().__init__(key)
        self.key = key
        self.version = version


def _named(version: bytes) -> tuple[str, str]:
    """Folder and name of a version's file. Its last byte is one of chance."""
    return _FOLDERS[version[-1]], version.hex()


def _checksums(connection: Connection, versions: Sequence[bytes]) -> dict[bytes, str]:
    query = select(files).where(files.c.version.in_(versions))
    return {row.version: row.checksum for row in connection.execute(query)} if versions else {}
