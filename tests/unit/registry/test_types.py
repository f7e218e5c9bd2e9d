"""What a column holds is what the program put there, and what the database compares are bytes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from framedb.errors import InvalidFrameError
from framedb.frame import utc_now
from framedb.registry import open_engine, reading, sqlite_url, writing
from framedb.registry.types import DatabaseNow, Document, Key, Moment

table = Table(
    "t", MetaData(), Column("id", Integer, primary_key=True), Column("key", Key), Column("at", Moment), Column("doc", Document)
)  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("key", "a/é 🎥\x00"),
        ("key", None),
        ("at", datetime(2026, 11, 22, 4, 57, 21, 123456, tzinfo=UTC)),
        ("at", datetime(1901, 1, 1, microsecond=1, tzinfo=UTC)),
        ("at", None),
        ("doc", {"é": [1, 2.5, None, True, {"big": 2**70}]}),
        ("doc", []),
        ("doc", None),
    ],
)
def test_values_come_back(tmp_path: Path, column: str, value: object) -> None:
    engine = open_engine(sqlite_url(tmp_path / "db"))
    with writing(engine) as connection:
        table.create(connection)
        connection.execute(insert(table).values({column: value}))
        assert connection.scalar(select(table.c[column])) == value
    engine.dispose()


def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path / "db"))
    with writing(engine) as connection:
        table.create(connection)
    with pytest.raises(InvalidFrameError), writing(engine) as connection:
        connection.execute(insert(table).values(at=datetime(2026, 1, 1)))
    engine.dispose()


def test_the_database_tells_the_time(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path / "db"))
    with reading(engine) as connection:
        told = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=connection.scalar(select(DatabaseNow())) or 0)
    engine.dispose()
    assert abs(told - utc_now()) < timedelta(minutes=1)
