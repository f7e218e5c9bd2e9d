"""The registry's tables are made, and made the same, by whoever comes first."""

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, inspect, select, text

from framedb.errors import StoreError
from framedb.frame import from_microseconds
from framedb.registry import open_engine, reading, upgrade, write, writing
from framedb.registry.migrations.upgrade import HEAD, VERSION_TABLE
from framedb.registry.tables import job_videos, jobs, metadata, segments, sources


def test_the_migrations_make_the_tables_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, VERSION_TABLE}


def test_the_migrations_are_one_line() -> None:
    script = ScriptDirectory("src/framedb/registry/migrations")
    assert script.get_heads() == [HEAD]
    assert [step.revision for step in script.walk_revisions()][-1] == "0001"


def test_upgrading_again_keeps_what_is_there(engine: Engine) -> None:
    row = {"source": "a:b", "backpressure": False, "drops": None, "created_at": from_microseconds(7)}
    write(engine, lambda connection: connection.execute(insert(sources).values(row)))

    upgrade(engine)

    with reading(engine) as connection:
        assert dict(connection.execute(select(sources)).mappings().one()) == row


def test_a_migration_that_fails_leaves_an_upgrade_possible(empty_engine: Engine) -> None:
    write(empty_engine, lambda connection: connection.execute(text("CREATE TABLE streams (x INT)")))
    with pytest.raises(StoreError, match="framedb_id"):
        upgrade(empty_engine)
    write(empty_engine, lambda connection: connection.execute(text("DROP TABLE streams")))

    upgrade(empty_engine)

    assert set(metadata.tables) <= set(inspect(empty_engine).get_table_names())


def test_tables_of_a_newer_release_are_refused_by_name(engine: Engine) -> None:
    write(engine, lambda connection: connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")))
    with pytest.raises(StoreError, match="another release of FrameDB"):
        upgrade(engine)


def test_many_processes_may_upgrade_at_once(database_url: str) -> None:
    program = (
        "import sys; from framedb.registry import open_engine, upgrade; sys.stdin.readline();"
        "engine = open_engine(sys.argv[1]); upgrade(engine); engine.dispose()"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, database_url], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()

    engine = open_engine(database_url)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, VERSION_TABLE}
    engine.dispose()


def test_jobs_of_an_earlier_release_are_taken_over(empty_engine: Engine) -> None:
    """What had not ended begins again; what had is still shown, and nobody works on it."""
    upgrade(empty_engine)
    now = {"created_at": 7, "updated_at": 7}
    with writing(empty_engine) as connection:
        for table in ("job_frames", "job_webhooks", "job_videos"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("ALTER TABLE jobs DROP COLUMN warning"))
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0002'"))
        for job_id, status in (("a", "processing"), ("b", "completed")):
            connection.execute(
                text(
                    "INSERT INTO jobs (job_id, video_source, `interval`, options, status, processed_frames, created_at, "
                    "updated_at) VALUES (:job_id, 'clip.mp4', 2.5, '{}', :status, 3, :created_at, :updated_at)"
                ),
                {"job_id": job_id, "status": status, **now},
            )
            connection.execute(
                text(
                    "INSERT INTO segments (job_id, segment, plan, status, token, held_until, attempt, processed_frames, "
                    "updated_at) VALUES (:job_id, 0, :plan, 'running', 4, 99, 5, 3, 7)"
                ),
                {"job_id": job_id, "plan": '{"url":"/videos/clip.mp4","interval":2.5}'},
            )

    upgrade(empty_engine)

    with reading(empty_engine) as connection:
        assert [(row.job_id, row.status, row.options) for row in connection.execute(select(jobs).order_by("job_id"))] == [
            ("a", "pending", {"interval": 2.5}), ("b", "completed", {"interval": 2.5})
        ]  # fmt: skip
        begun = connection.execute(select(segments)).one()
        assert (begun.job_id, begun.segment, begun.status, begun.plan, begun.attempt) == ("a", -1, "pending", {}, 0)
        assert tuple(connection.execute(select(job_videos)).one()) == ("a", "file", "/videos/clip.mp4", False)
