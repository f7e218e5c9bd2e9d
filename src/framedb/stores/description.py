"""What is known about a frame, without its bytes, as plain JSON."""

from datetime import datetime
from fractions import Fraction
from typing import Any

from typing_extensions import Buffer

from framedb.errors import InvalidFrameError
from framedb.frame import Frame, from_microseconds, to_microseconds

DESCRIPTION_HEADER = "X-FrameDB-Frame"
"""Carries a description beside the bytes, over HTTP."""

_PLAIN = ("key", "source", "encoding", "width", "height", "pts", "keyframe", "corrupt", "dtype")


def describe(frame: Frame) -> dict[str, Any]:
    """The frame's fields but its data; times as ISO 8601, the time base as `num/den`.

    Raises InvalidFrameError for a capture time without a zone.
    """
    return {
        **{name: getattr(frame, name) for name in _PLAIN},
        "captured_at": from_microseconds(to_microseconds(frame.captured_at)).isoformat(timespec="microseconds"),
        "time_base": None if frame.time_base is None else str(frame.time_base),
        "shape": None if frame.shape is None else list(frame.shape),
    }


def described(fields: dict[str, Any], data: Buffer) -> Frame:
    """The frame of a description and its bytes. Raises InvalidFrameError for fields that make none."""
    try:
        given = {name: fields[name] for name in _PLAIN if fields.get(name) is not None}
        if fields.get("captured_at") is not None:
            given["captured_at"] = datetime.fromisoformat(fields["captured_at"])
        if fields.get("time_base") is not None:
            given["time_base"] = Fraction(fields["time_base"])
        if fields.get("shape") is not None:
            given["shape"] = tuple(int(side) for side in fields["shape"])
        return Frame(data=data, **given)
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidFrameError(f"this does not describe a frame: {exc}") from exc
