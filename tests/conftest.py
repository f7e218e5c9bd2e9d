"""Fixtures of every tier: the real engines, and how often faults are repeated."""

import os

import pytest

pytest_plugins = [
    "tests.engines.disk",
    "tests.engines.mariadb",
    "tests.engines.rabbitmq",
    "tests.engines.rtsp",
    "tests.engines.valkey",
]


@pytest.fixture
def soak() -> int:
    """How often to repeat a fault: 0, a test's own small number; otherwise this many times (`make soak`)."""
    return int(os.environ.get("FRAMEDB_SOAK", "0"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that repeat a fault are those of `make soak`."""
    for item in items:
        if "soak" in getattr(item, "fixturenames", ()):
            item.add_marker("soak")
