"""The databases that SQL is tried on: both kinds there are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from framedb.registry import open_engine, sqlite_url, upgrade


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "metadata.db")
    url: str = request.getfixturevalue("mariadb_url")
    return url


@pytest.fixture
def empty_engine(database_url: str) -> Iterator[Engine]:
    """An engine on an empty database."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    """An engine on a database with the registry's tables."""
    upgrade(empty_engine)
    return empty_engine
