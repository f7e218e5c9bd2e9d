"""Bytes of an object on their way in, and out."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from typing_extensions import Buffer

from framedb.errors import InvalidInputError
from framedb.frame import Frame, guess_encoding, parse_key, utc_now
from framedb.tiering.stored_object import ObjectStream


def with_description(key: str, frame: Frame | None, pieces: Iterable[Buffer]) -> tuple[Frame, Iterator[Buffer]]:
    """What is known about an object that comes in pieces, and these; without a description its first bytes tell what it is."""
    iterator = iter(pieces)
    if frame is not None:
        return replace(frame, key=key, data=b""), iterator
    first = next((piece for piece in iterator if memoryview(piece).nbytes), b"")
    parsed = parse_key(key)
    captured_at = parsed.captured_at if parsed is not None else utc_now()
    return Frame(key, b"", captured_at=captured_at, encoding=guess_encoding(first)), chain([first], iterator)


def checked(
    key: str, pieces: Iterable[Buffer], *, size: int | None, sha256: bytes | None, then: Callable[[], object]
) -> Iterator[Buffer]:
    """The pieces, and `then` after the last of them. Raises InvalidInputError if they are not what was said."""
    digest = hashlib.sha256() if sha256 is not None else None
    received = 0
    for piece in pieces:
        received += memoryview(piece).nbytes
        if size is not None and received > size:
            raise InvalidInputError(f"{key}: more than the {size} bytes came that were announced: put it again")
        if digest is not None:
            digest.update(piece)
        yield piece
    if size is not None and received != size:
        raise InvalidInputError(f"{key}: {received} of {size} bytes came: put it again")
    if digest is not None and digest.digest() != sha256:
        raise InvalidInputError(f"{key}: the bytes that came do not have the digest that was said: put it again")
    then()


def joined(stream: ObjectStream) -> Buffer:
    """All of it, uncopied where it comes in one piece."""
    first = next(stream, b"")
    if not stream.remaining:
        return first
    whole = bytearray(memoryview(first).nbytes + stream.remaining)
    at = 0
    for piece in chain([first], stream):
        view = memoryview(piece)
        whole[at : at + view.nbytes] = view
        at += view.nbytes
    return whole
