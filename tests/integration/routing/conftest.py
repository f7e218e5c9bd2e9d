"""Clusters that are registered, and do not run: routing looks at rows only."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, insert, update

from framedb.frame import utc_now
from framedb.registry import write
from framedb.registry.tables import clusters
from framedb.routing import SQLLocator

Register = Callable[..., None]


@pytest.fixture
def locator(engine: Engine) -> SQLLocator:
    """No routes yet."""
    return SQLLocator(engine)


@pytest.fixture
def register(engine: Engine) -> Register:
    """Registers clusters by name, on a node tag and in a state."""

    def register(*names: str, node_tag: str = "local", state: str = "ready", accepts_sources: bool = True) -> None:
        for name in names:
            row = {"node_tag": node_tag, "state": state, "accepts_sources": accepts_sources}
            fixed = {
                "site": "local", "replicas": 1, "quorum": 1, "enable_metrics": False, "settings": {}, "metadata": {},
                "created_at": utc_now(),
            }  # fmt: skip

            def store(connection, name=name, row=row, fixed=fixed):  # type: ignore[no-untyped-def]
                if not connection.execute(update(clusters).where(clusters.c.name == name).values(**row)).rowcount:
                    connection.execute(insert(clusters).values(name=name, **row, **fixed))

            write(engine, store)

    return register
