"""Objects are cut into chunks, whatever pieces they come in."""

import zlib

import numpy as np
import pytest

from framedb.errors import CorruptDataError
from framedb.stores.chunks import CHUNK_BYTES, batched, check, cut, regroup


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 25])
def test_cutting_gives_full_chunks_and_the_rest(size: int) -> None:
    data = bytes(range(size))

    chunks = list(cut(memoryview(data), 10))

    assert [len(chunk.data) for chunk in chunks] == [10] * (size // 10) + ([size % 10] if size % 10 else [])
    assert b"".join(chunk.data for chunk in chunks) == data
    assert all(chunk.digest == zlib.crc32(chunk.data) for chunk in chunks)


def test_cutting_copies_nothing() -> None:
    data = bytearray(25)
    chunks = list(cut(memoryview(data), 10))
    data[24] = 7
    assert chunks[2].data[4] == 7


@pytest.mark.parametrize("pieces", [[], [0], [25], [1] * 25, [10, 10, 5], [3, 0, 17, 5], [9, 2, 14], [0, 0, 30, 0]])
def test_pieces_of_any_size_make_the_same_chunks(pieces: list[int]) -> None:
    data = bytes(range(sum(pieces)))
    ends = [sum(pieces[: n + 1]) for n in range(len(pieces))]
    parts = [data[end - size : end] for end, size in zip(ends, pieces, strict=True)]

    assert [bytes(chunk.data) for chunk in regroup(parts, 10)] == [
        bytes(chunk.data) for chunk in cut(memoryview(data), 10)
    ]


def test_a_piece_may_be_any_buffer_and_may_be_used_again_by_its_owner() -> None:
    room = bytearray(b"first")

    def pieces() -> "list[memoryview]":
        return [
            memoryview(np.arange(6, dtype="u1").reshape(2, 3).data),
            memoryview(np.zeros((0, 3)).data),
            memoryview(room),
        ]

    (chunk,) = regroup(pieces())
    room[:] = b"other"

    assert chunk.data == bytes(range(6)) + b"first"


def test_regrouping_asks_for_no_more_than_it_needs() -> None:
    asked = []

    def pieces() -> "list[bytes]":
        return [b"x" * 10] * 3

    def watched() -> object:
        for number, piece in enumerate(pieces()):
            asked.append(number)
            yield piece

    chunks = regroup(watched(), 10)  # type: ignore[arg-type]
    next(chunks)

    assert asked == [0]


def test_a_chunk_fits_every_server_in_hexadecimal() -> None:
    assert CHUNK_BYTES * 2 < 6 * 1024 * 1024


def test_batches_are_full_but_for_the_last() -> None:
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []


def test_damage_is_noticed() -> None:
    digest = zlib.crc32(b"abc")
    check("k", 0, b"abc", digest, expected_bytes=3)
    for data in (b"abd", b"ab", b"abcd", b""):
        with pytest.raises(CorruptDataError, match="chunk 0 is damaged"):
            check("k", 0, data, digest, expected_bytes=3)
