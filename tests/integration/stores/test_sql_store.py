"""The SQL store keeps the contract of every store, on SQLite and on MariaDB."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from framedb.registry import sqlite_url
from framedb.stores.sql import SQLStore
from tests.contracts.frame_store import FrameStoreContract


class TestSQLite(FrameStoreContract):
    """The contract, in a file."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SQLStore]:
        with SQLStore.open(sqlite_url(tmp_path / "frames.db")) as store:
            yield store


class TestMariaDB(FrameStoreContract):
    """The contract, on a server."""

    @pytest.fixture
    def store(self, mariadb_url: str) -> Iterator[SQLStore]:
        with SQLStore.open(mariadb_url) as store:
            yield store
