"""An announcement becomes text fields and comes back the same."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from framedb.errors import InvalidFrameError, InvalidKeyError
from framedb.queueing.base import Announcement
from framedb.queueing.fields import from_fields, to_fields

AT = datetime(2026, 11, 22, 4, 57, 21, 7, tzinfo=UTC)


@pytest.mark.parametrize("at", [AT, AT.replace(microsecond=0), datetime(1, 1, 1, tzinfo=UTC), None])
def test_an_announcement_comes_back_as_it_was(at: datetime | None) -> None:
    announcement = Announcement("ключ", source="a:b", framedb_id="c", captured_at=at)
    assert from_fields(b"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", to_fields(announcement)) == announcement


def test_times_are_written_in_utc_with_microseconds() -> None:
    east = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    fields = to_fields(Announcement("k", source="_", captured_at=east))
    assert fields["captured_at"] == "2026-11-22T04:57:21.000007+00:00"


def test_a_time_without_a_zone_is_refused_on_the_way_in_and_ignored_on_the_way_out() -> None:
    naive = AT.replace(tzinfo=None)
    with pytest.raises(InvalidFrameError, match="time zone"):
        to_fields(Announcement("k", source="_", captured_at=naive))
    assert from_fields(b"k", {"captured_at": naive.isoformat()}).captured_at is None


def test_bytes_are_read_as_text() -> None:
    fields = {"source": b"a:b", "framedb_id": b"c", "captured_at": AT.isoformat().encode()}
    assert from_fields(b"k", fields) == Announcement("k", source="a:b", framedb_id="c", captured_at=AT)


def test_the_key_alone_tells_its_source() -> None:
    key = "frame:plant-a:gate:20261122T045721.123456Z"
    assert from_fields(key.encode(), {}) == Announcement(key, source="plant-a:gate", framedb_id="local")
    assert from_fields(b"k", {}) == Announcement("k", source="_", framedb_id="local")


@pytest.mark.parametrize("key", [b"", b"\xff", b"fdb:x", b"k" * 1025])
def test_what_can_be_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(InvalidKeyError, match="key"):
        from_fields(key, {})
