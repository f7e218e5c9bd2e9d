"""What callers give, as the stores take it; or an error that says what to give instead.

Whatever cannot be meant is refused before anything is sent: a text where a list of keys belongs, a time without a zone.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from math import isnan
from typing import Any, TypeAlias

import numpy as np
from typing_extensions import Buffer

from framedb.errors import InvalidFrameError, InvalidInputError, InvalidKeyError
from framedb.frame import NO_SOURCE, Frame, check_key, check_source, guess_encoding, parse_key, source_of, utc_now

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Value: TypeAlias = "Buffer | Array | Frame"
"""What can be put: bytes of any kind, an array, or a frame."""

Seconds: TypeAlias = float | timedelta
"""A span of time: a number of seconds, or a timedelta."""


def as_frame(key: str, value: Value, *, source: str | None = None, captured_at: datetime | None = None) -> Frame:
    """What was given as a frame under the key. Raises InvalidKeyError, InvalidFrameError."""
    as_key(key)
    if source is not None:
        as_source(source)
    if isinstance(value, Frame):
        return _renamed(value, key, source, captured_at)
    parsed = parse_key(key)
    source = source or source_of(key)
    if captured_at is None:
        captured_at = parsed.captured_at if parsed else utc_now()
    as_time(captured_at)
    if isinstance(value, np.ndarray):
        return Frame.from_array(key, value, source=source, captured_at=captured_at)
    try:
        memoryview(value)
    except TypeError as exc:
        raise InvalidFrameError(
            f"{key}: give bytes, a numpy array or a Frame, not {_kind(value)} (text: `.encode()`, a tensor: `.numpy()`)"
        ) from exc
    return Frame(key, value, source=source, captured_at=captured_at, encoding=guess_encoding(value))


def as_frames(values: Iterable[Frame]) -> list[Frame]:
    """Frames to be put together."""
    frames = _listed(values, "frames")
    for frame in frames:
        if not isinstance(frame, Frame):
            raise InvalidInputError(
                f"give frames, not {_kind(frame)}: Frame(key, data) or Frame.from_array(key, array)"
            )
    return frames


def as_key(key: str) -> str:
    """A key. Raises InvalidKeyError for what could not be one."""
    if not isinstance(key, str):
        raise InvalidKeyError(f"a key is text, not {_kind(key)}")
    return check_key(key)


def as_keys(keys: Iterable[str]) -> list[str]:
    """Several of them."""
    return [as_key(key) for key in _listed(keys, "keys")]


def as_source(source: str) -> str:
    """A source id. Raises InvalidKeyError for what could not be one."""
    if not isinstance(source, str):
        raise InvalidKeyError(f"a source is named by text, like 'plant-a:gate', not by {_kind(source)}")
    return check_source(source)


def as_time(time: datetime) -> datetime:
    """A moment. Raises InvalidInputError for one without a time zone."""
    if not isinstance(time, datetime):
        raise InvalidInputError(f"a time is a datetime with a zone, e.g. datetime.now(UTC), not {_kind(time)}")
    if time.utcoffset() is None:
        raise InvalidFrameError(f"{time.isoformat()} has no time zone: give UTC, e.g. datetime.now(UTC)")
    return time


def as_seconds(span: Seconds, what: str) -> float:
    """A span of time in seconds."""
    if isinstance(span, timedelta):
        return span.total_seconds()
    if isinstance(span, bool) or not isinstance(span, int | float | np.number) or isnan(span):
        raise InvalidInputError(f"{what} is a number of seconds, or a timedelta, not {span!r}")
    return float(span)


def as_room(buffer: "Buffer | Array") -> memoryview:
    """Memory to read into, as flat bytes. Raises InvalidInputError for what cannot be written to in one piece."""
    try:
        view = memoryview(buffer)  # type: ignore[arg-type]  # numpy does not say that an array is a buffer
    except (TypeError, ValueError) as exc:
        raise InvalidInputError(f"read into a bytearray or a numpy array, not into {_kind(buffer)}") from exc
    if view.readonly or not view.c_contiguous:
        why = "can only be read" if view.readonly else "does not lie in one piece"
        raise InvalidInputError(f"the buffer {why}: read into a bytearray, or an array of `np.empty`")
    return view.cast("B") if view.nbytes else memoryview(bytearray())


def _renamed(frame: Frame, key: str, source: str | None, captured_at: datetime | None) -> Frame:
    """The frame under that key. One of another key belongs to the source which its new key tells, if none is named."""
    if key == frame.key and source is None and captured_at is None:
        return frame
    of = source or (frame.source if key == frame.key else NO_SOURCE)
    return replace(
        frame, key=key, source=of, captured_at=as_time(frame.captured_at if captured_at is None else captured_at)
    )


def _listed(values: Iterable[Any], what: str) -> list[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidInputError(f"give a list of {what}, not {_kind(values)}")
    return list(values)


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
