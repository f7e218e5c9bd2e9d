"""A store with a journal begins with what that holds, and changes nothing that it could not write down."""

import time
from collections.abc import Iterable, Iterator, Sequence

import pytest

from framedb.attributes.attribute import record_of
from framedb.attributes.journal import Journal, Kept, Key
from framedb.attributes.store import AttributeStore
from framedb.errors import StoreUnavailableError
from tests.engines.cluster import eventually
from tests.unit.attributes.making import Clock, keys, made, number


class Book:
    """A journal in memory: a dict that outlives its store, and a disk that can be full."""

    def __init__(self) -> None:
        self.kept: dict[Key, Kept] = {}
        self.calls: list[tuple[list[Key], list[Key]]] = []
        self.is_full = False
        self.closed = 0

    def load(self) -> Iterable[Kept]:
        return iter(self.kept.values())

    def apply(self, sets: Sequence[Kept], deletes: Sequence[Key]) -> None:
        if self.is_full:
            raise StoreUnavailableError("no space left on device")
        self.calls.append(([(record.namespace, record.name) for record, _ in sets], list(deletes)))
        self.kept |= {(kept[0].namespace, kept[0].name): kept for kept in sets}
        for key in deletes:
            del self.kept[key]

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def store(book: Book) -> Iterator[AttributeStore]:
    journal: Journal = book
    with AttributeStore(journal=journal) as store:
        yield store


def test_what_was_set_and_not_deleted_is_there_again(book: Book, store: AttributeStore) -> None:
    store.set([made("a", "x", 1), made("a", "y", 2), made("b", "x", 3)])
    store.set([made("a", "x", 4)])
    store.set([made("c", "x", 5)], ttl=3_600_000)
    store.delete("a", "y")
    store.delete_matching("b")
    with AttributeStore(journal=book) as again:
        assert keys(again.search()) == [("a", "x"), ("c", "x")]
        assert number(again.get("a", "x")) == 4
        assert again.stats.bytes == store.stats.bytes


def test_one_call_is_one_entry_and_what_changes_nothing_is_none(book: Book, store: AttributeStore) -> None:
    store.set([made("a", "x"), made("a", "y"), made("a", "x", 2)])
    store.set([])
    store.delete("a", "nothing")
    store.delete_matching("nothing")
    store.delete_matching("a")
    assert book.calls == [([("a", "x"), ("a", "y")], []), ([], [("a", "x"), ("a", "y")])]


def test_a_ttl_goes_on_while_nobody_has_the_store_open(book: Book) -> None:
    now = time.time_ns() // 1_000_000
    for name, expires_at in {"gone": now - 1, "soon": now + 500, "kept": None, "later": now + 3_600_000}.items():
        book.kept["a", name] = (record_of(made("a", name)), expires_at)
    clock = Clock()
    with AttributeStore(journal=book, clock=clock) as store:
        assert keys(store.search()) == [("a", "kept"), ("a", "later"), ("a", "soon")]
        clock.now += 0.6
        assert keys(store.search()) == [("a", "kept"), ("a", "later")]


def test_the_journal_is_told_when_it_expires_by_the_wall_clock(book: Book, store: AttributeStore) -> None:
    before = time.time_ns() // 1_000_000
    store.set([made("a", "x")], ttl=60_000)
    store.set([made("a", "y")])
    store.set([made("a", "z")], ttl=2**63 - 1)
    expires_at = book.kept["a", "x"][1]
    assert expires_at is not None
    assert before + 60_000 <= expires_at <= time.time_ns() // 1_000_000 + 60_000
    assert book.kept["a", "y"][1] is None
    assert book.kept["a", "z"][1] == 2**63 - 1


def test_what_the_journal_refuses_does_not_happen(book: Book, store: AttributeStore) -> None:
    store.set([made("a", "x", 1)])
    subscription = store.subscribe("test", 10)
    before = store.stats
    book.is_full = True
    for write in (
        lambda: store.set([made("a", "x", 2), made("a", "y")]),
        lambda: store.set([made("a", "x", 2)], ttl=1),
        lambda: store.delete("a", "x"),
        lambda: store.delete_matching(),
    ):
        with pytest.raises(StoreUnavailableError, match="no space"):
            write()
    assert number(store.get("a", "x")) == 1
    assert store.stats == before
    assert subscription.try_recv() is None
    book.is_full = False
    store.set([made("a", "x", 3)])
    assert number(store.get("a", "x")) == 3


def test_what_expires_leaves_the_journal_too(book: Book, store: AttributeStore) -> None:
    store.set([made("a", "x"), made("a", "y")], ttl=1)
    store.set([made("b", "x")])
    eventually(lambda: list(book.kept) == [("b", "x")], "the journal forgets what expired")


def test_what_expires_goes_from_memory_even_if_the_journal_cannot_forget_it(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with AttributeStore(journal=book, clock=clock) as store:
        store.set([made("a", "x")], ttl=60_000)
        book.is_full = True
        clock.now += 60
        store.expire()
        assert store.stats.entries == 0
        assert "stay on disk" in caplog.text
        book.is_full = False
        store.set([made("a", "x", 2)])
        assert number(store.get("a", "x")) == 2


def test_it_is_closed_once_with_the_store(book: Book) -> None:
    store = AttributeStore(journal=book)
    store.close()
    store.close()
    assert book.closed == 1
