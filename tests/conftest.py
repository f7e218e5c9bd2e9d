"""Fixtures of every tier: the real engines, how often faults are repeated, and what is measured."""

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


@pytest.fixture(scope="session", autouse=True)
def measuring() -> dict[str, str]:
    """What a process is started with to have its coverage measured, where that of the tests is.

    Without it none is: it would start later, and tests that kill look at the clock; what they kill would tell nothing.
    """
    name = "COVERAGE_PROCESS_CONFIG"
    return {name: os.environ.pop(name)} if name in os.environ else {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that repeat a fault are those of `make soak`."""
    for item in items:
        if "soak" in getattr(item, "fixturenames", ()):
            item.add_marker("soak")
