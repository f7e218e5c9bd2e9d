"""The steps of the SQL store's write transactions. Each may be repeated from its beginning."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from framedb.errors import StoreError
from framedb.registry.types import DatabaseNow
from framedb.stores.chunks import CHUNKS_PER_COMMIT, Chunk
from framedb.stores.sql_rows import BATCH_BYTES, BATCH_FRAMES, FrameRow, NewFrame, by_size
from framedb.stores.sql_tables import DOOMED, chunks, drops, frames, loose_versions

Clear = Callable[[], object]
"""Removes bytes of rows that are gone: called when that is committed."""

TakeOut = Callable[[Connection, Sequence[FrameRow], int], Clear]
"""Removes rows; the number is the time, in microseconds on the database's clock."""


def publish(connection: Connection, batch: list[NewFrame], take_out: TakeOut) -> Clear:
    """Make written versions the ones their keys show, and take out what they replace."""
    now = database_now(connection)
    keys = [new.key for new in batch]
    rows = connection.execute(select(frames).where(frames.c.key.in_(keys)).with_for_update()).all()
    clear = take_out(connection, rows, now)
    connection.execute(insert(frames), [new.row(now) for new in batch])
    return clear


def begin_large(connection: Connection, version: bytes, pieces: list[Chunk]) -> None:
    """The first chunks of a version that nothing points to yet."""
    connection.execute(insert(loose_versions).values(version=version, since=database_now(connection)))
    insert_chunks(connection, version, 0, pieces)


def continue_large(connection: Connection, version: bytes, at: int, pieces: list[Chunk]) -> None:
    """More chunks of it. Raises StoreError if a sweep took it for abandoned."""
    touched = connection.execute(
        update(loose_versions)
        .where(loose_versions.c.version == version, loose_versions.c.since > DOOMED)
        .values(since=database_now(connection))
    )
    _must_be_ours(touched.rowcount)
    insert_chunks(connection, version, at, pieces)


def finish_large(connection: Connection, new: NewFrame, take_out: TakeOut) -> Clear:
    """Its key points to it from now on; else as `publish`. Raises StoreError as `continue_large`."""
    settled = connection.execute(
        delete(loose_versions).where(loose_versions.c.version == new.version, loose_versions.c.since > DOOMED)
    )
    _must_be_ours(settled.rowcount)
    return publish(connection, [new], take_out)


def _must_be_ours(rows: int) -> None:
    if rows != 1:
        raise StoreError("the write paused for so long that it was swept as abandoned: write the object again")


def insert_chunks(connection: Connection, version: bytes, at: int, pieces: list[Chunk]) -> None:
    """Chunks of a version, numbered from `at` on."""
    if pieces:
        connection.execute(
            insert(chunks),
            [
                {"version": version, "number": number, "digest": piece.digest, "data": piece.data}
                for number, piece in enumerate(pieces, at)
            ],
        )


def remove_rows(connection: Connection, rows: Sequence[FrameRow], now: int) -> None:
    """Remove rows of `frames`, counting those that had expired."""
    if not rows:
        return
    expired: dict[str, int] = {}
    for row in rows:
        if row.expires_at <= now:
            expired[row.source] = expired.get(row.source, 0) + 1
    for source, count in sorted(expired.items()):
        _count_drops(connection, source, "expired", count)
    connection.execute(delete(frames).where(frames.c.key.in_([row.key for row in rows])))


def remove_small(connection: Connection, rows: Sequence[FrameRow]) -> list[bytes]:
    """Remove the chunks of rows that were removed.

    The versions of large ones come back: they are loose, and their chunks go in transactions of their own.
    """
    if not rows:
        return []
    small = next(by_size(sorted(rows, key=lambda row: row.size)))
    if small[0].size > BATCH_BYTES:
        small = []
    small_versions = {row.version for row in small}
    large = [row.version for row in rows if row.version not in small_versions]
    if small:
        connection.execute(delete(chunks).where(chunks.c.version.in_(small_versions)))
    if large:
        connection.execute(insert(loose_versions), [{"version": version, "since": DOOMED} for version in large])
    return large


def _count_drops(connection: Connection, source: str, reason: str, count: int) -> None:
    row = (drops.c.source == source) & (drops.c.reason == reason)
    if not connection.execute(update(drops).where(row).values(count=drops.c.count + count)).rowcount:
        connection.execute(insert(drops).values(source=source, reason=reason, count=count))


def remove_expired(connection: Connection, take_out: TakeOut) -> tuple[int, Clear]:
    """Take out some frames whose time is over: how many, and what removes the rest of them."""
    now = database_now(connection)
    query = select(frames).where(frames.c.expires_at <= now).order_by(frames.c.expires_at).limit(BATCH_FRAMES)
    rows = connection.execute(query.with_for_update()).all()
    return len(rows), take_out(connection, rows, now)


def doom(connection: Connection, version: bytes) -> None:
    """Let nobody go on with the version."""
    connection.execute(update(loose_versions).where(loose_versions.c.version == version).values(since=DOOMED))


def doom_abandoned(connection: Connection, older_than: int) -> list[bytes]:
    """Loose versions nobody has added to for so many microseconds; from now on nobody can."""
    query = select(loose_versions.c.version).where(loose_versions.c.since <= database_now(connection) - older_than)
    versions = list(connection.scalars(query.limit(BATCH_FRAMES).with_for_update()))
    connection.execute(update(loose_versions).where(loose_versions.c.version.in_(versions)).values(since=DOOMED))
    return versions


def remove_chunks(connection: Connection, version: bytes) -> bool:
    """Remove some chunks of a doomed version, and its own row after the last; whether any are left."""
    of_version = chunks.c.version == version
    numbers = select(chunks.c.number).where(of_version).order_by(chunks.c.number).limit(8 * CHUNKS_PER_COMMIT)
    found = connection.scalars(numbers).all()
    if found:
        connection.execute(delete(chunks).where(of_version, chunks.c.number <= found[-1]))
        return True
    connection.execute(delete(loose_versions).where(loose_versions.c.version == version))
    return False


def database_now(connection: Connection) -> int:
    """The database's clock: microseconds since 1970."""
    return int(connection.scalar(select(DatabaseNow())) or 0)
