"""Sources on clusters: which one is chosen, and what a route says afterwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from framedb.errors import (
    AlreadyExistsError,
    ConflictError,
    FrameDBError,
    InvalidInputError,
    InvalidKeyError,
    NotFoundError,
)
from framedb.frame import utc_now
from framedb.routing import ClusterLoad, Previous, Route, SQLLocator
from tests.integration.routing.conftest import Register

LATER = datetime(2126, 1, 1, tzinfo=UTC)


def test_sources_are_spread_evenly_and_by_name_among_equals(locator: SQLLocator, register: Register) -> None:
    register("b", "a", "c")

    placed = [locator.create_mapping(f"s{n}", "local").cluster for n in range(7)]

    assert placed == ["a", "b", "c", "a", "b", "c", "a"]
    assert locator.loads("local") == [
        ClusterLoad("a", "local", ("s0", "s3", "s6")),
        ClusterLoad("b", "local", ("s1", "s4")),
        ClusterLoad("c", "local", ("s2", "s5")),
    ]
    assert [load.cluster for load in locator.choices("local")] == ["b", "c", "a"]
    assert locator.load("b") == ClusterLoad("b", "local", ("s1", "s4"))


def test_only_clusters_that_take_sources_are_chosen(locator: SQLLocator, register: Register) -> None:
    register("a", state="creating")
    register("b", state="removing")
    register("c", accepts_sources=False)
    register("d", node_tag="elsewhere")
    with pytest.raises(ConflictError, match="node local has no cluster that takes sources"):
        locator.create_mapping("s", "local")
    assert locator.mapping("s") == []

    register("e")

    assert locator.create_mapping("s", "local") == Route("s", "e", 1)
    assert locator.loads("local") == [ClusterLoad("e", "local", ("s",))]


def test_mapping_a_source_again_is_refused(locator: SQLLocator, register: Register) -> None:
    register("a", "b")
    first = locator.create_mapping("s", "local", {"fps": 5})
    with pytest.raises(AlreadyExistsError, match=r"^Mapping already exist, no need to update$"):
        locator.create_mapping("s", "local", {"fps": 9})
    assert locator.mapping("s") == [first]


def test_a_source_is_mapped_on_each_node_with_its_own_metadata(locator: SQLLocator, register: Register) -> None:
    register("a", node_tag="north")
    register("b", node_tag="south")
    locator.create_mapping("s", "south", {"sizes": ["416x416"]})
    locator.amend("s", "south", durable=True)

    north = locator.create_mapping("s", "north", {"ref_count": 2})

    assert north == Route("s", "a", 1, "north", True, (), {"ref_count": 2})
    assert [route.node_tag for route in locator.mapping("s")] == ["north", "south"]
    assert locator.route("s") is None
    assert locator.unplace("s", "north")
    assert [route.node_tag for route in locator.mapping("s")] == ["south"]


def test_what_is_no_source_or_node_tag_is_refused(locator: SQLLocator, register: Register) -> None:
    register("a")
    for source in ("", "a b", "s" * 129, "é", "_"):
        with pytest.raises((InvalidKeyError, InvalidInputError)):
            locator.create_mapping(source, "local")
    for tag in ("", "a b", "t" * 129, "é", None):
        with pytest.raises(InvalidInputError, match="node tag"):
            locator.create_mapping("s", tag)  # type: ignore[arg-type]
    assert locator.load("a").sources == ()


def test_metadata_that_no_json_object_can_hold_are_refused(locator: SQLLocator, register: Register) -> None:
    register("a")
    wrong: list[Any] = [[1], "x", {"a": float("nan")}, {"a": "\ud800"}, {"a": "x" * 70_000}, {"a": {1}}]
    for metadata in wrong:
        with pytest.raises(InvalidInputError, match="metadata"):
            locator.create_mapping("s", "local", metadata)
    assert locator.mapping("s") == []


def test_a_source_is_assigned_once_and_to_the_fallback_if_its_node_has_no_cluster(
    locator: SQLLocator, register: Register
) -> None:
    assert locator.assign("s", "north", otherwise="local") == Route("s", None, 1, "north")
    register("local", state="creating")
    assert locator.assign("s", "north", otherwise="local") == Route("s", "local", 2, "north")
    register("a", node_tag="north")

    assert locator.assign("s", "north", otherwise="local").cluster == "local"
    assert locator.assign("t", "north", otherwise="local").cluster == "a"


def test_a_moved_source_remembers_where_its_frames_still_live(locator: SQLLocator, register: Register) -> None:
    register("a", "b", "c")
    locator.create_mapping("s", "local", {"fps": 1})

    assert locator.move("s", "local", "b", LATER) == Route(
        "s", "b", 2, previous=(Previous("a", LATER),), metadata={"fps": 1}
    )
    moved = locator.move("s", "local", None, None)
    assert moved is not None
    assert (moved.cluster, moved.epoch) == ("a", 3)  # the least-loaded other one, by name
    assert moved.previous == (Previous("b", None),)
    again = locator.move("s", "local", "c", utc_now() - timedelta(seconds=1))
    assert again is not None
    assert again.previous == (Previous("b", None),)
    assert locator.move("s", "local", "c", LATER) == again
    assert locator.mapping("s") == [again]


def test_a_source_goes_only_where_it_can(locator: SQLLocator, register: Register) -> None:
    register("a")
    register("closed", accepts_sources=False)
    register("going", state="removing")
    register("far", node_tag="north")
    locator.create_mapping("s", "local")

    expected: list[tuple[str | None, type[FrameDBError], str]] = [
        ("closed", ConflictError, "takes no sources: it was created to take none"),
        ("going", ConflictError, "takes no sources: it is removing"),
        ("far", InvalidInputError, "is on node north, not local"),
        ("nowhere", NotFoundError, "Cluster nowhere does not exist"),
        (None, ConflictError, "node local has no cluster other than a that takes sources"),
    ]
    for cluster, error, message in expected:
        with pytest.raises(error, match=message):
            locator.move("s", "local", cluster, LATER)
        with pytest.raises(error, match=message):
            locator.check_move(locator.mapping("s")[0], cluster)
    with pytest.raises(NotFoundError, match="No source s on node north, only on local"):
        locator.move("s", "north", "far", LATER)

    assert locator.mapping("s") == [Route("s", "a", 1)]


def test_a_move_that_others_overtook_changes_nothing(locator: SQLLocator, register: Register) -> None:
    register("a", "b", "c")
    locator.create_mapping("s", "local")
    locator.raise_epoch("s", "local")

    assert locator.move("s", "local", "b", LATER, expected=1) is None
    assert locator.unassign("s", "local", expected=1) is None

    assert locator.mapping("s") == [Route("s", "a", 2)]
    assert locator.unassign("s", "local", expected=2) == Route("s", None, 3)


def test_an_epoch_rises_and_never_falls(locator: SQLLocator, register: Register) -> None:
    register("a")
    locator.create_mapping("s", "local")
    assert locator.raise_epoch("s", "local", least=7).epoch == 7
    assert locator.raise_epoch("s", "local", least=3).epoch == 8
    with pytest.raises(NotFoundError, match="No source t"):
        locator.raise_epoch("t", "local")


def test_backpressure_is_on_for_every_node_of_a_source(locator: SQLLocator, register: Register, engine: Engine) -> None:
    register("a", node_tag="north")
    register("b", node_tag="south")
    for tag in ("north", "south"):
        locator.create_mapping("s", tag)

    on = locator.set_backpressure("s", True)

    assert [(route.node_tag, route.backpressure, route.epoch) for route in on] == [
        ("north", True, 2), ("south", True, 2),
    ]  # fmt: skip
    assert locator.mapping("s") == on
    assert locator.set_backpressure("s", True) == on
    assert SQLLocator(engine, node_tag="south").route("s") == on[1]
    register("c", node_tag="west")
    assert locator.create_mapping("s", "west").backpressure
    assert [route.backpressure for route in locator.set_backpressure("s", False)] == [False, False, False]
    with pytest.raises(NotFoundError, match="No source t"):
        locator.set_backpressure("t", True)


def test_drops_without_a_store_are_added_up(locator: SQLLocator, register: Register) -> None:
    register("a")
    locator.create_mapping("s", "local")
    assert locator.drops("s") == {}
    assert locator.add_drops("s", "cluster-removed", 3)
    assert locator.add_drops("s", "cluster-removed", 4)
    assert locator.add_drops("s", "backpressure", 1)
    assert locator.drops("s") == {"cluster-removed": 7, "backpressure": 1}
    assert locator.add_drops("t", "cluster-removed", 1) is False


def test_a_removed_cluster_is_forgotten_as_previous_but_not_one_with_a_longer_name(
    locator: SQLLocator, register: Register
) -> None:
    register("a", "a-2", "c")
    locator.create_mapping("s", "local")
    locator.move("s", "local", "a-2", LATER)
    before = locator.move("s", "local", "c", LATER)
    assert before is not None
    assert before.previous == (Previous("a-2", LATER), Previous("a", LATER))
    assert locator.held_before("a") == [before]

    locator.forget_previous("s", "local", "a")

    assert locator.held_before("a") == []
    assert [route.previous for route in locator.held_before("a-2")] == [(Previous("a-2", LATER),)]
