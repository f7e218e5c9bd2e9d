"""Removing clusters with sources and frames on them."""

import pytest

from framedb.clusters.registered import RegisteredClusters
from framedb.config import MiB
from framedb.errors import ConflictError, NotFoundError, StoreUnavailableError
from framedb.frame import Frame
from framedb.placement.removal import Removal
from framedb.routing import Copy
from framedb.stores.base import KEEP
from framedb.stores.memory import MemoryStore
from tests.integration.placement.conftest import SOURCE, Listener, Site, frames_of


def test_sources_and_frames_go_to_the_nodes_other_cluster(site: Site, listener: Listener) -> None:
    site.create("a")
    site.placement.create_mapping(SOURCE, "local")
    site.placement.create_mapping("site:other", "local")
    frames = frames_of(number=70)
    site.tiers.put_many(frames[:60], ttl=500.0)
    site.tiers.put_many(frames[60:65], ttl=KEEP)
    site.tiers.put_many(frames[65:], announce=True)
    site.create("b")

    removal = site.placement.remove_cluster("a")

    assert removal == Removal([SOURCE, "site:other"], [], drained=70, dropped=0, answered=True)
    assert site.clusters.names() == ["b"]
    assert site.driver.leftovers() == ["b"]
    assert [(route.cluster, route.previous) for route in site.placement.mapping(SOURCE)] == [("b", ())]
    assert site.store("b").stats(SOURCE).count == 70
    assert site.store("b").stats(SOURCE).drops == {}
    for exported in site.store("b").export(SOURCE):
        at = [frame.key for frame in frames].index(exported.frame.key)
        assert bytes(exported.frame.view()) == bytes(frames[at].view())
        assert exported.frame.captured_at == frames[at].captured_at
        assert exported.unannounced == (at >= 65)
        low, high = (400, 500) if at < 60 else (KEEP, KEEP) if at < 65 else (3500, 3600)
        assert low <= exported.ttl <= high
    assert [frame and frame.key for frame in site.tiers.get_many([frame.key for frame in frames])] == [
        frame.key for frame in frames
    ]
    assert listener.commands(4) == ["add", "add", "update", "update"]


def test_with_no_other_cluster_sources_are_unassigned_and_their_frames_counted(site: Site, listener: Listener) -> None:
    site.create("a")
    site.create("far", node_tag="north")
    site.placement.create_mapping(SOURCE, "local")
    site.tiers.put_many(frames_of(number=5))

    removal = site.placement.remove_cluster("a")

    assert removal == Removal([], [SOURCE], drained=0, dropped=5, answered=True)
    (route,) = site.placement.mapping(SOURCE)
    assert (route.cluster, route.previous) == (None, ())
    assert site.routing.drops(SOURCE) == {"cluster-removed": 5}
    assert site.placement.connection(source=SOURCE).cluster is None
    site.create("b")
    assert site.placement.connection(source=SOURCE).cluster == "b"
    with site.client() as writer:
        assert writer.put(frames_of(number=1)[0])
    commands = [listener.next() for _ in range(3)]
    assert [(command, payload["cluster_name"]) for _, command, payload in commands] == [
        ("add", "a"), ("update", None), ("update", "b"),
    ]  # fmt: skip


def test_frames_of_sources_that_moved_away_before_are_drained_too(site: Site) -> None:
    site.create("a", "b", "c")
    site.placement.create_mapping(SOURCE, "local")
    site.tiers.put_many(frames_of(number=4))
    site.placement.reassign_source(SOURCE, "local", "c")

    assert site.placement.remove_cluster("a").drained == 4

    assert site.store("c").stats(SOURCE).count == 4
    assert [(route.cluster, route.previous) for route in site.placement.mapping(SOURCE)] == [("c", ())]


def test_frames_for_which_there_is_no_room_are_counted(site: Site) -> None:
    site.create("a", maxmemory_bytes=64 * MiB)
    site.placement.create_mapping(SOURCE, "local", {"policy": "wait", "max_bytes": None})
    site.tiers.put_many(frames_of(number=30, size=MiB))
    site.create("b", maxmemory_bytes=24 * MiB)

    removal = site.placement.remove_cluster("a")

    stats = site.store("b").stats(SOURCE)
    assert removal.drained == stats.count > 0
    assert removal.dropped == stats.drops["cluster-removed"] == 30 - stats.count


def test_frames_beyond_the_caps_go_by_the_sources_policy(site: Site) -> None:
    site.create("a", "b")
    site.placement.create_mapping(SOURCE, "local", {"max_frames": 4})
    frames = frames_of(number=4)
    site.tiers.put_many(frames)
    site.placement.reassign_source(SOURCE, "local", "b")
    newer = frames_of(number=3, start=100)
    site.tiers.put_many(newer)

    removal = site.placement.remove_cluster("a")

    held = site.store("b")
    assert held.stats(SOURCE).count == 4
    assert removal.drained + removal.dropped == 4
    assert held.stats(SOURCE).drops["evicted-unread"] == 3
    assert {frame.key for frame in newer} < set(held.scan(source=SOURCE))


def test_what_was_written_again_since_is_not_overwritten(site: Site) -> None:
    site.create("a", "b")
    site.placement.create_mapping("api", "local")
    site.tiers.put(Frame("k", b"old", source="api"))
    site.tiers.put(Frame("l", b"old", source="api"))
    site.placement.reassign_source("api", "local", "b")
    site.tiers.put(Frame("k", b"new", source="api"))

    assert site.placement.remove_cluster("a").drained == 1

    found = site.store("b").get_many(["k", "l"], source="api")
    assert [frame and bytes(frame.view()) for frame in found] == [b"new", b"old"]


def test_a_dead_cluster_is_removed_and_what_it_held_is_lost(site: Site) -> None:
    site.create("a")
    for n in range(5):
        site.placement.create_mapping(f"s{n}", "local")
    site.create("b")
    site.driver.stop("a")

    removal = site.placement.remove_cluster("a")

    assert removal == Removal([f"s{n}" for n in range(5)], [], drained=0, dropped=0, answered=False)
    assert [(load.cluster, len(load.sources)) for load in site.routing.loads("local")] == [("b", 5)]
    assert [route.previous for n in range(5) for route in site.placement.mapping(f"s{n}")] == [()] * 5


def test_a_removal_that_was_cut_short_is_finished_by_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.create("a")
    site.placement.create_mapping(SOURCE, "local")
    frames = frames_of(number=10)
    site.tiers.put_many(frames)
    site.create("b")
    sent = 0
    deleting = MemoryStore.delete

    def delete(store: MemoryStore, key: str, *, source: str | None = None) -> bool:
        nonlocal sent
        sent += 1
        if sent == 5:
            raise KeyboardInterrupt  # in the middle of draining: a frame is on both clusters
        return deleting(store, key, source=source)

    monkeypatch.setattr(MemoryStore, "delete", delete)
    with pytest.raises(KeyboardInterrupt):
        site.placement.remove_cluster("a")
    assert "a" in site.clusters.names()

    removal = site.placement.remove_cluster("a")

    assert (removal.moved, removal.drained) == ([], 6)
    assert site.store("b").stats(SOURCE).count == 10
    assert site.store("b").stats(SOURCE).drops == {}
    with pytest.raises(NotFoundError, match="Cluster a does not exist"):
        site.placement.remove_cluster("a")


def test_objects_and_streams_of_a_removed_instance_are_forgotten(site: Site) -> None:
    site.create("mem", accepts_sources=False)
    site.routing.register_object("k", "mem", "in-memory")
    site.routing.register_object("l", "mem", "in-memory", copies=[Copy("local", "storage")])
    site.routing.register_stream("q", "mem")
    site.store("mem").put(Frame("k", b"v"))

    removal = site.placement.remove_cluster("mem")

    assert (removal.moved, removal.dropped) == ([], 1)
    assert [route.key for route in site.routing.query_objects()] == ["l"]
    assert site.routing.query_streams() == []


def test_the_nodes_own_cluster_and_an_unknown_one_are_not_removed(site: Site) -> None:
    site.create("local", "b")
    site.placement.create_mapping(SOURCE, "local")
    with pytest.raises(ConflictError, match="cluster local is the node's own"):
        site.placement.remove_cluster("local")
    with pytest.raises(NotFoundError, match="Cluster nowhere does not exist"):
        site.placement.remove_cluster("nowhere")
    assert site.clusters.names() == ["b", "local"]
    assert site.placement.mapping(SOURCE)[0].epoch == 1


def test_sources_of_several_nodes_go_each_to_a_cluster_of_its_node(site: Site) -> None:
    site.create("local", "b")
    site.placement_of("north").place(SOURCE)  # its node has no cluster, and so it is on `local`
    site.placement.create_mapping("site:x", "local")
    assert site.placement.load("b").sources == ("site:x",)
    site.create("c", node_tag="north")

    assert site.placement.reassign_source(SOURCE, "north", "c").cluster == "c"
    assert site.placement.remove_cluster("c").unassigned == [SOURCE]
    assert site.placement_of("north").connection(source=SOURCE).cluster == "local"


def test_the_reconciler_finishes_a_removal_with_its_sources(site: Site) -> None:
    site.create("a")
    site.placement.create_mapping(SOURCE, "local")
    site.tiers.put_many(frames_of(number=3))
    site.create("b")
    RegisteredClusters(site.engine, installation=site.driver.installation).set_state("a", "removing")

    site.clusters.mend("a", remove=site.placement.remove_cluster)

    assert site.clusters.names() == ["b"]
    assert site.store("b").stats(SOURCE).count == 3


def test_a_store_of_a_removed_cluster_answers_no_more(site: Site) -> None:
    site.create("a", "b")
    assert site.store("a").put(Frame("k", b"v"))
    site.placement.remove_cluster("a")
    with pytest.raises((StoreUnavailableError, NotFoundError)):
        site.store("a").get("k")
