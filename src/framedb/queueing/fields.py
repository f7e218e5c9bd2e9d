"""An announcement as a message: its key, and the text fields beside it, the same on every backend."""

from collections.abc import Mapping
from datetime import UTC, datetime

from framedb.errors import InvalidFrameError, InvalidKeyError
from framedb.frame import check_key, source_of
from framedb.queueing.base import Announcement

LOCAL = "local"
"""The cluster of a message that names none: what a fresh node calls its own."""


def to_fields(announcement: Announcement) -> dict[str, str]:
    """`source`, `framedb_id` and `captured_at` (ISO 8601, UTC, microseconds; empty if unknown).

    Raises InvalidKeyError for a key nobody could write, InvalidFrameError for a time without a zone.
    """
    check_key(announcement.key)
    captured_at = announcement.captured_at
    if captured_at is not None and captured_at.tzinfo is None:
        raise InvalidFrameError(f"{announcement.key}: captured_at has no time zone: give UTC, e.g. datetime.now(UTC)")
    return {
        "source": announcement.source,
        "framedb_id": announcement.framedb_id,
        "captured_at": captured_at.astimezone(UTC).isoformat(timespec="microseconds") if captured_at else "",
    }


def from_fields(key: bytes, fields: Mapping[str, object]) -> Announcement:
    """The announcement a message holds. Fields that are missing or make no sense are left to what the key tells.

    Raises InvalidKeyError when not even the key can be one.
    """
    try:
        name = check_key(key.decode())
    except UnicodeDecodeError as exc:
        raise InvalidKeyError("the key is not valid UTF-8") from exc
    return Announcement(
        name,
        source=_text(fields.get("source")) or source_of(name),
        framedb_id=_text(fields.get("framedb_id")) or LOCAL,
        captured_at=_time(_text(fields.get("captured_at"))),
    )


def unreadable(key: bytes) -> Announcement:
    """What can be shown of a message whose key is none."""
    return Announcement(key.decode(errors="replace"), source=source_of(""))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None
