"""An empty store, served."""

from collections.abc import Iterator

import pytest

from tests.integration.kvs.serving import Served, served


@pytest.fixture
def kvs() -> Iterator[Served]:
    """An empty store on a free port."""
    with served() as there:
        yield there
