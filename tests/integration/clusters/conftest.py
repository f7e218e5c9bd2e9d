"""Drivers and their clusters; and control planes: on SQLite where it is about processes, on both databases where about rows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from framedb.clusters.drivers.local import LocalDriver
from framedb.registry import open_engine, sqlite_url, upgrade

from .members import THREE, Cluster
from .planes import Plane


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[LocalDriver]:
    """A driver with no clusters."""
    made = LocalDriver(tmp_path)
    yield made
    for name in made.leftovers():
        made.remove(name)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster of `three`."""
    driver = LocalDriver(tmp_path_factory.mktemp("three"))
    yield Cluster(driver, THREE)
    driver.remove("demo")


@pytest.fixture
def three(shared: Cluster) -> Cluster:
    """Three members that are well, whatever the test before did to them."""
    shared.apply(THREE)
    return shared


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
