"""The reader of earlier deployments, as it meets faults."""

import time
from pathlib import Path

import pytest

from framedb.resp import Redis
from framedb_api.env import Env
from framedb_api.framedb import FrameDB
from tests.acceptance.compat.instances import memory
from tests.acceptance.conftest import UpNode, node_on, until
from tests.acceptance.test_clusters import SMALL, cluster_of_three, master_of, member_at, post, process_of, whole


def test_a_source_nobody_knows_is_placed_or_refused_as_was_said(up: UpNode, framedb: FrameDB) -> None:
    assert framedb.get_frames_from("new-source", ["a"]) == (True, [None])
    assert post(up.url, "/routing/getMapping", sourceId="new-source")["nodeTags"] == ["local"]
    with FrameDB({}, Env(routing_url=up.url, on_demand_connections=False)) as strict:
        read, why = strict.get_frames_from("another-source", ["a"])
        assert not read
        assert "another-source" in why
        assert strict.register_frame_delete_channel("another-source")[0] is False
        assert strict.get_frames_from("new-source", ["a"]) == (True, [None])


def test_the_entry_of_our_own_node_is_read_else_the_first(up: UpNode) -> None:
    post(up.url, "/cluster/createCluster", clusterName="far", nodeTag="far", replicas=1, enableMetrics=False, quorum=1)
    try:
        for tag in ("local", "far"):
            post(up.url, "/routing/createMapping", sourceId="both", nodeTag=tag)
        post(up.url, "/routing/createMapping", sourceId="only-far", nodeTag="far")
        near, far = (FrameDB({}, Env(routing_url=up.url, framedb_node_tag=tag)) for tag in ("local", "far"))
        with near, far:
            for framedb, data in ((near, b"near"), (far, b"far")):
                assert framedb.push_sync(connection_of(framedb, "both"), {"k": data})[0]
            assert near.get_frames_from("both", ["k"]) == (True, [b"near"])
            assert far.get_frames_from("both", ["k"]) == (True, [b"far"])
            assert far.push_sync(connection_of(far, "only-far"), {"k": b"x"})[0]
            assert near.get_frames_from("only-far", ["k"]) == (True, [b"x"])
    finally:
        post(up.url, "/cluster/removeCluster", clusterName="far")


def test_a_wrong_password_is_told_and_not_shown(up: UpNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEDB_WAIT", "1")
    with FrameDB({}, Env(routing_url=up.url, framedb_password="not-the-one")) as framedb:
        read, why = framedb.get_frames_from("camera-001", ["a"])
    assert not read
    assert "FRAMEDB_PASSWORD" in why
    assert "not-the-one" not in why


def test_the_socket_in_the_data_folder_is_used(up: UpNode) -> None:
    env = Env(routing_url=up.url, enable_uds_connections=True, uds_vmount=str(up.data_dir))
    with FrameDB({}, env) as framedb:
        connection = connection_of(framedb, "camera-001")
        assert connection.connection_pool.connection_kwargs["path"] == str(up.data_dir / "local.sock")
        assert framedb.push_sync(connection, {"by-socket": b"x"})[0]
    with FrameDB({}, Env(routing_url=up.url)) as other:
        assert other.get_frames_from("camera-001", ["by-socket"]) == (True, [b"x"])


def test_readers_writers_and_releases_go_on_after_the_master_has_died(up: UpNode, soak: int) -> None:
    with cluster_of_three(up, "compat-three", "hall"), FrameDB({}, Env(routing_url=up.url)) as framedb:
        for turn in range(min(soak, 10) or 1):
            until(lambda: whole(up, "compat-three"), "all three members", seconds=60)
            prefix = f"hall?0?0__{turn}"
            connection = connection_of(framedb, "hall")
            outputs = {f"{prefix}__80x60": b"x", f"ref__{prefix}": 2}
            assert framedb.push_sync(connection, outputs) == (True, "Wrote keys to FrameDB")
            time.sleep(0.5)  # replicas follow in milliseconds; a write that is not replicated may be lost
            process = process_of(up.data_dir, member_at(up.url, "compat-three", master_of(up.url, "compat-three")))
            assert process is not None
            process.kill()
            for _ in range(2):
                framedb.decr_batch_keys("hall", {f"ref__{prefix}": (1, ["80x60"])})
            assert framedb.push_sync(connection, {f"after:{turn}": b"y"}) == (True, "Wrote keys to FrameDB")
            assert framedb.get_frames_from("hall", [f"after:{turn}"]) == (True, [b"y"])
            frames = list(outputs)[:1]
            until(lambda frames=frames: framedb.get_frames_from("hall", frames) == (True, [None]), "the release")  # type: ignore[misc]
            answered, fresh = framedb._FrameDB__handle_new_connection("hall")  # type: ignore[attr-defined]
            assert answered, fresh
            assert fresh.set("direct", b"z")


def test_a_source_that_moves_is_followed_and_its_frames_stay_readable(up: UpNode) -> None:
    post(up.url, "/cluster/createClusters", clusterPrefix="compat", startIndex=0, nClusters=2, nodeTag="moving",
         replicas=1, enableMetrics=False, quorum=1)  # fmt: skip
    try:
        post(up.url, "/routing/createMapping", sourceId="yard", nodeTag="moving")
        reader, producer = (FrameDB({}, Env(routing_url=up.url)) for _ in range(2))
        with reader, producer:
            connection = connection_of(producer, "yard")
            outputs = {"yard?0?0__1__80x60": b"1", "ref__yard?0?0__1": 1}
            assert producer.push_sync(connection, outputs)[0]
            old = post(up.url, "/routing/getMapping", sourceId="yard")["framedbNodes"][0]["cluster_name"]
            new = "compat-1" if old == "compat-0" else "compat-0"
            assert reader.get_frames_from("yard", ["yard?0?0__1__80x60"]) == (True, [b"1"])
            post(up.url, "/routing/ressignSource", nodeTag="moving", sourceId="yard", framedb=new)
            assert producer.push_sync(connection, {"yard?0?0__2__80x60": b"2", "ref__yard?0?0__2": 1})[0]
            with memory(up, new) as instance:
                assert instance.redis.get("yard?0?0__2__80x60") == b"2"
            both = ["yard?0?0__1__80x60", "yard?0?0__2__80x60"]
            until(lambda: reader.get_frames_from("yard", both) == (True, [b"1", b"2"]), "the reader to see the move")
            reader.decr_batch_keys("yard", {f"ref__yard?0?0__{n}": (1, ["80x60"]) for n in (1, 2)})
            until(lambda: reader.get_frames_from("yard", both) == (True, [None, None]), "both to be released")
    finally:
        post(up.url, "/cluster/removeClusters", clusterList=["compat-0", "compat-1"])


def test_the_node_may_be_away_while_frames_are_read(tmp_path: Path) -> None:
    with node_on(tmp_path, "--no-workers", **SMALL) as node, FrameDB({}, Env(routing_url=node.url)) as framedb:
        connection = connection_of(framedb, "camera-001")
        assert framedb.push_sync(connection, {"k": b"x"})[0]
        node.kill()
        time.sleep(2.1)  # what is known of the source is old by now
        assert framedb.get_frames_from("camera-001", ["k", "gone"]) == (True, [b"x", None])
        assert framedb.push_sync(connection, {"l": b"y"})[0]


def connection_of(framedb: FrameDB, source: str) -> Redis:
    answered, connection = framedb._FrameDB__handle_new_connection(source)  # type: ignore[attr-defined]
    assert answered, connection
    return connection  # type: ignore[no-any-return]
