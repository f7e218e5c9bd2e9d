"""Errors about one key say which."""

from collections.abc import Iterator
from contextlib import contextmanager

from framedb.errors import FrameDBError, InvalidKeyError


@contextmanager
def about(key: str | None) -> Iterator[None]:
    """What FrameDB raises in the block ends with `(key=...)`, unless it names the key already."""
    try:
        yield
    except InvalidKeyError:
        raise  # which shows as much of the key as can be shown
    except FrameDBError as exc:
        text = str(exc)
        if not key or repr(key) in text or text.startswith(key):
            raise
        raise type(exc)(f"{text} (key={key})") from exc
