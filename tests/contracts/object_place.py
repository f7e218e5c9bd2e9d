"""What holds for every place that keeps objects. A backend's tests subclass it and give it a `place`."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from framedb.errors import CorruptDataError, InvalidInputError, InvalidKeyError
from framedb.frame import Frame
from framedb.stores.base import KEEP
from framedb.tiering.object_places import ObjectPlace, Pieces
from tests.contracts.frame_store import patterned, until

MIB = 1024 * 1024
LARGE = -1
"""Stands for `ObjectPlaceContract.large` in parameters."""


def in_pieces(data: bytes, size: int = 700_001) -> Iterator[bytes]:
    """The data in pieces of that size."""
    return (data[start : start + size] for start in range(0, len(data), size))


def read(pieces: Pieces | None) -> bytes:
    """All of them; they must be there."""
    assert pieces is not None
    try:
        return b"".join(bytes(piece) for piece in pieces)
    finally:
        pieces.close()


class ObjectPlaceContract:
    """Every test an `ObjectPlace` must pass. `place` is an empty one."""

    large = 66 * MIB
    """Bytes that take the backend's long way: parts rather than a plain value, several transactions rather than one."""

    @pytest.fixture
    def place(self) -> ObjectPlace:
        """An empty place of the backend under test."""
        raise NotImplementedError

    def size(self, size: int) -> int:
        """What a parameter stands for."""
        return self.large if size == LARGE else size

    def left_behind(self) -> int:
        """Pieces of objects in the backend, whether or not anything leads to them."""
        raise NotImplementedError

    @pytest.mark.parametrize("size", [0, 1, MIB, 8 * MIB, 8 * MIB + 1, LARGE])
    @pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
    def test_an_object_of_any_size_comes_back_with_what_was_said_of_it(
        self, place: ObjectPlace, size: int, told: bool
    ) -> None:
        size = self.size(size)
        data = patterned(size)
        frame = Frame("a/é", b"", captured_at=datetime(2026, 1, 2, tzinfo=UTC), encoding="jpeg", width=640)

        stored = place.write(frame, in_pieces(data), size=size if told else None)

        assert (stored.size, stored.frame, stored.expires_at) == (size, frame, None)
        assert place.stat("a/é") == stored
        pieces = place.read("a/é")
        assert pieces is not None
        assert pieces.stored == stored
        assert pieces.remaining == size
        assert read(pieces) == data

    @pytest.mark.parametrize("size", [3 * MIB + 100, LARGE])
    def test_any_part_of_an_object_can_be_read(self, place: ObjectPlace, size: int) -> None:
        size = self.size(size)
        data = patterned(size)
        place.write(Frame("k", b""), [data], size=size)

        for offset, length in [
            (0, 0), (0, 10), (MIB - 1, 2), (MIB, MIB), (1, 2 * MIB), (size - 7, None), (size, None), (size + 5, 7),
            (size - 5, 10), (2 * MIB + 5, 0), (size - 9 * MIB // 4, 2 * MIB),
        ]:  # fmt: skip
            pieces = place.read("k", offset=offset, length=length)
            expected = data[offset:] if length is None else data[offset : offset + length]
            assert pieces is not None
            assert pieces.remaining == len(expected)
            assert pieces.stored == place.stat("k")
            assert read(pieces) == expected

    def test_pieces_are_at_most_a_mebibyte(self, place: ObjectPlace) -> None:
        for size in (5 * MIB, self.large):
            place.write(Frame("k", b""), [bytes(size)])
            pieces = place.read("k")
            assert pieces is not None
            assert max(memoryview(piece).nbytes for piece in pieces) <= MIB

    def test_what_nobody_wrote_is_absent(self, place: ObjectPlace) -> None:
        assert place.read("k") is None
        assert place.stat("k") is None
        assert place.present(["k", "l"]) == set()
        assert place.delete("k") is False
        assert place.expire("k", 5) is False

    @pytest.mark.parametrize(("first", "second"), [(10, 5), (10, LARGE), (LARGE, 10), (LARGE, LARGE)])
    def test_the_later_object_of_a_key_stands_and_nothing_is_left_of_the_earlier(
        self, place: ObjectPlace, first: int, second: int
    ) -> None:
        first, second = self.size(first), self.size(second) + 7
        earlier = place.write(Frame("k", b""), [patterned(first)], size=first, ttl=30)
        data = patterned(second)[::-1]

        later = place.write(Frame("k", b"", encoding="png"), in_pieces(data), size=second)

        assert later.version != earlier.version
        assert (later.expires_at, later.frame.encoding) == (None, "png")
        assert place.stat("k") == later
        assert read(place.read("k")) == data
        assert place.delete("k")
        assert place.stat("k") is None
        assert self.left_behind() == 0

    def test_the_same_bytes_written_again_are_another_version(self, place: ObjectPlace) -> None:
        versions = {place.write(Frame("k", b""), [b"same"]).version for _ in range(3)}
        assert len(versions) == 3

    @pytest.mark.parametrize("size", [20, 7 * MIB, LARGE])
    def test_pieces_that_break_off_leave_the_earlier_object_and_nothing_else(
        self, place: ObjectPlace, size: int
    ) -> None:
        size = self.size(size)

        def breaking() -> Iterator[bytes]:
            yield from in_pieces(bytes(size), size // 10)
            raise EOFError("the sender hung up")

        place.write(Frame("k", b""), [b"earlier"])
        before = self.left_behind()
        for told in (size + 1, None):
            with pytest.raises(EOFError):
                place.write(Frame("k", b""), breaking(), size=told)
        with pytest.raises(EOFError):
            place.write(Frame("new", b""), breaking())

        assert read(place.read("k")) == b"earlier"
        assert place.present(["k", "new"]) == {"k"}
        assert self.left_behind() == before

    def test_an_object_is_not_seen_before_its_last_piece(self, place: ObjectPlace) -> None:
        def pieces() -> Iterator[bytes]:
            for _ in range(self.large // MIB):
                yield bytes(MIB)
            assert read(place.read("k")) == b"earlier"
            yield b"end"

        place.write(Frame("k", b""), [b"earlier"])
        place.write(Frame("k", b""), pieces(), size=self.large + 3)
        stored = place.stat("k")
        assert stored is not None
        assert stored.size == self.large + 3

    @pytest.mark.parametrize("size", [9, LARGE])
    def test_an_object_goes_when_its_time_is_over(self, place: ObjectPlace, size: int) -> None:
        size = self.size(size)
        stored = place.write(Frame("k", b""), [bytes(size)], ttl=0.3)
        assert stored.expires_at is not None
        assert stored.expires_at - stored.stored_at < timedelta(seconds=5)
        until(lambda: place.stat("k") is None, "the object expires")
        assert place.read("k") is None
        assert place.present(["k"]) == set()

    @pytest.mark.parametrize("size", [9, LARGE])
    def test_its_time_can_be_changed_later(self, place: ObjectPlace, size: int) -> None:
        size = self.size(size)
        place.write(Frame("kept", b""), [bytes(size)], ttl=60)
        place.write(Frame("k", b""), [bytes(size)])

        assert place.expire("kept", KEEP)
        assert place.expire("k", 60)
        kept, going = place.stat("kept"), place.stat("k")
        assert kept is not None
        assert going is not None
        assert kept.expires_at is None
        assert going.expires_at is not None
        assert place.expire("k", 0.01)
        until(lambda: place.stat("k") is None, "the object expires")
        assert read(place.read("kept")) == bytes(size)

    @pytest.mark.parametrize("size", [3 * MIB, LARGE])
    def test_a_reader_goes_on_while_its_object_is_replaced_and_removed(self, place: ObjectPlace, size: int) -> None:
        size = self.size(size)
        data = patterned(size)
        place.write(Frame("k", b""), [data], size=size)
        pieces = place.read("k")
        assert pieces is not None
        beginning = bytes(next(pieces))

        # Within half a minute: that is how long what was replaced can still be read.
        place.write(Frame("k", b""), [b"2" * min(self.large, 66 * MIB)])
        place.delete("k")

        assert beginning + read(pieces) == data

    def test_readers_see_one_write_or_another_whole(self, place: ObjectPlace) -> None:
        """Of sizes on both sides of every border, by two writers, under two readers."""
        sizes = [100, 3 * MIB, self.large]
        place.write(Frame("k", b""), [b"\0" * sizes[0]])
        writing = threading.Event()
        writing.set()

        def replace_it(n: int) -> None:
            for size in sizes[n % 2 :] + sizes[:1]:
                place.write(Frame("k", b"", height=n), in_pieces(bytes([n]) * (size + n), MIB), size=size + n)

        def read_it() -> int:
            reads = 0
            while writing.is_set() or not reads:
                pieces = place.read("k")
                assert pieces is not None
                data = read(pieces)
                assert data.count(data[0]) == len(data) == pieces.stored.size
                assert pieces.stored.frame.height in (None, data[0])
                assert len(data) - data[0] in sizes
                reads += 1
            return reads

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read_it) for _ in range(2)]
            try:
                for done in [pool.submit(replace_it, n) for n in (1, 2)]:
                    done.result()
            finally:
                writing.clear()
            assert all(reader.result() for reader in readers)

    def test_keys_are_compared_byte_for_byte(self, place: ObjectPlace) -> None:
        keys = ["a", "A", "a ", "á", "a\u0301", "\x00", "%", "'", "k" * 1024, "🎥", "a/../b"]
        for key in keys:
            place.write(Frame(key, b""), [key.encode()])
        assert [read(place.read(key)) for key in keys] == [key.encode() for key in keys]
        assert place.present([*keys, "b"]) == set(keys)

    @pytest.mark.parametrize("key", ["", "fdb:mine", "x" * 1025, "bad \ud800"])
    @pytest.mark.parametrize("size", [4, LARGE])
    def test_an_illegal_key_is_refused(self, place: ObjectPlace, key: str, size: int) -> None:
        size = self.size(size)
        with pytest.raises(InvalidKeyError):
            place.write(Frame(key, b""), [bytes(size)], size=size)
        assert self.left_behind() == 0

    @pytest.mark.parametrize("ttl", [0, -1, float("nan")])
    def test_a_time_to_live_that_is_none_is_refused(self, place: ObjectPlace, ttl: float) -> None:
        with pytest.raises(InvalidInputError):
            place.write(Frame("k", b""), [b"data"], ttl=ttl)
        with pytest.raises(InvalidInputError):
            place.expire("k", ttl)
        assert place.stat("k") is None

    @pytest.mark.parametrize("size", [9, 3 * MIB])
    def test_any_buffer_may_be_a_piece(self, place: ObjectPlace, size: int) -> None:
        data = patterned(size)
        place.write(Frame("k", b""), [bytearray(data[:5]), b"", memoryview(b"x" + data)[6:]], size=size)
        assert read(place.read("k")) == data

    def test_damaged_bytes_are_never_returned(self, place: ObjectPlace) -> None:
        data = patterned(self.large)
        place.write(Frame("k", b""), [data])
        self.damage()
        with pytest.raises(CorruptDataError):
            read(place.read("k"))

    def damage(self) -> None:
        """Change a byte in the middle of the one object there is."""
        raise NotImplementedError
