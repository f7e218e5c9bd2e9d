"""Objects are kept in memory, in SQLite and on MariaDB under one contract."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from framedb.errors import CorruptDataError
from framedb.frame import Frame
from framedb.registry import open_engine, reading, sqlite_url, write
from framedb.resp import Endpoint, MasterClient, Redis
from framedb.stores.memory import MemoryStore
from framedb.stores.sql import SQLStore
from framedb.stores.sql_tables import chunks, loose_versions
from framedb.tiering.object_memory import MemoryObjects
from framedb.tiering.object_places import StoredObjects
from tests.contracts.object_place import MIB, ObjectPlaceContract


class TestMemory(ObjectPlaceContract):
    """The contract, in Valkey."""

    redis: Redis

    @pytest.fixture
    def place(self, valkey: Endpoint, redis: Redis) -> Iterator[MemoryObjects]:
        redis.config_set("maxmemory", "1gb")
        self.redis = redis
        with MemoryStore(MasterClient.fixed(valkey)) as store:
            yield MemoryObjects(store)

    def left_behind(self) -> int:
        return len(self.redis.keys("fdb:part:*")) + len(self.redis.keys("fdb:large:*"))

    def damage(self) -> None:
        self.redis.setrange(sorted(self.redis.keys("fdb:part:*"))[4], 4_000_000, b"other")

    @pytest.mark.parametrize("size", [0, 7 * MIB, 9 * MIB])
    def test_a_part_of_another_size_than_it_was_stored_with_is_damaged(self, place: MemoryObjects, size: int) -> None:
        pieces = (bytes(MIB) for _ in range(65))
        place.write(Frame("large", b""), pieces, size=65 * MIB, ttl=None)
        self.redis.set(sorted(self.redis.keys("fdb:part:*"))[4], bytes(size))
        stream = place.read("large", offset=0, length=None)
        assert stream is not None
        with closing(stream), pytest.raises(CorruptDataError, match="large: chunk 4 is damaged"):
            list(stream)


@pytest.mark.usefixtures("soak")
class SQLContract(ObjectPlaceContract):
    """The contract, in a database: up to 11 MiB, or 256 where it is soaked."""

    large = (256 if int(os.environ.get("FRAMEDB_SOAK", "0")) else 11) * MIB
    url: str

    @pytest.fixture
    def place(self, instance_url: str) -> Iterator[StoredObjects]:
        self.url = instance_url
        with SQLStore.open(instance_url) as store:
            yield StoredObjects(store)

    def left_behind(self) -> int:
        engine = open_engine(self.url)
        with reading(engine) as connection:
            counts = [connection.scalar(select(func.count()).select_from(table)) for table in (chunks, loose_versions)]
        engine.dispose()
        return sum(count or 0 for count in counts)

    def damage(self) -> None:
        engine = open_engine(self.url)
        change = update(chunks).where(chunks.c.number == 5).values(data=bytes(MIB))
        write(engine, lambda connection: connection.execute(change))
        engine.dispose()


class TestSQLite(SQLContract):
    """The contract, in a file."""

    @pytest.fixture
    def instance_url(self, tmp_path: Path) -> str:
        return sqlite_url(tmp_path / "objects.db")


class TestMariaDB(SQLContract):
    """The contract, on a server with the limits it comes with."""

    @pytest.fixture
    def instance_url(self, mariadb_url: str) -> str:
        return mariadb_url
