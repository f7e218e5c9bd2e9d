"""Clusters are made, scaled and removed so that what is registered and what runs agree."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.service import ClusterService
from framedb.clusters.spec import ClusterSpec
from framedb.errors import (
    AlreadyExistsError,
    ConflictError,
    EngineError,
    FrameDBError,
    InsufficientRoomError,
    InvalidInputError,
    NotFoundError,
)
from framedb.registry import open_engine, sqlite_url, writing
from framedb.registry.tables import clusters, members
from framedb.resp import Endpoint, close_redis, open_redis
from tests.engines import free_port

from .planes import MAXMEMORY, Plane, small


@pytest.fixture
def other(registry: Engine, tmp_path: Path) -> Iterator[Plane]:
    """Another installation that shares the registry."""
    made = Plane.on(registry, tmp_path / "other")
    yield made
    made.stop_everything()


def forget_everything(engine: Engine) -> None:
    """The registry is lost."""
    with writing(engine) as connection:
        connection.execute(delete(members))
        connection.execute(delete(clusters))


def test_a_cluster_is_registered_and_runs(any_plane: Plane) -> None:
    made = any_plane.service.create(small("a", node_tag="hall"), site="plant", metadata={"of": "mine"})
    assert (made.name, made.state, made.site, made.metadata) == ("a", "ready", "plant", {"of": "mine"})
    assert made.spec.node_tag == "hall"
    assert made.spec.maxmemory_bytes == MAXMEMORY
    assert made.installation == any_plane.driver.installation
    assert [member.name for member in made.members] == ["a-redis-node-0"]
    assert any_plane.service.info("a") == made
    assert any_plane.service.list() == [made]
    assert any_plane.service.list(node_tag="hall") == [made]
    assert any_plane.service.list(node_tag="yard") == any_plane.service.list(node_tag="höf") == []
    assert any_plane.running() == {"a": 2}
    with any_plane.opened("a", 0) as client:
        assert client.ping()
    assert any_plane.service.resolve("a") == ("a", None)
    assert any_plane.service.resolve("a-redis-node-0") == ("a", 0)
    for unknown in ("", "a-redis-node-1", "a-redis-node-", "b", "b-redis-node-0", "gäste", "../a", "x" * 200):
        with pytest.raises(NotFoundError):
            any_plane.service.resolve(unknown)
    with pytest.raises(AlreadyExistsError, match=r"^Cluster already exists!$"):
        any_plane.service.create(small("a"))
    any_plane.service.remove("a")
    assert any_plane.service.list() == []
    assert any_plane.running() == {}
    with pytest.raises(NotFoundError, match=r"^Cluster a does not exist$"):
        any_plane.service.remove("a")


def test_of_two_that_make_the_same_cluster_at_once_one_wins(any_plane: Plane) -> None:
    def create(_: int) -> str:
        try:
            return any_plane.service.create(small("a")).state
        except AlreadyExistsError as exc:
            return str(exc)

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(create, range(4)))
    assert answers == ["Cluster already exists!"] * 3 + ["ready"]
    assert any_plane.running() == {"a": 2}


def test_a_creation_that_fails_leaves_nothing_behind(plane: Plane) -> None:
    def fail(cluster: str, master: Endpoint) -> None:
        assert cluster == "a"
        raise EngineError("the functions would not load")

    plane.service.prepare = fail
    with pytest.raises(EngineError, match="would not load"):
        plane.service.create(small("a", replicas=2))
    assert plane.service.list() == []
    assert plane.running() == {}
    assert plane.driver.leftovers() == []


def test_what_the_machine_cannot_hold_is_refused_before_anything_starts(registry: Engine, tmp_path: Path) -> None:
    plane = Plane.on(registry, tmp_path / "data", LocalDriver(tmp_path / "data", memory_bytes=200 * 2**20))
    try:
        with pytest.raises(InsufficientRoomError):
            plane.service.create(small("big", maxmemory_bytes=2**30))
        assert plane.service.list() == []
        assert plane.driver.leftovers() == []
        with pytest.raises(InsufficientRoomError):
            plane.service.create_many([small(f"many-{n}") for n in range(20)])
        assert plane.service.list() == []
        assert plane.driver.leftovers() == []
        plane.service.create(small("a"))
        with pytest.raises(InsufficientRoomError):
            plane.service.scale("a", 9)
        assert plane.service.info("a").spec.replicas == 1
        with pytest.raises(InsufficientRoomError):
            plane.settings.set_config("a", "maxmemory", "1gb")
        assert plane.service.info("a").spec.maxmemory_bytes == MAXMEMORY
    finally:
        plane.stop_everything()


def test_settings_it_cannot_have_are_refused(plane: Plane) -> None:
    with pytest.raises(InvalidInputError, match="choose one of"):
        plane.service.create(small("a", settings={"dir": "/"}))
    with pytest.raises(InvalidInputError, match="takes sources"):
        plane.service.create(small("a", settings={"maxmemory-policy": "allkeys-lru"}))
    with pytest.raises(InvalidInputError, match="reads like a member's"):
        plane.service.create(small("a-redis-node-0"))
    for tag in ("", "höf", "a\nb", " a", "x" * 129):
        with pytest.raises(InvalidInputError, match="printable ASCII"):
            plane.service.create(small("a", node_tag=tag))
        with pytest.raises(InvalidInputError, match="printable ASCII"):
            plane.service.create(small("a"), site=tag)
    assert plane.service.list() == []


def test_many_are_made_at_once_and_each_failure_has_its_reason(plane: Plane) -> None:
    plane.service.create(small("many-1"))
    failed = plane.service.create_many([small(f"many-{n}") for n in range(3)], site="plant")
    assert failed == {"many-1": "Cluster already exists!"}
    assert plane.running() == {"many-0": 2, "many-1": 2, "many-2": 2}
    assert plane.service.info("many-2").site == "plant"
    plane.service.stop_all()
    assert plane.running() == {}
    assert plane.service.names() == ["many-0", "many-1", "many-2"]
    with pytest.raises(InvalidInputError, match="Zero deployments not allowed"):
        plane.service.create_many([])
    with pytest.raises(InvalidInputError, match="at most 100"):
        plane.service.create_many([small(f"many-{n}") for n in range(101)])


def test_a_cluster_is_scaled_up_and_down(plane: Plane) -> None:
    assert "no majority" in (plane.service.create(small("a", replicas=2, quorum=2)).warning or "")
    assert plane.service.scale("a", 3) is True
    assert plane.running() == {"a": 6}
    assert plane.service.info("a").warning is None
    assert [member.ordinal for member in plane.service.addresses("a")] == [0, 1, 2]
    assert plane.service.scale("a", 3) is False
    with plane.opened("a") as master:
        master.set("kept", "through it all")
        assert master.wait(2, 5000) == 2
    assert plane.service.scale("a", 1) is True
    assert plane.running() == {"a": 2}
    assert plane.service.info("a").spec.quorum == 1
    with plane.opened("a") as master:
        assert master.get("kept") == b"through it all"
    with pytest.raises(InvalidInputError, match="Scale to Zero is not allowed, delete the deployment instead"):
        plane.service.scale("a", 0)
    for wrong in (-1, True, "2", 1.5):
        with pytest.raises(InvalidInputError, match="whole number"):
            plane.service.scale("a", wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match="Cluster b does not exist"):
        plane.service.scale("b", 2)


def test_a_scaling_that_fails_brings_back_what_was(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    plane.service.create(small("a"))
    before = plane.pids("a")
    really = plane.driver.apply

    def fail_for_three(spec: ClusterSpec, **options: object) -> object:
        really(spec, **options)  # type: ignore[arg-type]
        if spec.replicas == 3:
            raise EngineError("the third did not answer")
        return really(spec)

    monkeypatch.setattr(plane.driver, "apply", fail_for_three)
    with pytest.raises(EngineError, match="the third"):
        plane.service.scale("a", 3)
    assert plane.service.info("a").spec.replicas == 1
    assert plane.pids("a") == before


def test_a_cluster_of_another_installation_is_left_alone(plane: Plane, other: Plane) -> None:
    plane.service.create(small("a"))
    with pytest.raises(AlreadyExistsError):
        other.service.create(small("a"))
    with pytest.raises(ConflictError, match="another installation"):
        other.service.remove("a")
    with pytest.raises(ConflictError, match="another installation"):
        other.service.scale("a", 2)
    with pytest.raises(ConflictError, match="answers"):
        other.service.ensure(small("a"))
    assert other.service.own() == []
    assert plane.running() == {"a": 2}
    assert other.running() == {}


def test_the_nodes_own_cluster_is_taken_over_from_an_installation_that_is_gone(plane: Plane, other: Plane) -> None:
    other.service.ensure(small("local"))
    other.service.stop_all()
    made = plane.service.ensure(small("local"))
    assert made.installation == plane.driver.installation
    assert plane.running() == {"local": 2}
    with pytest.raises(ConflictError, match="answers"):
        other.service.ensure(small("local"))


def test_the_nodes_own_cluster_is_adopted_as_it_is(plane: Plane) -> None:
    wanted = small("local", preferred_port=free_port())
    first = plane.service.ensure(wanted, site="plant")
    before = plane.pids("local")
    assert plane.service.resolve("") == ("local", None)
    assert Plane.on(plane.engine, plane.data_dir).service.ensure(wanted, site="plant") == first
    with writing(plane.engine) as connection:  # as an earlier release wrote it
        connection.execute(clusters.update().values(installation=None, sentinel_settings=None))
    assert plane.service.ensure(wanted).installation == plane.driver.installation
    forget_everything(plane.engine)
    assert plane.service.ensure(wanted).members == first.members
    assert plane.pids("local") == before


def test_what_was_set_since_wins_until_the_nodes_settings_change(plane: Plane) -> None:
    wanted = small("local")
    plane.service.ensure(wanted)
    plane.settings.set_config("local", "maxmemory", "48mb")
    assert plane.service.ensure(wanted).spec.maxmemory_bytes == 48 * 2**20
    assert plane.service.ensure(replace(wanted, maxmemory_bytes=40 * 2**20)).spec.maxmemory_bytes == 40 * 2**20


def test_a_lost_registry_is_written_anew_from_what_runs(plane: Plane) -> None:
    made = plane.service.create(
        small("a", replicas=2, node_tag="hall", settings={"timeout": "600"}, accepts_sources=False)
    )
    with plane.opened("a") as master:
        master.set("kept", "yes")
    before = plane.pids("a")
    forget_everything(plane.engine)
    assert plane.service.synchronize(False) == ["a"]
    assert plane.service.list() == []
    with pytest.raises(AlreadyExistsError, match="synchronize"):
        plane.service.create(small("a"))
    assert plane.service.synchronize(True) == ["a"]
    adopted = plane.service.info("a")
    assert replace(adopted, created_at=made.created_at) == made
    assert plane.pids("a") == before
    with plane.opened("a") as master:
        assert master.get("kept") == b"yes"


def test_one_cluster_is_synchronized(plane: Plane) -> None:
    plane.service.create(small("a"))
    assert plane.service.synchronize_one("a") is False
    with writing(plane.engine) as connection:
        connection.execute(members.update().values(port=1))
    assert plane.service.synchronize_one("a") is True
    with plane.opened("a", 0) as client:
        assert client.ping()
    forget_everything(plane.engine)
    assert plane.service.synchronize_one("a") is True
    with pytest.raises(NotFoundError, match="Cluster b does not exist"):
        plane.service.synchronize_one("b")
    with pytest.raises(NotFoundError, match="does not exist"):
        plane.service.synchronize_one("../../b")
    assert not (plane.data_dir.parent / "b.lock").exists()


def test_a_removal_can_be_given_up(plane: Plane) -> None:
    plane.service.create(small("a"))

    def move_sources_away() -> None:
        with plane.service.removing("a"):
            assert plane.service.info("a").state == "removing"
            raise EngineError("nowhere to go")

    with pytest.raises(EngineError, match="nowhere to go"):
        move_sources_away()
    assert plane.service.info("a").state == "ready"
    assert plane.running() == {"a": 2}


def test_changes_of_one_cluster_wait_for_each_other(plane: Plane) -> None:
    plane.service.create(small("a"))

    def change(replicas: int) -> str:
        try:
            if replicas:
                return str(plane.service.scale("a", replicas))
            plane.service.remove("a")
            return "removed"
        except FrameDBError as exc:
            return type(exc).__name__

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(change, (2, 0)))
    assert answers[0] in ("True", "NotFoundError")
    assert answers[1] == "removed"
    assert plane.running() == {}
    assert plane.service.names() == []


def test_an_interrupted_registry_is_an_error_in_our_words(plane: Plane, tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path / "empty.db"))
    with pytest.raises(FrameDBError, match="no such table"):
        ClusterService(engine, plane.driver).names()
    engine.dispose()


def test_prepare_meets_a_master_that_started_empty(plane: Plane) -> None:
    met: list[str] = []

    def prepare(cluster: str, master: Endpoint) -> None:
        client = open_redis(master)
        client.set("prepared", cluster)
        close_redis(client)
        met.append(cluster)

    plane.service.prepare = prepare
    plane.service.create(small("a"))
    assert met == ["a"]
    with plane.opened("a") as master:
        assert master.get("prepared") == b"a"
    plane.service.synchronize_one("a")
    assert met == ["a"]
    plane.kill("a")
    plane.service.synchronize_one("a")
    assert met == ["a", "a"]
