"""What a request is called in logs and answers: as its sender calls it, where that can stand there, or by an id of ours."""

import re
from collections.abc import Iterable
from uuid import uuid4

HEADER = b"x-request-id"
"""It carries the id, both ways."""

_FIT = re.compile(rb"[!-~]{1,128}")  # nothing that ends a line, splits a field, or fills the log


def id_of_request(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id that came with the request: up to 128 printable ASCII characters without a space; otherwise a new one."""
    given = next((value for name, value in headers if name == HEADER), b"")
    return given.decode("ascii") if _FIT.fullmatch(given) else uuid4().hex
