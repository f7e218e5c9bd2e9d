"""Jobs on a registry in a file, to work on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from framedb.registry import open_engine, sqlite_url, upgrade
from tests.integration.extraction.workshop import Workshop, workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """Jobs, none yet."""
    engine = open_engine(sqlite_url(tmp_path / "metadata.db"))
    upgrade(engine)
    yield workshop(engine, tmp_path / "frames")
    engine.dispose()
