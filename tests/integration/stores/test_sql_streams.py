"""Objects larger than memory go in and out of the SQL store piece by piece, and are seen whole or not at all."""

import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from framedb.errors import CorruptDataError, InvalidInputError, InvalidKeyError, StoreError
from framedb.frame import Frame
from framedb.registry import open_engine, reading, write
from framedb.stores import sql_reading
from framedb.stores.base import KEEP, SourceStats
from framedb.stores.sql import SQLStore
from framedb.stores.sql_tables import chunks, loose_versions
from tests.contracts.frame_store import SOURCE, START, camera_frame, patterned, plain_bytes, until

MIB = 1024 * 1024


@pytest.fixture
def store(database_url: str) -> Iterator[SQLStore]:
    """An empty store."""
    with SQLStore.open(database_url) as store:
        yield store


@pytest.fixture
def rows(database_url: str) -> Iterator["Rows"]:
    """What lies in the tables, seen from beside the store."""
    rows = Rows(database_url)
    yield rows
    rows.engine.dispose()


class Rows:
    """Looks into the tables, and damages them."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)

    def count(self) -> tuple[int, int]:
        """Chunks, and loose versions."""
        with reading(self.engine) as connection:
            return (
                connection.scalar(select(func.count()).select_from(chunks)) or 0,
                connection.scalar(select(func.count()).select_from(loose_versions)) or 0,
            )

    def damage(self, number: int, data: bytes) -> None:
        """Put other bytes into every chunk of that number."""
        write(self.engine, lambda connection: connection.execute(
            update(chunks).where(chunks.c.number == number).values(data=data)))  # fmt: skip

    def age(self) -> None:
        """Make every unfinished write look a day old."""
        write(self.engine, lambda connection: connection.execute(
            update(loose_versions).values(since=loose_versions.c.since - 86_400_000_000)))  # fmt: skip


def pieces_of(data: bytes, size: int) -> Iterator[bytes]:
    """The data in pieces of that size."""
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("size", [0, 1, MIB, 8 * MIB, 8 * MIB + 1, 17 * MIB + 5])
def test_what_goes_in_as_a_stream_comes_out_as_one(store: SQLStore, rows: Rows, size: int) -> None:
    data = patterned(size)
    description = replace(camera_frame(data=b""), width=640, encoding="video")

    stored = store.write_stream(description, pieces_of(data, 700_001))

    assert stored.size == size
    assert store.stat(description.key) == stored
    stream = store.read_stream(description.key)
    assert stream is not None
    with stream:
        assert stream.stored.frame == description
        assert stream.remaining == size
        pieces = list(stream)
    assert b"".join(pieces) == data
    assert max(map(len, pieces), default=0) <= MIB
    assert plain_bytes(store.get(description.key)) == data
    assert rows.count() == (-(-size // MIB), 0)


def test_any_part_of_an_object_can_be_read(store: SQLStore) -> None:
    data = patterned(3 * MIB + 100)
    store.put(Frame("k", data))

    for offset, length in [
        (0, 0), (0, 10), (MIB - 1, 2), (MIB, MIB), (1, None), (3 * MIB, None), (3 * MIB + 100, None), (5 * MIB, 7),
        (2 * MIB + 5, 10 * MIB),
    ]:  # fmt: skip
        stream = store.read_stream("k", offset=offset, length=length)
        assert stream is not None
        expected = data[offset:] if length is None else data[offset : offset + length]
        assert stream.remaining == len(expected)
        assert b"".join(stream) == expected


def test_a_part_before_the_beginning_is_refused(store: SQLStore) -> None:
    with pytest.raises(InvalidInputError):
        store.read_stream("k", offset=-1)
    with pytest.raises(InvalidInputError):
        store.read_stream("k", length=-1)


def test_an_absent_object_has_no_stream_and_no_statistics(store: SQLStore) -> None:
    assert store.read_stream("k") is None
    assert store.stat("k") is None


def test_streaming_holds_a_few_mebibytes_at_a_time(store: SQLStore) -> None:
    """Of an object of 96 MiB; measured without what the database server or SQLite itself holds."""
    piece = b"x" * MIB
    tracemalloc.start()
    try:
        store.write_stream(Frame("large", b""), (piece for _ in range(96)))
        stream = store.read_stream("large")
        assert stream is not None
        assert sum(map(len, stream)) == 96 * MIB
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 40 * MIB


def test_an_object_is_not_seen_before_its_last_piece(store: SQLStore, rows: Rows) -> None:
    store.put(camera_frame(data=b"old"))

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * MIB
        assert rows.count()[0] >= 9  # most of it lies there already
        assert plain_bytes(store.get(camera_frame().key)) == b"old"
        assert list(store.scan()) == [camera_frame().key]
        assert store.stats(SOURCE) == SourceStats(count=1, bytes=3)
        yield b"end"

    store.write_stream(camera_frame(data=b""), pieces())

    assert store.stats(SOURCE).bytes == 20 * MIB + 3


def test_a_stream_that_breaks_off_leaves_nothing(store: SQLStore, rows: Rows) -> None:
    store.put(camera_frame(data=b"old"))

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * MIB
        raise EOFError("the sender hung up")

    with pytest.raises(EOFError):
        store.write_stream(camera_frame(data=b""), pieces())

    assert plain_bytes(store.get(camera_frame().key)) == b"old"
    assert rows.count() == (1, 0)


def test_an_illegal_key_is_refused_before_a_piece_is_taken(store: SQLStore) -> None:
    pieces = iter([b"data"])
    with pytest.raises(InvalidKeyError):
        store.write_stream(Frame("fdb:mine", b""), pieces)
    assert next(pieces) == b"data"


def test_replaced_and_deleted_objects_leave_no_chunks(store: SQLStore, rows: Rows) -> None:
    for size in (100, 20 * MIB, 3 * MIB, 12 * MIB, 10):
        store.put(camera_frame(data=bytes(size)))
        assert rows.count() == (-(-size // MIB), 0)
    store.put_many([camera_frame(n, bytes(5 * MIB)) for n in range(5)])
    assert store.delete_many([camera_frame(n).key for n in range(5)]) == 5
    assert rows.count() == (0, 0)


def test_a_sweep_removes_abandoned_writes_and_leaves_live_ones(store: SQLStore, rows: Rows) -> None:
    def abandoned() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * MIB
        assert store.sweep().unfinished == 0
        rows.age()
        assert store.sweep().unfinished == 1
        assert rows.count() == (0, 0)
        yield b"x" * 9 * MIB

    with pytest.raises(StoreError, match="write the object again"):
        store.write_stream(camera_frame(data=b""), abandoned())

    assert store.get(camera_frame().key) is None
    assert rows.count() == (0, 0)


def test_a_sweep_removes_expired_frames_and_counts_them_once(store: SQLStore, rows: Rows) -> None:
    store.put_many([camera_frame(n) for n in range(700)], ttl=0.05)
    store.put(camera_frame(1, camera="large", data=bytes(20 * MIB)), ttl=0.05)
    store.put(camera_frame(1, camera="kept"), ttl=KEEP)
    until(lambda: store.sources() == ["plant-a:kept"], "the frames expire")

    assert store.sweep().expired == 701
    assert store.sweep().expired == 0

    assert rows.count() == (1, 0)
    assert store.stats(SOURCE) == SourceStats(drops={"expired": 700})
    assert store.stats("plant-a:large") == SourceStats(drops={"expired": 1})


def test_the_default_time_to_live_holds_for_frames_without_one(database_url: str) -> None:
    with SQLStore.open(database_url, default_ttl=0.05) as store:
        store.put(camera_frame(0))
        store.put(camera_frame(1), ttl=KEEP)
        until(lambda: store.get(camera_frame(0).key) is None, "the frame expires")
        assert store.get(camera_frame(1).key) is not None


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
def test_a_time_to_live_that_is_none_is_refused(store: SQLStore, ttl: float) -> None:
    with pytest.raises(InvalidInputError):
        store.put(camera_frame(), ttl=ttl)


def test_the_time_to_live_can_be_changed_later(store: SQLStore) -> None:
    store.put(camera_frame(0), ttl=KEEP)
    store.put(camera_frame(1), ttl=30)

    assert store.expire(camera_frame(0).key, 0.05)
    assert store.expire(camera_frame(1).key, KEEP)
    until(lambda: store.get(camera_frame(0).key) is None, "the frame expires")

    assert store.expire(camera_frame(0).key, KEEP) is False
    kept = store.stat(camera_frame(1).key)
    assert kept is not None
    assert kept.expires_at is None


def test_every_write_is_a_version_of_its_own(store: SQLStore) -> None:
    versions = set()
    for _ in range(3):
        store.put(camera_frame())
        stored = store.stat(camera_frame().key)
        assert stored is not None
        versions.add(stored.version)
    assert len(versions) == 3


@pytest.mark.parametrize("size", [100, 3 * MIB, 12 * MIB])
def test_damaged_bytes_are_never_returned(store: SQLStore, rows: Rows, size: int) -> None:
    store.put(camera_frame(data=patterned(size)))
    number = size // MIB // 2
    rows.damage(number, b"\0" * min(size, MIB))

    with pytest.raises(CorruptDataError):
        store.get(camera_frame().key)
    with pytest.raises(CorruptDataError):
        store.get_into(camera_frame().key, bytearray(size))
    with pytest.raises(CorruptDataError):
        store.latest(SOURCE)
    stream = store.read_stream(camera_frame().key)
    assert stream is not None
    with stream, pytest.raises(CorruptDataError):
        list(stream)


def test_a_stream_reads_on_while_its_object_is_replaced(store: SQLStore) -> None:
    first, second = patterned(12 * MIB), b"2" * (11 * MIB)
    store.put(camera_frame(data=first))
    stream = store.read_stream(camera_frame().key)
    assert stream is not None
    with stream:
        beginning = next(stream)
        store.put(camera_frame(data=second))
        store.sweep(0)
        assert beginning + b"".join(stream) == first
    assert plain_bytes(store.get(camera_frame().key)) == second


def test_a_slow_stream_lets_go_and_says_so_when_its_object_was_replaced(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_reading, "_SNAPSHOT", 0.0)
    store.put(camera_frame(data=patterned(12 * MIB)))
    unharmed = store.read_stream(camera_frame().key)
    assert unharmed is not None
    assert b"".join(unharmed) == patterned(12 * MIB)

    stream = store.read_stream(camera_frame().key)
    assert stream is not None
    next(stream)
    store.put(camera_frame(data=b"new"))
    with pytest.raises(StoreError, match="read it again"):
        next(stream)


def test_streams_of_one_key_never_mix_with_its_writers(store: SQLStore) -> None:
    store.write_stream(camera_frame(data=b""), [b"\0" * (9 * MIB)])
    writing = threading.Event()
    writing.set()

    def replace_it(n: int) -> None:
        for _ in range(4):
            store.write_stream(camera_frame(data=b""), pieces_of(bytes([n]) * (9 * MIB + n), 500_000))

    def read() -> int:
        reads = 0
        while writing.is_set() or not reads:
            stream = store.read_stream(camera_frame().key)
            assert stream is not None
            data = b"".join(stream)
            assert len(data) == 9 * MIB + data[0]
            assert data.count(data[0]) == len(data)
            reads += 1
        return reads

    with ThreadPoolExecutor(3) as pool:
        reader = pool.submit(read)
        try:
            for done in [pool.submit(replace_it, n) for n in (1, 2)]:
                done.result()
        finally:
            writing.clear()
        assert reader.result() > 0


def test_more_streams_than_connections_is_an_error_that_passes(database_url: str) -> None:
    engine = open_engine(database_url, pool_size=2, timeout=0.5)
    with SQLStore(engine) as store:
        store.put(camera_frame(data=bytes(3 * MIB)))
        held = [store.read_stream(camera_frame().key) for _ in range(2)]
        with pytest.raises(StoreError, match="every connection is in use"):
            store.get(camera_frame().key)
        for stream in held:
            assert stream is not None
            stream.close()
        assert store.get(camera_frame().key) is not None


def test_times_are_kept_to_the_microsecond(store: SQLStore) -> None:
    store.put(camera_frame())
    stored = store.stat(camera_frame().key)
    assert stored is not None
    assert stored.frame.captured_at == START
