"""The tables of `SQLStore` and `FileStore`.

They are apart from the registry's, with a version of their own: there is one set per persistent instance, and a reader of
frames needs no registry. A key's row names the version whose chunks, or file, are its bytes; these are never changed, and a
write is seen the moment its row is.
"""

from enum import Enum

from sqlalchemy import BigInteger, Column, Engine, Index, Integer, LargeBinary, MetaData, Table, insert, select, update
from sqlalchemy.dialects import mysql

from framedb.errors import StoreError
from framedb.registry.engine import name_of, translated
from framedb.registry.exclusive import exclusively
from framedb.registry.types import Document, Key, Moment, name

SCHEMA_VERSION = 1
"""Of the tables below. A change needs a step in `prepare`."""

NEVER = 2**63 - 1
"""`expires_at` of a frame that is kept."""

DOOMED = 0
"""`since` of a loose version that nobody may take up again."""

metadata = MetaData()

_VERSION = LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
_CHUNK = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")

frames = Table(
    "frames",
    metadata,
    Column("key", Key, primary_key=True),
    # Whose chunks, or file, are the bytes. Every write makes a new one.
    Column("version", _VERSION, nullable=False),
    Column("source", name(128), nullable=False),
    Column("captured_at", Moment, nullable=False),
    # Microseconds UTC on the database's clock, as are the next two.
    Column("stored_at", Moment, nullable=False),
    # After this it is not there any more, swept or not.
    Column("expires_at", BigInteger, nullable=False),
    # Bytes.
    Column("size", BigInteger, nullable=False),
    # Bytes of each chunk but the last, where there are chunks.
    Column("chunk_bytes", Integer, nullable=False),
    # What else is known: encoding, width, height, pts, time_base, keyframe, corrupt, shape, dtype, where they are not
    # what a `Frame` has anyway.
    Column("details", Document, nullable=False),
    Index("ix_frames_time", "source", "captured_at", "key"),
    Index("ix_frames_source", "source", "key"),
    Index("ix_frames_expiry", "expires_at"),
)

chunks = Table(
    "frame_chunks",
    metadata,
    Column("version", _VERSION, primary_key=True),
    # 0, 1, ...
    Column("number", Integer, primary_key=True, autoincrement=False),
    # See `chunks.Chunk`.
    Column("digest", BigInteger, nullable=False),
    Column("data", _CHUNK, nullable=False),
)

loose_versions = Table(
    "frame_loose_versions",
    metadata,
    # With chunks, but without a row in `frames`: still being written, abandoned, or replaced and not yet removed.
    Column("version", _VERSION, primary_key=True),
    # When the last chunk came: microseconds UTC on the database's clock. DOOMED: to be removed.
    Column("since", BigInteger, nullable=False),
    Index("ix_frame_loose_versions_since", "since"),
)

files = Table(
    "frame_files",
    metadata,
    Column("version", _VERSION, primary_key=True),
    # SHA-256 of the bytes, in hex: the name of the content.
    Column("checksum", name(64), nullable=False),
)

drops = Table(
    "frame_drops",
    metadata,
    Column("source", name(128), primary_key=True),
    # `expired`, ...
    Column("reason", name(64), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

schema = Table(
    "frame_schema",
    metadata,
    # One row. Its id is a BytesPlace.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)


class BytesPlace(Enum):
    """Where the bytes of a database's frames are."""

    CHUNKS = 1
    """In it."""
    FILES = 2
    """In files beside it."""


_TABLES = {
    BytesPlace.CHUNKS: [frames, chunks, loose_versions, drops, schema],
    BytesPlace.FILES: [frames, files, drops, schema],
}


def prepare(engine: Engine, place: BytesPlace) -> None:
    """Make the tables where they are missing. Any number of processes may do it at once.

    Raises StoreError when they are of a newer release than this one, or the bytes are in another place.
    """
    with translated(engine), exclusively(engine, "framedb-frames") as connection:
        metadata.create_all(connection, tables=_TABLES[place])
        found = connection.execute(select(schema)).one_or_none()
        if found is None:
            connection.execute(insert(schema).values(id=place.value, version=SCHEMA_VERSION))
        elif found.version > SCHEMA_VERSION:
            raise StoreError(
                f"{name_of(engine)} keeps frames in form {found.version}, and this release knows {SCHEMA_VERSION}: "
                f"install a newer FrameDB"
            )
        elif found.id != place.value:
            kept = BytesPlace(found.id).name.lower()
            raise StoreError(f"{name_of(engine)} keeps the bytes of frames in {kept}: give another database")
        elif found.version < SCHEMA_VERSION:
            connection.execute(update(schema).values(version=SCHEMA_VERSION))
