"""The cache has its bound in bytes, whatever is put into it."""

from typing import Any

import pytest

from framedb import connect
from framedb.client.cache import Kept, ObjectCache
from framedb.errors import InvalidSettingError
from framedb.frame import Frame

MiB = 2**20


def kept(key: str, size: int) -> Kept:
    return Kept('"1"', Frame(key, bytes(size)))


def test_what_was_read_last_stays_and_what_was_not_makes_room() -> None:
    cache = ObjectCache(int(3.5 * MiB))
    for key in ("a", "b", "c"):
        cache.keep(key, kept(key, MiB))
    assert cache.find("a") is not None
    cache.keep("d", kept("d", MiB))
    assert [cache.find(key) is not None for key in "abcd"] == [True, False, True, True]
    assert 3 * MiB <= cache.info().bytes <= cache.info().max_bytes


def test_objects_without_bytes_are_bounded_too() -> None:
    cache = ObjectCache(100_000)
    for number in range(1000):
        cache.keep(str(number), kept(str(number), 0))
    assert 0 < cache.info().count < 100
    assert cache.info().bytes <= 100_000


def test_an_object_larger_than_the_cache_leaves_the_others_where_they_are() -> None:
    cache = ObjectCache(2 * MiB)
    cache.keep("small", kept("small", MiB))
    cache.keep("large", kept("large", 3 * MiB))
    assert not cache.has_room(3 * MiB)
    assert cache.find("large") is None
    assert cache.find("small") is not None


def test_a_version_that_is_not_kept_takes_the_earlier_one_away() -> None:
    cache = ObjectCache(2 * MiB)
    cache.keep("a", kept("a", MiB))
    cache.keep("a", kept("a", 3 * MiB))
    assert cache.find("a") is None
    assert cache.info().bytes == 0


@pytest.mark.parametrize("size", [-1, 1.5, "1 MiB", True])
def test_what_is_no_number_of_bytes_is_refused(size: Any) -> None:
    with pytest.raises(InvalidSettingError, match="cache_bytes"):
        connect(cache_bytes=size)


def test_there_is_no_cache_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with connect() as db:
        assert db.cache_info().max_bytes == 0
    monkeypatch.setenv("FRAMEDB_CACHE_BYTES", str(MiB))
    with connect() as db, connect(cache_bytes=0) as other:
        assert (db.cache_info().max_bytes, other.cache_info().max_bytes) == (MiB, 0)
