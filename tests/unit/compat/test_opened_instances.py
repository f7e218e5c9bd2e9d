"""A writer that opens a persistent instance itself keeps objects for as long as the instance does."""

from pathlib import Path
from typing import Any

import pytest

from framedb.compat.opened import OpenInstances
from framedb.frame import Frame
from framedb.registry import sqlite_url
from framedb.stores.sql import SQLStore


class Told:
    """A service that tells of one persistent instance."""

    def __init__(self, **data: Any) -> None:
        self._data = data

    def get_instance_by_id(self, framedb_id: str) -> dict[str, Any]:
        """There is none in memory."""
        return {"success": False, "error": "No document found"}

    def get_persistent_instance_by_id(self, framedb_id: str) -> dict[str, Any]:
        """The one."""
        return {"success": True, "data": {"framedb_id": framedb_id, "cluster_id": "local", **self._data}}


@pytest.mark.parametrize(
    ("told", "is_kept"), [({"default_ttl_s": 60.0}, False), ({"default_ttl_s": None}, True), ({}, True)]
)
def test_an_object_lives_as_long_as_its_instance_says(tmp_path: Path, told: dict[str, Any], is_kept: bool) -> None:
    url = sqlite_url(tmp_path / "objects.db")
    SQLStore.open(url).close()
    instances = OpenInstances(Told(local_url=url, public_url=url, **told), size=1)
    with instances.storage("db") as store:
        store.put(Frame("k", b"data"))
        stored = store.stat("k")
    instances.close()
    assert stored is not None
    assert (stored.expires_at is None) == is_kept
