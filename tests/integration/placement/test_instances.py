"""Persistent instances, on SQLite and on a server."""

import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert, make_url, text

from framedb.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError
from framedb.frame import Frame, utc_now
from framedb.placement.databases import database_name
from framedb.placement.instances import PersistentInstances
from framedb.registry import reading, write
from framedb.registry.tables import persistent_instances
from framedb.routing import SQLLocator

_IDS = ["db-1", "Cam.Ara", "x" * 128, "plain_1", "..", "a.b", "a-b"]


def _open(engine: Engine, database_url: str, folder: Path) -> PersistentInstances:
    server = database_url if database_url.startswith("mysql") else None
    return PersistentInstances(engine, folder, server, "this-one")


@pytest.fixture
def instances(engine: Engine, database_url: str, tmp_path: Path) -> Iterator[PersistentInstances]:
    """No instances yet. On a server, what a test leaves there is dropped."""
    found = _open(engine, database_url, tmp_path)
    yield found
    for instance in found.list():
        if instance.framedb_id != "local":
            found.remove(instance.framedb_id)
    found.close()


def test_an_instance_keeps_objects_until_it_is_removed(instances: PersistentInstances) -> None:
    for framedb_id in _IDS:
        created = instances.create(
            framedb_id, node_tag="north", site="s1", storage_size="10Gi", settings={}, metadata={"a": 1}
        )
        assert (created.state, created.node_tag, created.site) == ("ready", "north", "s1")
        assert (created.storage_size, created.settings, created.metadata) == ("10Gi", {}, {"a": 1})
        assert instances.store(framedb_id).put(Frame("k", b"value"))
        assert instances.store(framedb_id) is instances.store(framedb_id)
        any_program = create_engine(_driver(created.url))
        with any_program.connect() as connection:
            assert connection.scalar(text("SELECT COUNT(*) FROM frames")) == 1
        any_program.dispose()

        instances.remove(framedb_id)

        for gone in (instances.get, instances.store, instances.url, instances.remove):
            with pytest.raises(NotFoundError, match="No document found"):
                gone(framedb_id)
    again = instances.create("db-1")
    assert instances.store(again.framedb_id).get("k") is None


def test_instances_do_not_see_each_other(instances: PersistentInstances) -> None:
    instances.ensure_local()
    for framedb_id in ("a", "b"):
        instances.create(framedb_id)
    for framedb_id in ("local", "a", "b"):
        instances.store(framedb_id).put(Frame("k", framedb_id.encode()))
    for framedb_id in ("local", "a", "b"):
        frame = instances.store(framedb_id).get("k")
        assert frame is not None
        assert bytes(frame.view()) == framedb_id.encode()


def test_an_instance_is_made_once(instances: PersistentInstances) -> None:
    def create(_: int) -> bool:
        try:
            instances.create("db")
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1
    assert instances.get("db").state == "ready"


def test_what_an_instance_cannot_have_is_refused(instances: PersistentInstances) -> None:
    wrong: list[dict[str, Any]] = [
        {"framedb_id": ""}, {"framedb_id": "a/b"}, {"framedb_id": "é"}, {"framedb_id": "x" * 129}, {"framedb_id": "a b"},
        {"node_tag": "a b"}, {"site": ""}, {"storage_size": "ten"}, {"storage_size": 10}, {"storage_size": "-1Gi"},
        {"settings": {"dir": "/"}}, {"settings": {"default_ttl_s": 0}}, {"settings": {"default_ttl_s": [1]}},
        {"settings": ["x"]}, {"metadata": [1]}, {"metadata": {"a": float("nan")}},
    ]  # fmt: skip
    for options in wrong:
        with pytest.raises(InvalidInputError):
            instances.create(**{"framedb_id": "db", **options})
    assert list(instances.list()) == []


def test_a_database_that_nobody_registered_is_left_alone(
    instances: PersistentInstances, database_url: str, tmp_path: Path, engine: Engine
) -> None:
    instances.create("db")
    instances.store("db").put(Frame("k", b"v"))
    write(engine, lambda connection: connection.execute(persistent_instances.delete()))

    with pytest.raises(ConflictError, match="nobody registered it"):
        instances.create("db")

    row = {"node_tag": "local", "site": "local", "settings": {}, "metadata": {}, "installation": "this-one"}
    _insert(engine, framedb_id="db", state="ready", **row)
    with closing(_open(engine, database_url, tmp_path)) as others:
        assert others.store("db").get("k") is not None


def test_the_instance_local_is_there_and_stays(instances: PersistentInstances, database_url: str) -> None:
    created = instances.ensure_local(node_tag="north")
    assert instances.ensure_local() == created
    assert created.state == "ready"
    assert instances.store("local").put(Frame("k", b"v"))
    with pytest.raises(ConflictError, match="persistent instance local is the node's own"):
        instances.remove("local")
    with pytest.raises(AlreadyExistsError):
        instances.create("local")
    if database_url.startswith("mysql"):
        assert created.url == database_url
    else:
        assert created.url.endswith("/persistent/local.db")
    assert "password" not in repr(created)
    assert created.url not in repr(created)


def test_a_file_is_its_owners_alone(engine: Engine, tmp_path: Path) -> None:
    with closing(PersistentInstances(engine, tmp_path)) as instances:
        instances.create("db")
        file = tmp_path / "persistent" / "db.db"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        instances.remove("db")
        assert [path.name for path in (tmp_path / "persistent").iterdir()] == ["locks"]


def test_instances_are_found_by_listed_fields(instances: PersistentInstances) -> None:
    instances.create("a", node_tag="n1", site="s1", storage_size="1Gi")
    instances.create("b", node_tag="n2", site="s1")
    instances.create("c", node_tag="n2", site="s2")

    def found(**wanted: Any) -> list[str]:
        return [each.framedb_id for each in instances.query(wanted)]

    assert found(cluster_id="s1") == ["a", "b"]
    assert found(cluster_id="s1", node_id="n2") == ["b"]
    assert found(storage_size="1Gi") == found(framedb_id="a") == ["a"]
    assert found(status="ready") == ["a", "b", "c"]
    assert found(status="creating") == []
    assert [each.framedb_id for each in instances.query({}, after="a", limit=1)] == ["b"]
    assert [each.framedb_id for each in instances.list(node_tag="n2", site="s2")] == ["c"]
    for wrong in ({"metadata": "x"}, {"url": "x"}, {"cluster_id": {"$ne": "s1"}}):
        with pytest.raises(InvalidInputError):
            instances.query(wrong)


def test_settings_are_in_force_with_the_next_object(instances: PersistentInstances) -> None:
    instances.create("db", settings={"default_ttl_s": 3600})
    instances.store("db").put(Frame("k", b"v"))
    stored = instances.store("db").stat("k")
    assert stored is not None
    assert stored.expires_at is not None

    assert instances.set_config("db", {"default_ttl_s": None}).settings == {"default_ttl_s": None}

    instances.store("db").put(Frame("k", b"v"))
    stored = instances.store("db").stat("k")
    assert stored is not None
    assert stored.expires_at is None
    with pytest.raises(InvalidInputError, match="db_config has no setting 'maxmemory'"):
        instances.set_config("db", {"maxmemory": "1gb"})
    with pytest.raises(NotFoundError):
        instances.set_config("unknown", {})


def test_routes_of_objects_go_with_their_instance(instances: PersistentInstances, engine: Engine) -> None:
    instances.create("db")
    routing = SQLLocator(engine)
    routing.exchange_stored({"k": 1}, "db")
    routing.register_object("l", "db", "in-memory")
    instances.remove("db")
    assert [route.key for route in routing.query_objects()] == ["l"]


@pytest.mark.parametrize("state", ["creating", "removing"])
def test_what_was_cut_short_is_cleared(instances: PersistentInstances, engine: Engine, state: str) -> None:
    instances.create("ready")
    instances.create("cut-short")
    _set(engine, "cut-short", state=state)
    instances.create("elsewhere")
    _set(engine, "elsewhere", state=state, installation="another-one")
    with pytest.raises(ConflictError, match=f"persistent instance cut-short is {state}"):
        instances.store("cut-short")

    instances.reconcile()

    assert [(each.framedb_id, each.state) for each in instances.list()] == [("elsewhere", state), ("ready", "ready")]
    assert instances.create("cut-short").state == "ready"


def test_a_creation_that_was_cut_short_does_not_stand_in_the_way(
    instances: PersistentInstances, engine: Engine
) -> None:
    instances.create("db")
    instances.store("db").put(Frame("k", b"v"))
    _set(engine, "db", state="creating")
    assert instances.create("db", metadata={"b": 2}).metadata == {"b": 2}
    assert instances.store("db").get("k") is None


def test_names_of_databases_are_legal_and_differ() -> None:
    ids = [*_IDS, "A-b", "a_b", "a__b", "_a", "x" * 127, "framedb__a_b", "X" * 128, "local"]
    names = [database_name(framedb_id) for framedb_id in ids]
    assert len({name.lower() for name in names}) == len(ids)
    assert all(len(name) <= 64 and name.replace("_", "a").isalnum() and name.isascii() for name in names)


_CHURN = """
import sys
from pathlib import Path
from framedb.errors import FrameDBError
from framedb.placement.instances import PersistentInstances
from framedb.registry import open_engine
engine = open_engine(sys.argv[1])
server = sys.argv[1] if sys.argv[1].startswith("mysql") else None
instances = PersistentInstances(engine, Path(sys.argv[2]), server, "this-one")
print("running", flush=True)
for n in range(100_000):
    for call in (instances.create, instances.remove):
        try:
            call(f"db{n % 3}")
        except FrameDBError:
            pass
"""


def test_a_killed_program_leaves_nothing_half_made(
    instances: PersistentInstances, engine: Engine, database_url: str, tmp_path: Path, soak: int
) -> None:
    chance = random.Random(7)
    for _ in range(soak or 2):
        churn = subprocess.Popen(
            [sys.executable, "-c", _CHURN, database_url, str(tmp_path)], stdout=subprocess.PIPE, env=os.environ
        )
        assert churn.stdout is not None
        assert churn.stdout.readline() == b"running\n"
        with suppress(subprocess.TimeoutExpired):
            churn.wait(chance.uniform(0.0, 0.5))
        churn.send_signal(signal.SIGKILL)
        churn.wait()
        churn.stdout.close()

        instances.reconcile()

        registered = {each.framedb_id for each in instances.list()}
        assert {each.state for each in instances.list()} <= {"ready"}
        assert _databases(engine, database_url, tmp_path) == registered
        for framedb_id in registered:
            assert instances.store(framedb_id).put(Frame("k", b"v"))
            instances.remove(framedb_id)


def _databases(engine: Engine, database_url: str, folder: Path) -> set[str]:
    if not database_url.startswith("mysql"):
        return {path.stem for path in (folder / "persistent").glob("*.db")}
    with reading(engine) as connection:
        names = connection.scalars(text("SELECT schema_name FROM information_schema.schemata"))
        return {name.removeprefix("framedb_") for name in names if name.startswith("framedb_db")}


def _driver(url: str) -> str:
    parsed = make_url(url)
    driver = "mysql+pymysql" if parsed.drivername == "mysql" else parsed.drivername
    return parsed.set(drivername=driver).render_as_string(hide_password=False)


def _insert(engine: Engine, **row: Any) -> None:
    write(
        engine, lambda connection: connection.execute(insert(persistent_instances).values(created_at=utc_now(), **row))
    )


def _set(engine: Engine, framedb_id: str, **values: Any) -> None:
    query = persistent_instances.update().where(persistent_instances.c.framedb_id == framedb_id).values(**values)
    write(engine, lambda connection: connection.execute(query))
