"""What is set is there, for whom it should be, until it is deleted."""

import pytest

from framedb.attributes.attribute import Attribute, record_of
from framedb.attributes.encoding import decode
from framedb.attributes.store import AttributeStore
from framedb.attributes.values import AttributeValue
from framedb.errors import InvalidInputError, StoreFullError, StoreUnavailableError
from tests.unit.attributes.making import keys, made, number


def filled(*names: tuple[str, str]) -> AttributeStore:
    store = AttributeStore()
    store.set([made(namespace, name, order) for order, (namespace, name) in enumerate(names)])
    return store


def test_what_is_set_is_got_and_what_is_not_is_none() -> None:
    store = AttributeStore()
    store.set([made("a", "x", 1), made("b", "x", 2)])
    assert (number(store.get("a", "x")), number(store.get("b", "x"))) == (1, 2)
    assert store.get("a", "y") is None
    assert store.get("", "") is None
    assert decode(store.get_encoded("a", "x")) == [record_of(made("a", "x", 1))]
    assert store.get_encoded("a", "y") == b""


def test_a_set_replaces_the_whole_attribute() -> None:
    store = AttributeStore()
    store.set([Attribute.temporary("a", "x", [AttributeValue.string("s"), AttributeValue.none()], hint="h")])
    store.set([made("a", "x", 2)])
    assert decode(store.get_encoded("a", "x")) == [record_of(made("a", "x", 2))]
    assert store.stats.entries == 1


def test_of_the_same_key_twice_in_one_call_the_last_stands() -> None:
    store = AttributeStore()
    store.set([made("a", "x", 1), made("a", "x", 2)])
    assert number(store.get("a", "x")) == 2
    assert store.stats.entries == 1


def test_changing_what_was_set_or_got_changes_nothing_stored() -> None:
    store = AttributeStore()
    mine = made("a", "x", 1)
    store.set([mine])
    mine.values = [AttributeValue.integer(2)]
    for found in (store.get("a", "x"), store.search("a", "*")[0], store.search("a", "x")[0]):
        assert number(found) == 1
        assert found is not None
        found.hint = "changed"
        found.make_temporary()
    again = store.get("a", "x")
    assert again is not None
    assert (again.hint, again.is_persistent()) == (None, True)


def test_keys_are_any_text() -> None:
    names = [("", ""), ("a/b", "c/d"), ("*", "[x]"), ("ü", "😀"), ("a\0b", "\n")]
    store = filled(*names)
    assert [number(store.get(*name)) for name in names] == [0, 1, 2, 3, 4]
    assert keys(store.search()) == sorted(names)


SOME = (("cam", "fps"), ("cam", "size"), ("cam/1", "fps"), ("job", "state"))


@pytest.mark.parametrize(
    ("ns", "name", "found"),
    [
        (None, None, list(SOME)),
        ("*", "*", list(SOME)),
        ("cam", None, [SOME[0], SOME[1]]),
        ("cam*", "fps", [SOME[0], SOME[2]]),
        (None, "fps", [SOME[0], SOME[2]]),
        ("cam", "fps", [SOME[0]]),
        ("cam", "{fps,size}", [SOME[0], SOME[1]]),
        ("j?b", "st*", [SOME[3]]),
        ("nothing", None, []),
        ("nothing", "fps", []),
        ("cam", "nothing", []),
        (r"c\am", "f[p]s", [SOME[0]]),
    ],
)
def test_a_search_finds_what_both_patterns_match(
    ns: str | None, name: str | None, found: list[tuple[str, str]]
) -> None:
    store = filled(*SOME)
    assert keys(store.search(ns, name)) == found
    assert sorted(store.search_keys(ns, name)) == found
    assert sorted((record.namespace, record.name) for record in decode(store.search_encoded(ns, name))) == found
    assert store.delete_matching(ns, name) == len(found)
    assert keys(store.search()) == [key for key in SOME if key not in found]


def test_a_search_for_what_is_no_pattern_is_refused_and_deletes_nothing() -> None:
    store = filled(*SOME)
    for search in (store.search, store.search_keys, store.search_encoded, store.delete_matching):
        with pytest.raises(InvalidInputError, match="pattern"):
            search("*", "[")
        with pytest.raises(InvalidInputError, match="pattern"):
            search("}", None)
    assert len(store.search()) == len(SOME)


def test_a_deleted_attribute_is_returned_once() -> None:
    store = filled(*SOME)
    assert number(store.delete("cam", "size")) == 1
    assert store.delete("cam", "size") is None
    assert store.get("cam", "size") is None
    assert store.search_keys("cam") == [("cam", "fps")]


def test_a_store_that_was_emptied_takes_nothing() -> None:
    store = filled(*SOME)
    assert store.stats.bytes > 0
    store.delete_matching()
    stats = store.stats
    assert (stats.entries, stats.bytes, stats.sets, stats.deletes) == (0, 0, 4, 4)


def test_beyond_the_bound_of_entries_nothing_of_a_call_is_set() -> None:
    store = AttributeStore(max_entries=2)
    store.set([made("a", "x", 1)])
    with pytest.raises(StoreFullError, match="1 of 2 attributes"):
        store.set([made("a", "y"), made("a", "z")])
    assert keys(store.search()) == [("a", "x")]
    store.set([made("a", "y", 2), made("a", "x", 3)])  # one more, one in the place of another
    with pytest.raises(StoreFullError):
        store.set([made("a", "z")])
    store.set([made("a", "x", 4)])
    store.delete("a", "y")
    store.set([made("a", "z", 5)])
    assert [number(store.get("a", name)) for name in "xyz"] == [4, None, 5]
    assert store.stats.refused == 2


def test_beyond_the_bound_of_bytes_nothing_of_a_call_is_set() -> None:
    def blob(name: str, size: int) -> Attribute:
        return Attribute.persistent("a", name, [AttributeValue.bytes([size], bytes(size))])

    store = AttributeStore(max_bytes=100_000)
    store.set([blob("x", 20_000)])
    with pytest.raises(StoreFullError, match="of 100000 bytes"):
        store.set([blob("y", 90_000)])
    with pytest.raises(StoreFullError):
        store.set([blob("x", 100_000)])
    held = store.get("a", "x")
    assert held is not None
    assert held.values[0].as_bytes() == ([20_000], bytes(20_000))
    assert store.get("a", "y") is None
    assert 20_000 < store.stats.bytes <= 100_000


def test_a_bound_that_is_lowered_drops_nothing_and_lets_through_what_takes_no_more() -> None:
    store = filled(*SOME)
    store.set_bounds(max_entries=1, max_bytes=1)
    with pytest.raises(StoreFullError):
        store.set([made("more", "x")])
    store.set([made("cam", "fps", 7)])
    assert number(store.get("cam", "fps")) == 7
    store.set_bounds(max_entries=10, max_bytes=1_000_000)
    store.set([made("more", "x")])
    assert store.stats.entries == 5


def test_what_is_no_attribute_is_refused_and_nothing_is_set() -> None:
    store = AttributeStore()
    with pytest.raises(TypeError, match="Attributes"):
        store.set([made("a", "x"), "attribute"])  # type: ignore[list-item]
    assert store.stats.entries == 0


def test_setting_nothing_is_no_error() -> None:
    store = AttributeStore()
    store.set([])
    store.set([], ttl=5)
    assert store.stats.entries == 0


def test_a_closed_store_can_be_read_but_not_written() -> None:
    with filled(*SOME) as store:
        pass
    assert number(store.get("cam", "fps")) == 0
    for write in (
        lambda: store.set([made("cam", "fps", 1)]),
        lambda: store.set([made("cam", "fps", 1)], ttl=1),
        lambda: store.delete("cam", "fps"),
        lambda: store.delete_matching(),
        lambda: store.subscribe("late", 1),
    ):
        with pytest.raises(StoreUnavailableError, match="closed"):
            write()
    store.close()
