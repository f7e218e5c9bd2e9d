"""Placing sources: which cluster they go to, and what that cluster is told."""

import pytest

from framedb.config import MiB
from framedb.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    InvalidKeyError,
    NotFoundError,
    StoreUnavailableError,
)
from framedb.frame import Frame
from framedb.placement.channel import ControlChannel
from framedb.placement.placement import Placement
from framedb.resp import Endpoint, open_redis
from framedb.stores.policy import SourcePolicy
from tests.integration.placement.conftest import DEFAULT, SOURCE, Listener, Site, frames_of


def test_a_source_nobody_knows_goes_to_the_least_loaded_cluster_of_the_own_node(site: Site) -> None:
    site.create("local", "beside")
    site.create("north-a", node_tag="north")

    used = [site.placement.connection(source=f"s{n}").cluster for n in range(4)]
    north = site.placement_of("north").connection(source="t")

    assert used == ["beside", "local", "beside", "local"]
    assert (north.cluster, north.epoch) == ("north-a", 1)
    assert site.placement.connection(source="t").cluster == "north-a"  # its only mapping is the first
    assert site.placement.connection(source="s0").cluster == "beside"


def test_a_source_goes_to_the_nodes_own_cluster_if_its_tag_has_none(site: Site) -> None:
    site.create("local")
    assert site.placement_of("north").connection(source="s").cluster == "local"
    assert site.placement.connection().cluster == "local"
    assert site.placement.connection(source="_").cluster == "local"


def test_without_any_cluster_a_source_is_unassigned_until_there_is_one(site: Site) -> None:
    assert site.placement.connection(source="s").cluster is None
    with pytest.raises(StoreUnavailableError, match="source s is unassigned"):
        site.placement.cluster_of("s")

    site.create("a")

    assert site.placement.cluster_of("s") == "a"
    assert site.placement.connection(source="s").cluster == "a"


def test_a_member_is_reached_by_its_own_name_too(site: Site) -> None:
    site.create("a")
    assert site.placement.connection(framedb_id="a-redis-node-0").cluster == "a"
    for unknown in ("b", "a-redis-node-1"):
        with pytest.raises(NotFoundError):
            site.placement.connection(framedb_id=unknown)


def test_a_mapping_puts_its_policy_on_the_cluster(site: Site, listener: Listener) -> None:
    site.create("a", maxmemory_bytes=64 * MiB)

    route = site.placement.create_mapping(SOURCE, "local", {"max_frames": 3, "sizes": ["416x416"], "mine": [1]})

    assert (route.cluster, route.epoch) == ("a", 1)
    assert site.store("a").policy(SOURCE) == {
        "policy": "drop-oldest", "max_frames": "3", "max_bytes": str(8 * MiB), "ttl_s": "3600.0", "epoch": "1",
    }  # fmt: skip
    assert site.placement.metadata(SOURCE, "local") == {"max_frames": 3, "sizes": ["416x416"], "mine": [1]}
    assert listener.next() == (
        SOURCE,
        "add",
        {
            "sourceId": SOURCE, "nodeTag": "local", "cluster_name": "a", "epoch": 1, "durable": False,
            "metadata": {"max_frames": 3, "sizes": ["416x416"], "mine": [1]}, "previous": [],
        },
    )  # fmt: skip
    with pytest.raises(AlreadyExistsError, match="Mapping already exist, no need to update"):
        site.placement.create_mapping(SOURCE, "local")


def test_a_mapping_needs_a_cluster_of_its_node(site: Site) -> None:
    site.create("a")
    site.create("b", node_tag="north", accepts_sources=False)
    for tag in ("north", "south"):
        with pytest.raises(ConflictError, match=f"node {tag} has no cluster that takes sources: create one first"):
            site.placement.create_mapping(SOURCE, tag)
        with pytest.raises(NotFoundError, match=f"node {tag} has no cluster"):
            site.placement.least_loaded(tag)
    with pytest.raises(NotFoundError, match=f"^No source {SOURCE}$"):
        site.placement.mapping(SOURCE)


def test_what_cannot_be_mapped_is_refused_and_nothing_is_left(site: Site) -> None:
    site.create("a")
    for source, tag in (("a b", "local"), ("", "local"), ("_", "local"), ("s", "no tag"), ("s", "")):
        with pytest.raises((InvalidKeyError, InvalidInputError)):
            site.placement.create_mapping(source, tag)
    assert site.placement.load("a").sources == ()
    with pytest.raises(NotFoundError, match="Cluster b does not exist"):
        site.placement.load("b")


def test_metadata_of_wrong_types_change_nothing(site: Site) -> None:
    site.create("a")
    site.placement.create_mapping(SOURCE, "local", {"fps": 5})
    with pytest.raises(InvalidInputError, match="metadata field max_frames must be"):
        site.placement.create_mapping("other", "local", {"max_frames": "3"})
    with pytest.raises(InvalidInputError, match="metadata field sizes must be"):
        site.placement.update_metadata(SOURCE, "local", {"fps": 6, "sizes": "416x416"})
    assert site.placement.metadata(SOURCE, "local") == {"fps": 5}
    assert site.placement.load("a").sources == (SOURCE,)


def test_new_metadata_are_in_force_at_once(site: Site, listener: Listener) -> None:
    site.create("a")
    site.placement.create_mapping(SOURCE, "local", {"max_frames": 2, "mine": 1})
    frames = frames_of(number=4)
    site.tiers.put_many(frames)
    assert site.store("a").stats(SOURCE).count == 2

    site.placement.update_metadata(SOURCE, "local", {"policy": "drop-newest", "ref_count": 2})

    assert site.placement.metadata(SOURCE, "local") == {"max_frames": 2, "policy": "drop-newest", "ref_count": 2}
    late = frames_of(number=1, start=100)[0]
    assert site.tiers.put(late).dropped == "drop-newest"
    site.placement.update_metadata(SOURCE, "local", {"max_frames": None})
    assert site.placement.metadata(SOURCE, "local") == {"max_frames": None, "policy": "drop-newest"}
    assert site.tiers.put(late)
    assert listener.commands(3) == ["add", "meta_update", "meta_update"]


def test_placing_as_a_camera_does_gives_the_source_its_policy(site: Site) -> None:
    site.create("local")

    placed = site.placement.place(SOURCE, SourcePolicy(policy="wait", max_frames=2, ttl_s=60.0))

    assert placed.cluster == "local"
    told = site.store("local").policy(SOURCE)
    assert told == {"policy": "wait", "max_frames": "2", "ttl_s": "60.0", "epoch": str(placed.epoch)}
    assert site.placement.place(SOURCE).epoch == placed.epoch
    durable = site.placement.place(SOURCE, durable=True)
    assert (durable.durable, durable.metadata) == (True, placed.metadata)
    assert site.placement.place(SOURCE, durable=True) == durable


def test_a_source_is_durable_on_every_node_that_has_it(site: Site) -> None:
    site.create("a")
    site.create("b", node_tag="north")
    for tag in ("local", "north"):
        site.placement.create_mapping(SOURCE, tag)
    site.placement.place(SOURCE, durable=True)
    assert [route.durable for route in site.placement.mapping(SOURCE)] == [True, True]
    assert site.placement.connection(source=SOURCE).cluster == "a"
    assert site.placement_of("north").connection(source=SOURCE).cluster == "b"
    assert site.placement_of("south").connection(source=SOURCE).cluster == "a"


def test_a_removed_mapping_is_made_anew_and_its_writers_go_on(site: Site, listener: Listener) -> None:
    site.create("local")
    for _ in range(3):
        site.placement.create_mapping(SOURCE, "local", {"max_frames": 5})
        site.placement.update_metadata(SOURCE, "local", {"max_frames": 4})
        assert all(site.tiers.put_many(frames_of(number=2)))
        site.placement.remove_mapping(SOURCE, "local")
        with pytest.raises(NotFoundError):
            site.placement.mapping(SOURCE)
        assert listener.commands(3) == ["add", "meta_update", "remove"]
    assert site.tiers.put(frames_of(number=1)[0])  # by a writer that has not heard of it: the source is placed again
    assert site.placement.connection(source=SOURCE).epoch == site.epoch("local")
    with pytest.raises(NotFoundError, match=f"No source {SOURCE} on node north: it is on local"):
        site.placement.remove_mapping(SOURCE, "north")


def test_a_server_that_starts_anew_is_told_policies_and_epochs(site: Site) -> None:
    site.create("a")
    site.placement.create_mapping(SOURCE, "local", {"max_frames": 2})
    site.placement.update_metadata(SOURCE, "local", {"max_frames": 3})
    told = site.store("a").policy(SOURCE)
    site.driver.stop("a")
    site.clusters.mend("a")
    assert site.store("a").policy(SOURCE) == {}

    site.placement.restore("a")

    assert site.store("a").policy(SOURCE) == told


def test_a_mapping_is_made_while_its_cluster_does_not_answer_and_told_later(site: Site) -> None:
    site.create("a")
    site.driver.stop("a")
    assert site.placement.create_mapping(SOURCE, "local", {"max_frames": 2}).cluster == "a"
    with pytest.raises(StoreUnavailableError):
        site.placement.update_mapping(SOURCE, "local")

    site.clusters.mend("a")

    assert site.placement.update_mapping(SOURCE, "local").cluster == "a"
    assert site.store("a").policy(SOURCE)["max_frames"] == "2"


def test_backpressure_is_seen_by_writers_and_published(site: Site, listener: Listener) -> None:
    site.create("a")
    site.placement.create_mapping(SOURCE, "local", {"policy": "drop-newest"})
    first, second, third = frames_of(number=3)
    assert site.tiers.put(first)

    assert [route.backpressure for route in site.placement.set_backpressure(SOURCE, True)] == [True]
    assert site.tiers.put(second).dropped == "backpressure"
    site.placement.set_backpressure(SOURCE, False, "local")
    site.placement.set_backpressure(SOURCE, True, "local")
    site.placement.set_backpressure(SOURCE, False)

    with site.client() as another:
        assert another.put(third)
    assert listener.commands(5) == ["add", "bp_source_on", "bp_off", "bp_on", "bp_source_off"]
    assert site.placement.connection(source=SOURCE).backpressure is False
    for source, tag in (("other", None), (SOURCE, "north")):
        with pytest.raises(NotFoundError, match="No source"):
            site.placement.set_backpressure(source, True, tag)


def test_changes_are_made_while_the_control_server_is_away(site: Site) -> None:
    site.create("a", "b")
    away = ControlChannel(lambda: open_redis(Endpoint("127.0.0.1", 1), timeout=1.0))
    placement = Placement(site.routing, site.connections, site.clusters, default=DEFAULT, channel=away)

    placement.create_mapping(SOURCE, "local")
    assert placement.reassign_source(SOURCE, "local", "b").cluster == "b"

    away.close()


def test_a_key_without_a_source_is_never_placed(site: Site) -> None:
    site.create("local", "b")
    assert site.tiers.put(Frame("k", b"v"))
    assert site.routing.mapping("_") == []
    assert site.placement.cluster_of("_") == "local"
