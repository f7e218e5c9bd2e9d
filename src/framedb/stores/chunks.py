"""Objects of any size as a row of chunks, each with its own digest, so that any part can be read and checked alone."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from typing_extensions import Buffer

from framedb.config import MiB
from framedb.errors import CorruptDataError

T = TypeVar("T")

CHUNK_BYTES = MiB
"""Size of every chunk but the last. TiDB refuses an entry over 6 MiB, MariaDB a packet over 16 MiB (twice the chunk, as
it is sent in hexadecimal)."""

CHUNKS_PER_COMMIT = 8
"""Chunks in one transaction: TiDB refuses one over 100 MiB, and other writers wait for it on SQLite."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of an object."""

    data: bytes | memoryview
    digest: int
    """CRC-32 of the data. It guards against rot, not against forgers; of what the standard library has it is the fastest
    (2.7 GB/s here; SHA-1 1.8, SHA-256 1.6, BLAKE2b 0.7), and a mebibyte is short enough for it."""


def cut(data: memoryview, size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """The chunks of flat bytes, uncopied. No bytes make no chunk."""
    for start in range(0, data.nbytes, size):
        piece = data[start : start + size]
        yield Chunk(piece, zlib.crc32(piece))


def regroup(pieces: Iterable[Buffer], size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """The chunks of an object that comes in pieces of any size; one chunk at a time is held, and each is a copy."""
    held = bytearray()
    for piece in pieces:
        view = memoryview(piece).cast("B") if memoryview(piece).nbytes else memoryview(b"")
        while view.nbytes:
            taken = min(view.nbytes, size - len(held))
            held += view[:taken]
            view = view[taken:]
            if len(held) == size:
                chunk = Chunk(bytes(held), zlib.crc32(held))
                held = bytearray()
                yield chunk
                del chunk  # rather than keep it while the next one is gathered
    if held:
        yield Chunk(bytes(held), zlib.crc32(held))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of that many items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def check(key: str, number: int, data: bytes | bytearray, digest: int, *, expected_bytes: int) -> None:
    """Raises CorruptDataError unless the chunk has the bytes it was stored with."""
    if len(data) != expected_bytes or zlib.crc32(data) != digest:
        raise CorruptDataError(
            f"{key}: chunk {number} is damaged ({len(data)} bytes of {expected_bytes}, or other ones than were stored): "
            f"check the disk, and put the frame again"
        )
