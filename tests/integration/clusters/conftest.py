"""Control planes for tests: on SQLite where it is about processes, on both databases where it is about rows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from framedb.registry import open_engine, sqlite_url, upgrade

from .planes import Plane


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Engine]:
    """An empty registry in a file."""
    engine = open_engine(sqlite_url(tmp_path / "registry.db"))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def plane(registry: Engine, tmp_path: Path) -> Iterator[Plane]:
    """A control plane with no clusters."""
    made = Plane.on(registry, tmp_path / "data")
    yield made
    made.stop_everything()


@pytest.fixture
def any_plane(engine: Engine, tmp_path: Path) -> Iterator[Plane]:
    """The same, on every database."""
    made = Plane.on(engine, tmp_path / "data")
    yield made
    made.stop_everything()
