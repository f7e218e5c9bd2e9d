"""Writes ever new versions of one object, piece by piece, until it is killed: `writer_program KIND WHERE [PASSWORD]`.

Version n is that many bytes over a size that takes several transactions or parts, each of them n modulo 256.
"""

import itertools
import sys
from collections.abc import Iterator

from framedb.frame import Frame
from framedb.resp import Endpoint, MasterClient
from framedb.stores.memory import MemoryStore
from framedb.stores.sql import SQLStore
from framedb.tiering.object_memory import MemoryObjects
from framedb.tiering.object_places import ObjectPlace, StoredObjects

PIECE_BYTES = 256 * 1024


def main(kind: str, where: str, password: str = "") -> None:
    """Write, and say each version that is acknowledged."""
    if kind == "memory":
        with MemoryStore(MasterClient.fixed(Endpoint("127.0.0.1", int(where), password=password))) as memory:
            write_all(MemoryObjects(memory), 65 * 1024 * 1024)
    else:
        with SQLStore.open(where) as store:
            write_all(StoredObjects(store), 10 * 1024 * 1024)


def write_all(place: ObjectPlace, more_than: int) -> None:
    """For ever."""
    for n in itertools.count(1):
        place.write(Frame("k", b"", height=n), pieces(n, more_than + n), size=more_than + n)
        print(n, flush=True)


def pieces(n: int, size: int) -> Iterator[bytes]:
    """The bytes of a version."""
    for start in range(0, size, PIECE_BYTES):
        yield bytes([n % 256]) * min(PIECE_BYTES, size - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
