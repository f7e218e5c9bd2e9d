"""The routing service: sources, back-pressure, objects and streams."""

from typing import Any
from urllib.parse import quote

import pytest

from framedb.frame import CameraKey, Frame, utc_now
from framedb.node.control_plane import ControlPlane
from tests.live import Live

OBJECT: dict[str, Any] = {"object_id": "one", "framedb_id": "alpha", "framedb_type": "in-memory"}


@pytest.fixture
def source(routing: Live, cluster: str) -> str:
    """A source on the cluster's node."""
    name = "site:cam"
    routing.request("POST", "/routing/removeMapping", {"sourceId": name, "nodeTag": "tag-a"})
    routing.call("/routing/createMapping", sourceId=name, nodeTag="tag-a", metadata={"sizes": ["416x416"]})
    return name


# Sources


def test_a_source_is_placed_told_and_forgotten(routing: Live, cluster: str, source: str) -> None:
    mapping = routing.call("/routing/getMapping", sourceId=source)
    assert (mapping["sourceId"], mapping["nodeTags"]) == (source, ["tag-a"])
    (node,) = mapping["framedbNodes"]
    master = routing.call("/discovery/getMaster", framedb_id=cluster)
    assert (node["masterIP"], node["redisPort"]) == (master["masterHost"], master["masterPort"])
    assert (node["cluster_name"], node["serviceName"], node["nodeTag"]) == (cluster, "alpha-redis", "tag-a")
    assert node["sentinels"] == [f"{node['serviceIp']}:{node['sentinelPort']}"]
    assert node["previous"] == []
    assert node["metadata"]["sizes"] == ["416x416"]

    again = routing.refused("/routing/createMapping", sourceId=source, nodeTag="tag-a")
    assert again == (409, "Mapping already exist, no need to update")
    routing.call("/routing/updateMapping", sourceId=source, nodeTag="tag-a")
    routing.call("/routing/removeMapping", sourceId=source, nodeTag="tag-a")
    assert routing.refused("/routing/getMapping", sourceId=source) == (404, f"No source {source}")
    for call in ("removeMapping", "updateMapping", "getMappingMetadata"):
        assert routing.refused(f"/routing/{call}", sourceId=source, nodeTag="tag-a")[0] == 404


def test_a_node_without_clusters_takes_no_source(routing: Live, cluster: str) -> None:
    status, why = routing.refused("/routing/createMapping", sourceId="site:other", nodeTag="nowhere")
    assert status in (404, 409)
    assert "nowhere" in why
    assert routing.refused("/routing/getMapping", sourceId="site:other") == (404, "No source site:other")


def test_sources_are_listed_by_cluster_and_by_node(routing: Live, cluster: str, source: str) -> None:
    assigned = routing.call("/routing/getSourcesByInstance", framedb=cluster)
    assert assigned == {"_id": cluster, "sources": [source], "nodeTag": "tag-a", "sourceCount": 1}
    by_node = routing.call("/routing/getSourcesByNode", nodeTag="tag-a")
    assert by_node == {"nodeTag": "tag-a", "framedbInstances": {cluster: assigned}}
    for call in ("getLeastAssignedInstance", "getMaxAssignedInstance"):
        assert routing.call(f"/routing/{call}", nodeTag="tag-a") == assigned
    assert routing.refused("/routing/getSourcesByInstance", framedb="no-such")[0] == 404


def test_what_is_known_of_a_mapping_is_kept(routing: Live, source: str) -> None:
    told = {"sizes": ["640x480"], "ref_count": 2, "fps": 12.5}
    routing.call("/routing/updateMetadata", sourceId=source, nodeTag="tag-a", metadata=told)
    kept = routing.call("/routing/getMappingMetadata", sourceId=source, nodeTag="tag-a")
    assert {name: kept[name] for name in told} == told


def test_back_pressure_is_put_on_and_taken_off(routing: Live, source: str) -> None:
    for call, on in (("enable", True), ("disable", False)):
        routing.call(f"/backpressure/{call}", sourceId=source)
        (node,) = routing.call("/routing/getMapping", sourceId=source)["framedbNodes"]
        assert node["backpressure"] is on
    assert routing.refused("/backpressure/enable", sourceId="no:such")[0] == 404


def test_sources_move_between_clusters_under_either_spelling(
    config: Live, routing: Live, cluster: str, source: str
) -> None:
    nowhere = routing.refused("/routing/reassignInstance", nodeTag="tag-a", framedb=cluster)
    assert nowhere[0] == 409
    config.call(
        "/cluster/createCluster", clusterName="beta", nodeTag="tag-a", replicas=1, enableMetrics=False, quorum=1
    )
    try:
        assert routing.call("/routing/getLeastAssignedInstance", nodeTag="tag-a")["_id"] == "beta"
        assert routing.call("/routing/getMaxAssignedInstance", nodeTag="tag-a")["_id"] == cluster
        for spelling, to in (("ressignSource", "beta"), ("reassignSource", cluster), ("ressignSource", "beta")):
            routing.call(f"/routing/{spelling}", nodeTag="tag-a", sourceId=source, framedb=to)
            (node,) = routing.call("/routing/getMapping", sourceId=source)["framedbNodes"]
            assert node["cluster_name"] == to
        assert routing.refused("/routing/ressignSource", nodeTag="tag-a", sourceId=source, framedb="nope")[0] == 404
        assert "1" in routing.call("/routing/reassignInstance", nodeTag="tag-a", framedb="beta")
        (node,) = routing.call("/routing/getMapping", sourceId=source)["framedbNodes"]
        assert node["cluster_name"] == cluster
    finally:
        config.call("/cluster/removeCluster", clusterName="beta")


def test_a_source_whose_cluster_is_removed_is_unassigned_and_never_left_pointing_at_it(
    config: Live, routing: Live
) -> None:
    config.call(
        "/cluster/createCluster", clusterName="gone", nodeTag="tag-g", replicas=1, enableMetrics=False, quorum=1
    )
    routing.call("/routing/createMapping", sourceId="lost:cam", nodeTag="tag-g")
    config.call("/cluster/removeCluster", clusterName="gone")
    assert routing.call("/routing/getMapping", sourceId="lost:cam") == {
        "sourceId": "lost:cam",
        "nodeTags": ["tag-g"],
        "framedbNodes": [],
    }


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/routing/createMapping", {"nodeTag": "tag-a"}, "Missing field sourceId"),
        ("/routing/createMapping", {"sourceId": "a:b"}, "Missing field nodeTag"),
        ("/routing/createMapping", {"sourceId": "no spaces", "nodeTag": "tag-a"}, "no spaces"),
        ("/routing/createMapping", {"sourceId": "x" * 129, "nodeTag": "tag-a"}, "source"),
        ("/routing/createMapping", {"sourceId": 7, "nodeTag": "tag-a"}, "sourceId: "),
        ("/routing/createMapping", {"sourceId": "a:b", "nodeTag": "tag-a", "metadata": "x"}, "metadata: "),
        ("/routing/createMapping", {"sourceId": "a:b", "nodeTag": "tag-a", "metadata": {"policy": "keep"}}, "policy"),
        ("/routing/createMapping", {"sourceId": "a:b", "nodeTag": "tag-a", "node": 1}, "Unknown field node"),
        ("/routing/getMapping", {}, "Missing field sourceId"),
        ("/routing/ressignSource", {"sourceId": "a:b", "nodeTag": "tag-a"}, "Missing field framedb"),
        ("/routing/updateMetadata", {"sourceId": "a:b", "nodeTag": "tag-a"}, "Missing field metadata"),
        ("/backpressure/enable", {"sourceId": None}, "sourceId: "),
    ],
)
def test_what_cannot_be_routed_is_a_400_that_says_why(
    routing: Live, cluster: str, path: str, body: dict[str, Any], said: str
) -> None:
    status, why = routing.refused(path, **body)
    assert status == 400
    assert said in why


# Objects


@pytest.mark.parametrize(
    "key",
    [
        "one",
        "a/b/c",
        "with space",
        "ünïcode/✓",
        "a%2Fb",
        "what?#&=+;",
        "x/update",
        "x/copy-exists/y",
        "new\nline\n",
        ".",
        "..",
        "//",
    ],
)
def test_an_object_of_any_name_is_registered_found_changed_and_forgotten(routing: Live, key: str) -> None:
    path = f"/framedb/objects/{quote(key, safe='').replace('.', '%2E')}"
    inserted = routing.request("POST", "/framedb/objects", {**OBJECT, "object_id": key, "size": 7})
    assert (inserted.status, inserted.json()) == (201, {"success": True, "message": "Object inserted", "id": key})
    again = routing.request("POST", "/framedb/objects", {**OBJECT, "object_id": key, "metadata": {"n": 1}})
    assert (again.status, again.json()["message"]) == (200, "Object updated")
    assert routing.call(path, method="GET") == {
        **OBJECT,
        "object_id": key,
        "copies": [{"framedb_id": "alpha", "framedb_type": "in-memory"}],
        "size": None,
        "metadata": {"n": 1},
    }
    routing.call(f"{path}/update", size=12)
    routing.call(f"{path}/add-copy", framedb_id="disk", framedb_type="storage")
    assert routing.request("GET", f"{path}/copy-exists/disk").json()["message"] == "Copy exists"
    routing.call(f"{path}/remove-copy", framedb_id="disk")
    assert routing.refused(f"{path}/copy-exists/disk", method="GET") == (404, "Copy does not exist")
    found = routing.call(path, method="GET")
    assert (found["size"], len(found["copies"])) == (12, 1)
    assert routing.refused(f"{path}/remove-copy", framedb_id="alpha")[0] == 409
    assert routing.request("DELETE", path).status == 200
    assert routing.refused(path, method="GET") == (404, "No document found")
    assert routing.refused(path, method="DELETE") == (404, "No document found")
    assert routing.refused(f"{path}/update", size=1) == (404, "No document found")


def test_a_registered_object_is_not_hidden_by_a_frame_in_memory_that_it_does_not_name(
    routing: Live, plane: ControlPlane, cluster: str, source: str
) -> None:
    key = str(CameraKey("site", "cam", utc_now()))
    memory = plane.connections.memory(cluster)
    for where, kept in (
        ({"framedb_id": cluster, "framedb_type": "in-memory"}, True),
        ({"framedb_id": "disk", "framedb_type": "storage"}, False),
    ):
        memory.put(Frame(key, b"a frame", source=source))
        routing.request("POST", "/framedb/objects", {"object_id": key, **where})
        assert (memory.get(key, source=source) is not None) is kept
    routing.request("DELETE", f"/framedb/objects/{key}")


def test_slashes_in_ids_need_no_quotes(routing: Live) -> None:
    routing.request("POST", "/framedb/objects", {**OBJECT, "object_id": "clips/hall/1"})
    assert routing.call("/framedb/objects/clips/hall/1", method="GET")["object_id"] == "clips/hall/1"
    assert routing.request("GET", "/framedb/objects/clips/hall/1/copy-exists/alpha").status == 200
    routing.call("/framedb/objects/clips/hall/1/update", size=1)
    assert routing.request("DELETE", "/framedb/objects/clips/hall/1").status == 200


def test_objects_are_listed_by_filters_a_page_at_a_time(routing: Live) -> None:
    for number in range(5):
        routing.request(
            "POST",
            "/framedb/objects",
            {"object_id": f"page/{number}", "framedb_id": "pager", "framedb_type": "storage"},
        )
    keys: list[str] = []
    after: str | None = ""
    while after is not None:
        page = routing.request("GET", f"/framedb/objects?framedb_id=pager&limit=2&after={quote(after)}").json()
        keys += [each["object_id"] for each in page["data"]]
        after = page["next"]
    assert keys == [f"page/{number}" for number in range(5)]
    in_body = routing.request("GET", "/framedb/objects", {"framedb_id": "pager", "object_id": "page/3"}).json()
    assert [each["object_id"] for each in in_body["data"]] == ["page/3"]
    for key in keys:
        routing.request("DELETE", f"/framedb/objects/{key}")


@pytest.mark.parametrize(
    ("query", "body", "said"),
    [
        ("?colour=red", None, "Unknown field colour"),
        ("?limit=0", None, "limit: "),
        ("?limit=many", None, "limit: "),
        ("?framedb_type=tape", None, "framedb_type: "),
        ("", {"framedb_id": {"$ne": ""}}, "framedb_id: "),
        ("", {"$where": "1"}, "Unknown field $where"),
        ("", b"{", "the body is no JSON"),
        ("", [1], "must be a JSON object"),
    ],
)
def test_a_filter_that_is_none_is_refused(routing: Live, query: str, body: Any, said: str) -> None:
    answer = routing.request("GET", f"/framedb/objects{query}", body)
    assert answer.status == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "Missing field: object_id"),
        ({"object_id": "x", "framedb_id": "a"}, "Missing field: framedb_type"),
        ({**OBJECT, "framedb_type": "tape"}, "framedb_type: "),
        ({**OBJECT, "framedb_id": "no spaces"}, "framedb_id: "),
        ({**OBJECT, "object_id": ""}, "key"),
        ({**OBJECT, "object_id": "fdb:mine"}, "fdb:"),
        ({**OBJECT, "object_id": "x" * 1025}, "1025 bytes"),
        ({**OBJECT, "size": -1}, "size: "),
        ({**OBJECT, "size": 2**63}, "size: "),
        ({**OBJECT, "size": True}, "size: "),
        ({**OBJECT, "copies": [{"framedb_id": "a"}]}, "Missing field: copies.0.framedb_type"),
        ({**OBJECT, "metadata": {"x": "y" * 1024 * 1024}}, "metadata"),
        ({**OBJECT, "owner": "me"}, "Unknown field owner"),
    ],
)
def test_an_object_that_cannot_be_is_a_400_that_says_why(routing: Live, body: dict[str, Any], said: str) -> None:
    status, why = routing.refused("/framedb/objects", **body)
    assert status == 400
    assert said in why


# Streams


@pytest.mark.parametrize("name", ["detections", "a/b", "ünï code", "x/update"])
def test_a_stream_is_registered_found_changed_and_forgotten(routing: Live, name: str) -> None:
    path = f"/framedb/streams/{quote(name, safe='')}"
    body = {"queue_name": name, "framedb_id": "alpha", "metadata": {"model": "v1"}}
    assert routing.request("POST", "/framedb/streams", body).status == 201
    assert routing.request("POST", "/framedb/streams", body).status == 200
    routing.call(f"{path}/update", metadata={"model": "v2"})
    told = {**body, "metadata": {"model": "v2"}}
    assert routing.call(path, method="GET") == told
    assert told in routing.call("/framedb/streams?framedb_id=alpha", method="GET")
    assert routing.call("/framedb/streams?framedb_id=other", method="GET") == []
    assert routing.request("DELETE", path).status == 200
    assert routing.refused(path, method="GET") == (404, "No document found")
    assert routing.refused(path, method="DELETE") == (404, "No document found")
