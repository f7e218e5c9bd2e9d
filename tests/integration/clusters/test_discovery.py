"""Masters and replicas are found by asking living sentinels."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from framedb.errors import NotFoundError, StoreError, StoreUnavailableError
from framedb.registry import open_engine, sqlite_url, upgrade
from tests.contracts.frame_store import until

from .planes import MAXMEMORY, Plane, small


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane with a cluster of three."""
    folder: Path = tmp_path_factory.mktemp("three")
    engine = open_engine(sqlite_url(folder / "registry.db"))
    upgrade(engine)
    plane = Plane.on(engine, folder / "data")
    plane.service.create(small("three", replicas=3, quorum=2))
    yield plane
    plane.stop_everything()
    engine.dispose()


def test_the_master_and_its_replicas_are_found(three: Plane) -> None:
    addresses = {(each.host, each.port) for each in three.service.addresses("three")}
    master = three.discovery.master("three")
    replicas = three.discovery.replicas("three")
    assert {master, *replicas} == addresses
    assert len(replicas) == 2
    assert three.discovery.master("three-redis-node-2") == master
    assert three.discovery.replicas("three-redis-node-0") == replicas
    assert len(three.discovery.living_sentinels("three")) == 3


def test_every_member_is_shown_as_it_is(three: Plane) -> None:
    with three.opened("three") as master:
        master.set("one", "key")
        assert master.wait(2, 5000) == 2
    members = three.discovery.members("three")
    assert [each.name for each in members] == [f"three-redis-node-{n}" for n in range(3)]
    assert sorted(each.role for each in members) == ["master", "replica", "replica"]
    for each in members:
        assert each.state == "online"
        assert each.maxmemory_bytes == MAXMEMORY
        assert each.used_memory_bytes > 0
        assert each.keys >= 1
        assert each.offset > 0
        assert each.link == ("-" if each.role == "master" else "up")


@pytest.mark.parametrize("unknown", ["nobody", "three-redis-node-9", "a b"])
def test_an_unknown_id_says_so(three: Plane, unknown: str) -> None:
    for ask in (three.discovery.master, three.discovery.replicas, three.discovery.members):
        with pytest.raises(NotFoundError, match=f"^Failed to get sentinel connection for {unknown}$"):
            ask(unknown)


def test_a_dead_member_is_shown_as_down_and_another_becomes_master(three: Plane) -> None:
    old = three.discovery.master("three")
    dead = next(each.name for each in three.discovery.members("three") if (each.host, each.port) == old)
    three.kill("three", dead)

    def another() -> bool:
        try:
            return three.discovery.master("three") != old
        except StoreError:
            return False

    until(another, "another master")
    states = {each.name: (each.role, each.state) for each in three.discovery.members("three")}
    assert states[dead] == ("unknown", "down")
    assert len(three.discovery.living_sentinels("three")) == 2
    assert old not in three.discovery.replicas("three")


def test_with_no_sentinel_left_the_answer_is_an_error(plane: Plane) -> None:
    plane.service.create(small("a"))
    plane.kill("a")
    with pytest.raises(StoreUnavailableError, match="no master at this moment"):
        plane.discovery.master("a")
    with pytest.raises(StoreUnavailableError, match="Failed to get sentinel connection for a"):
        plane.discovery.replicas("a")
    assert [each.state for each in plane.discovery.members("a")] == ["down"]
    assert plane.discovery.living_sentinels("a") == []
