"""Attributes in a file: what was set is there again, whatever happened to the process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from framedb.attributes.attribute import Attribute
from framedb.attributes.store import AttributeStore
from framedb.attributes.values import AttributeValue
from framedb.errors import ConflictError, StoreUnavailableError
from framedb.stores.attribute_journal import SQLiteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attributes.db"


def test_attributes_are_there_again(path: Path) -> None:
    with opened(path) as store:
        store.set([counter(1), counter(2, name="other")])
        store.set([counter(3)])
    with opened(path) as store:
        assert read(store) == {"frames": 3, "other": 2}


def test_what_was_deleted_stays_away(path: Path) -> None:
    with opened(path) as store:
        store.set([counter(1), counter(2, name="other"), counter(3, name="third")])
        store.delete("counter", "frames")
        store.delete_matching("counter", "oth*")
    with opened(path) as store:
        assert read(store) == {"third": 3}


def test_time_goes_on_while_nobody_has_the_file_open(path: Path) -> None:
    with opened(path) as store:
        store.set([counter(1)], ttl=1)
        store.set([counter(2, name="kept")], ttl=3_600_000)
    with opened(path) as store:
        assert read(store) == {"kept": 2}


def test_a_set_without_a_ttl_takes_the_earlier_one_away(path: Path) -> None:
    with opened(path) as store:
        store.set([counter(1)], ttl=50)
        store.set([counter(2)])
    ((_, expires_at),) = SQLiteJournal(path).load()
    assert expires_at is None


def test_what_was_set_outlives_a_killed_process(path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from tests.unit.stores.test_attribute_journal import counter, opened
store = opened(Path({str(path)!r}))
for number in range(1, 101):
    store.set([counter(number)])
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False
    )
    assert died.returncode == -signal.SIGKILL
    with opened(path) as store:
        assert read(store) == {"frames": 100}


def test_a_set_that_cannot_be_written_down_changes_nothing(path: Path) -> None:
    with opened(path) as store:
        store.set([counter(1)])
        store._journal.close()  # type: ignore[union-attr]
        path.unlink()
        path.mkdir()
        with pytest.raises(StoreUnavailableError):
            store.set([counter(2)])
        assert read(store) == {"frames": 1}


def test_names_are_told_apart_by_every_byte(path: Path) -> None:
    names = ["a", "A", "á", "a ", "", "a/b", "\N{CAMERA}"]
    with opened(path) as store:
        store.set([counter(number, name=name) for number, name in enumerate(names)])
    with opened(path) as store:
        assert read(store) == {name: number for number, name in enumerate(names)}


def test_a_second_store_is_told_that_the_file_is_taken(path: Path) -> None:
    with opened(path), pytest.raises(ConflictError, match="another key-value store"):
        SQLiteJournal(path)
    SQLiteJournal(path).close()


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_text("not a database, but long enough to be taken for one at first sight" * 20)
    with pytest.raises(StoreUnavailableError, match=str(path)):
        SQLiteJournal(path)


def opened(path: Path) -> AttributeStore:
    return AttributeStore(journal=SQLiteJournal(path))


def counter(number: int, *, name: str = "frames") -> Attribute:
    return Attribute.persistent("counter", name, [AttributeValue.integer(number)])


def read(store: AttributeStore) -> dict[str, int | None]:
    return {attribute.name: attribute.values[0].as_integer() for attribute in store.search()}
