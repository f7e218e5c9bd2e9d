"""Moving sources between clusters, while they are written and read."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from framedb.errors import ConflictError, InvalidInputError, NotFoundError, StaleWriterError, StoreUnavailableError
from framedb.frame import Frame, utc_now
from framedb.stores.memory import Fence
from tests.engines.cluster import eventually
from tests.integration.placement.conftest import SOURCE, Listener, Site, frames_of


def test_old_frames_stay_readable_after_a_move_and_are_named_until_they_expire(site: Site, listener: Listener) -> None:
    site.create("a", "b")
    site.placement.create_mapping(SOURCE, "local", {"max_frames": 50})
    old, new = frames_of(number=5), frames_of(number=3, start=10)
    site.tiers.put_many(old, ttl=60.0)

    moved = site.placement.reassign_source(SOURCE, "local", "b")
    site.tiers.put_many(new)

    assert (moved.cluster, moved.epoch) == ("b", 2)
    (previous,) = moved.previous
    assert previous.cluster == "a"
    assert previous.until is not None
    assert timedelta(seconds=50) < previous.until - utc_now() < timedelta(seconds=61)
    assert [site.store(name).stats(SOURCE).count for name in ("a", "b")] == [5, 3]
    assert site.store("b").policy(SOURCE)["max_frames"] == "50"
    assert (site.epoch("a"), site.epoch("b")) == (2, 2)
    with site.client() as reader:
        keys = [frame.key for frame in old + new]
        assert [frame and frame.key for frame in reader.get_many(keys)] == keys
        assert [frame.key for frame in reader.range(SOURCE, old[0].captured_at, utc_now())] == keys
    assert [listener.next()[1], listener.next()[1:]] == [
        "add",
        (
            "update",
            {
                "sourceId": SOURCE, "nodeTag": "local", "cluster_name": "b", "epoch": 2, "durable": False,
                "metadata": {"max_frames": 50},
                "previous": [{"cluster_name": "a", "until": previous.until.isoformat()}],
            },
        ),
    ]  # fmt: skip


def test_frames_without_an_end_are_named_for_ever_and_none_are_not_named(site: Site) -> None:
    site.create("a", "b", "c")
    site.placement.create_mapping(SOURCE, "local")
    assert site.placement.reassign_source(SOURCE, "local", "b").previous == ()

    site.placement.update_metadata(SOURCE, "local", {"ttl_s": None})
    site.tiers.put_many(frames_of(number=2))
    moved = site.placement.reassign_source(SOURCE, "local", "c")

    assert [(place.cluster, place.until) for place in moved.previous] == [("b", None)]
    back = site.placement.reassign_source(SOURCE, "local", "b")
    assert back.previous == ()
    assert site.placement.reassign_source(SOURCE, "local", "b") == back


def test_a_writer_with_the_old_route_is_refused_at_the_old_cluster(site: Site) -> None:
    site.create("a", "b")
    route = site.placement.create_mapping(SOURCE, "local")
    site.placement.reassign_source(SOURCE, "local", "b")
    with pytest.raises(StaleWriterError):
        site.store("a").put_many(frames_of(number=1), fence=Fence(epoch=route.epoch))
    assert site.store("a").stats(SOURCE).count == 0


def test_a_move_to_where_a_source_cannot_go_changes_nothing(site: Site) -> None:
    site.create("a")
    site.create("closed", accepts_sources=False)
    site.create("far", node_tag="north")
    site.create("dead")
    site.driver.stop("dead")
    route = site.placement.create_mapping(SOURCE, "local")
    for cluster, error in (
        ("closed", ConflictError),
        ("far", InvalidInputError),
        ("nowhere", NotFoundError),
        ("no label!", InvalidInputError),
        ("dead", StoreUnavailableError),
    ):
        with pytest.raises(error):
            site.placement.reassign_source(SOURCE, "local", cluster)
    with pytest.raises(NotFoundError, match="No source other"):
        site.placement.reassign_source("other", "local", "a")
    assert site.placement.mapping(SOURCE) == [route]
    assert site.epoch("a") == 1


def test_a_source_leaves_a_cluster_that_does_not_answer(site: Site) -> None:
    site.create("a", "b")
    site.placement.create_mapping(SOURCE, "local", {"ttl_s": 90})
    site.driver.stop("a")

    moved = site.placement.reassign_source(SOURCE, "local", "b")

    (previous,) = moved.previous
    assert previous.until is not None
    assert timedelta(seconds=80) < previous.until - utc_now() <= timedelta(seconds=90)
    assert site.tiers.put(frames_of(number=1)[0])


def test_every_source_of_a_cluster_is_moved_to_the_least_loaded_others(site: Site) -> None:
    site.create("a")
    for n in range(6):
        site.placement.create_mapping(f"s{n}", "local")
    with pytest.raises(ConflictError, match="node local has no cluster other than a"):
        site.placement.reassign_cluster("local", "a")
    assert len(site.placement.load("a").sources) == 6
    assert site.epoch("a", "s0") == 1
    site.create("b", "c")
    site.create("far", node_tag="north")

    assert site.placement.reassign_cluster("local", "a") == [f"s{n}" for n in range(6)]

    assert [len(load.sources) for load in site.routing.loads("local")] == [0, 3, 3]
    assert site.placement.least_loaded("local").cluster == "a"
    assert site.placement.most_loaded("local").cluster == "b"
    assert site.placement.reassign_cluster("local", "a") == []
    with pytest.raises(InvalidInputError, match="cluster far is on node north, not local"):
        site.placement.reassign_cluster("local", "far")
    with pytest.raises(NotFoundError, match="Cluster nowhere does not exist"):
        site.placement.reassign_cluster("local", "nowhere")


def test_a_move_cut_short_after_the_old_cluster_was_told_locks_nobody_out(site: Site) -> None:
    site.create("a", "b")
    route = site.placement.create_mapping(SOURCE, "local")
    site.store("a").raise_epoch(SOURCE, route.epoch + 1)  # and there the program that moves it died

    assert site.tiers.put(frames_of(number=1)[0])

    assert site.placement.mapping(SOURCE)[0].epoch == site.epoch("a") == 2


def test_a_restart_finds_a_move_that_was_cut_short(site: Site) -> None:
    site.create("a")
    route = site.placement.create_mapping(SOURCE, "local")
    site.store("a").raise_epoch(SOURCE, route.epoch + 4)
    site.placement.restore("a")
    assert site.placement.mapping(SOURCE)[0].epoch == site.epoch("a") == 5


def test_no_frame_is_lost_or_twice_while_a_source_moves_again_and_again(site: Site, soak: int) -> None:
    site.create("a", "b", "c")
    site.placement.create_mapping(SOURCE, "local")
    stop = threading.Event()
    written: list[Frame] = []

    def write(part: int) -> None:
        with site.client() as writer:
            for n in range(10_000):
                if stop.is_set():
                    return
                frame = frames_of(number=1, start=part * 10_000 + n, size=100)[0]
                assert writer.put(frame, ttl=600.0)
                written.append(frame)

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, part) for part in range(2)]
        try:
            for turn in range(soak * 10 or 12):
                before = len(written)
                site.placement.reassign_source(SOURCE, "local", "bca"[turn % 3])
                eventually(lambda before=before: len(written) > before or any(w.done() for w in writers), "a write")  # type: ignore[misc]
        finally:
            stop.set()
        for writer in writers:
            writer.result()

    with site.client() as reader:
        found = reader.get_many([frame.key for frame in written])
    assert all(found)
    counts = [site.store(name).stats(SOURCE).count for name in "abc"]
    assert sum(counts) == len(written)


def test_a_source_moved_by_many_at_once_ends_up_in_one_place(site: Site) -> None:
    site.create("a", "b", "c")
    site.placement.create_mapping(SOURCE, "local")

    def move(n: int) -> None:
        for turn in range(4):
            with suppress(ConflictError):  # overtaken too often
                site.placement.reassign_source(SOURCE, "local", "abc"[(n + turn) % 3])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(move, range(4)))

    (route,) = site.placement.mapping(SOURCE)
    assert sum(len(load.sources) for load in site.routing.loads("local")) == 1
    assert site.tiers.put(frames_of(number=1)[0])
    assert route.cluster is not None
    assert site.store(route.cluster).stats(SOURCE).count == 1
