"""The config service: each call, with what it answers to what cannot be."""

from typing import Any

import pytest

from framedb.node.control_plane import ControlPlane
from framedb.resp import close_redis, open_redis
from framedb.resp.connection import parse_redis_url
from tests.live import Live

NEW: dict[str, Any] = {
    "clusterName": "new", "nodeTag": "tag-n", "replicas": 1, "enableMetrics": False, "quorum": 1,
}  # fmt: skip
MANY: dict[str, Any] = {
    "clusterPrefix": "many", "startIndex": 7, "nClusters": 2, "nodeTag": "tag-m", "replicas": 1,
    "enableMetrics": False, "quorum": 1,
}  # fmt: skip
INSTANCE: dict[str, Any] = {"framedb_id": "mem", "node_id": "tag-i", "cluster_id": "site-1"}


# Clusters


def test_a_cluster_is_made_told_and_removed(config: Live) -> None:
    assert config.call("/cluster/createCluster", **NEW) == "Cluster created"
    told = config.call("/cluster/getClusterInfo", clusterName="new")
    assert (told["_id"], told["node_tag"], told["state"]) == ("new", "tag-n", "ready")
    assert told["clusterPods"] == ["new-redis-node-0"]
    assert told["svc_name"] == "new-redis"
    (member,) = told["members"]
    assert (member["role"], member["state"], member["port"]) == ("master", "online", told["master_port"])
    assert member["maxmemory_bytes"] == 16 * 2**20
    assert (told["sources"], told["metrics_port"]) == (0, None)

    assert config.refused("/cluster/createCluster", **NEW) == (409, "Cluster already exists!")
    listed = config.request("GET", "/v1/clusters").json()["clusters"]
    assert "new" in [each["_id"] for each in listed]

    assert config.call("/cluster/removeCluster", clusterName="new") == "Deleted cluster"
    for call in ("/cluster/removeCluster", "/cluster/getClusterInfo", "/cluster/synchronizeCluster"):
        assert config.refused(call, clusterName="new") == (404, "Cluster new does not exist")


def test_clusters_are_made_and_removed_by_the_dozen(config: Live, cluster: str) -> None:
    assert config.call("/cluster/createClusters", **MANY) == "Created 2 clusters."
    again = config.refused("/cluster/createClusters", **{**MANY, "nClusters": 1})
    assert again[0] == 409
    assert "many-7: Cluster already exists!" in again[1]
    names = ["many-7", "no-such", "many-8", "many-8", "Not A Name"]
    removed = config.call("/cluster/removeClusters", clusterList=names)
    assert removed == {"nClustersRemoved": 2, "failedRemovals": ["no-such", "Not A Name"]}
    assert config.call("/cluster/synchronize", synchronize=False) == [cluster]


def test_what_the_machine_cannot_hold_is_refused_before_anything_starts(config: Live, plane: ControlPlane) -> None:
    before = plane.clusters.names()
    status, why = config.refused("/cluster/createClusters", **{**MANY, "nClusters": 100})
    assert status == 400
    assert "memory" in why
    status, why = config.refused("/cluster/createCluster", **{**NEW, "replicas": 15})
    assert status == 400
    assert plane.clusters.names() == before
    assert "many-7" not in plane.driver.leftovers()


def test_what_runs_is_found_and_brought_into_the_registry(config: Live, cluster: str) -> None:
    assert cluster in config.call("/cluster/synchronize", synchronize=False)
    assert cluster in config.call("/cluster/synchronize", synchronize=True)
    answer = config.call("/cluster/synchronizeCluster", clusterName=cluster)
    assert answer in ("Nothing to synchronize", "Synchronized with database")


def test_a_cluster_is_scaled_and_warned_about_two_members(config: Live, cluster: str) -> None:
    same = config.call("/replication/createReplication", clusterId=cluster, replicas=1)
    assert same == "Replicas 1 already exist"
    answer = config.request("POST", "/replication/createReplication", {"clusterId": cluster, "replicas": 2}).json()
    assert answer["result"] == "Cluster properly scaled up"
    assert "majority" in answer["warning"]
    assert len(config.call("/discovery/getSlaves", framedb_id=cluster)) == 1
    found = config.call("/discovery/getClusterInfo", framedb_id=f"{cluster}-redis-node-1")["clusterInfo"]
    assert found["masterName"] == "mymaster"
    assert set(found["slaves"][0]) == {"slaveHost", "slavePort"}
    config.call("/replication/createReplication", clusterId=cluster, replicas=1)
    assert config.call("/discovery/getSlaves", framedb_id=cluster) == []


@pytest.mark.parametrize(
    ("path", "change", "said"),
    [
        ("/cluster/createCluster", {"clusterName": "Not_A_Label"}, "is no DNS label"),
        ("/cluster/createCluster", {"clusterName": "x" * 41}, "is no DNS label"),
        ("/cluster/createCluster", {"clusterName": "../../etc"}, "is no DNS label"),
        ("/cluster/createCluster", {"replicas": 0}, "n_replicas must be > 0"),
        ("/cluster/createCluster", {"replicas": "three"}, "replicas: "),
        ("/cluster/createCluster", {"replicas": 2, "quorum": 3}, "quorum 3 must be from 1 to replicas (2)"),
        ("/cluster/createCluster", {"quorum": 0}, "quorum: "),
        ("/cluster/createCluster", {"nodeTag": "no spaces"}, "nodeTag: "),
        ("/cluster/createCluster", {"enableMetrics": "yes"}, "enableMetrics: "),
        ("/cluster/createCluster", {"maxmemory": "1gb"}, "Unknown field maxmemory"),
        ("/cluster/createClusters", {"nClusters": 0}, "Zero deployments not allowed"),
        ("/cluster/createClusters", {"nClusters": 101}, "at most 100"),
        ("/cluster/createClusters", {"startIndex": -1}, "startIndex: "),
        ("/cluster/createClusters", {"clusterPrefix": "x" * 40}, "is no DNS label"),
        ("/cluster/removeClusters", {"clusterList": []}, "clusterList: "),
        ("/cluster/removeClusters", {"clusterList": "alpha"}, "clusterList: "),
        ("/cluster/removeClusters", {"clusterList": [7]}, "clusterList.0: "),
        ("/cluster/synchronize", {"synchronize": 1}, "synchronize: "),
        (
            "/replication/createReplication",
            {"replicas": 0},
            "Scale to Zero is not allowed, delete the deployment instead",
        ),
        ("/replication/createReplication", {"replicas": -1}, "n_replicas must be > 0"),
    ],
)
def test_what_cannot_be_wanted_is_a_400_that_says_why(
    config: Live, path: str, change: dict[str, Any], said: str
) -> None:
    good = {
        "/cluster/createCluster": NEW,
        "/cluster/createClusters": MANY,
        "/replication/createReplication": {"clusterId": "alpha", "replicas": 1},
    }.get(path, {})
    status, why = config.refused(path, **{**good, **change})
    assert status == 400
    assert said in why


@pytest.mark.parametrize("field", list(NEW))
def test_a_missing_field_is_named(config: Live, field: str) -> None:
    body = {name: value for name, value in NEW.items() if name != field}
    assert config.refused("/cluster/createCluster", **body) == (400, f"Missing field {field}")


# Machines


def test_the_machine_is_told_labelled_and_what_runs_there(config: Live, cluster: str) -> None:
    (machine,) = config.call("/node/getNodes", method="GET")
    assert set(machine) == {"labels", "node_info", "ipv4Address", "hostname", "name"}
    name = machine["name"]
    labelled = config.call("/node/labelFramedbNode", nodeName=name, framedbName="tag-a")
    assert labelled["labels"]["framedb"] == "tag-a"
    assert "framedb" not in config.call("/node/unlabelFramedbNode", nodeName=name, framedbName="tag-a")["labels"]
    pods = config.call("/node/getFramedbPods", nodeName=name)
    assert {"pod_name": f"{cluster}-redis-node-0", "ip": "127.0.0.1"} in pods
    (shown,) = config.call("/node/getFramedbNodes", nodeTag="tag-a")
    assert shown["clusterName"] == cluster
    assert shown["masterPort"] == config.call("/discovery/getMaster", framedb_id=cluster)["masterPort"]
    assert config.call("/node/getFramedbNodes", nodeTag="empty") == []
    for call in ("/node/getFramedbPods", "/node/labelFramedbNode", "/node/unlabelFramedbNode"):
        more = {} if call.endswith("Pods") else {"framedbName": "tag-a"}
        assert config.refused(call, nodeName="no-such-machine", **more)[0] == 404


# Discovery, on both services


def test_the_master_is_found_by_cluster_and_by_member_on_both_services(
    config: Live, routing: Live, cluster: str
) -> None:
    for service in (config, routing):
        master = service.call("/discovery/getMaster", framedb_id=cluster)
        assert set(master) == {"masterHost", "masterPort"}
        assert service.call("/discovery/getMaster", framedb_id=f"{cluster}-redis-node-0") == master
        assert service.call("/discovery/getClusterMaster", clusterName=cluster) == master
        for call in ("getMaster", "getSlaves", "getClusterInfo"):
            why = "Failed to get sentinel connection for framedb-xyz"
            assert service.refused(f"/discovery/{call}", framedb_id="framedb-xyz") == (404, why)


# Settings


def test_a_published_setting_is_read_and_set(config: Live, cluster: str) -> None:
    before = config.call("/config/basic/getConfig", framedb_id=cluster, configName="timeout")
    config.call("/config/basic/setConfig", framedb_id=cluster, configName="timeout", value=77)
    assert config.call("/config/basic/getConfig", framedb_id=cluster, configName="timeout") == "77"
    config.call("/config/basic/setConfig", framedb_id=cluster, configName="timeout", value=before)
    for name in ("dir", "loadmodule", "requirepass"):
        status, why = config.refused("/config/basic/setConfig", framedb_id=cluster, configName=name, value="x")
        assert status == 400
        assert "choose one of" in why
    missing = config.refused("/config/basic/getConfig", framedb_id="nobody", configName="timeout")
    assert missing[0] == 404


def test_snapshots_are_taken_on_an_interval_and_now(config: Live, cluster: str) -> None:
    assert config.refused("/config/restore/restoreConfig", framedb_id=cluster)[0] == 404
    config.call("/config/snapshots/setSnapshotInterval", framedb_id=cluster, interval=900, n_keys_changed=10)
    assert config.call("/config/basic/getConfig", framedb_id=cluster, configName="save") == "900 10"
    config.call("/config/snapshots/takeSnapshot", framedb_id=cluster)
    config.call("/config/restore/restoreConfig", framedb_id=cluster)
    config.call("/config/snapshots/setSnapshotInterval", framedb_id=cluster, interval=0, n_keys_changed=1)
    assert config.call("/config/basic/getConfig", framedb_id=cluster, configName="save") == ""


def test_sentinels_are_told_within_bounds(config: Live, cluster: str) -> None:
    options = config.call("/config/getOptions", method="GET")
    assert options["failover-timeout"]["min"] == 1000
    assert options["parallel-syncs"]["max"] == 100
    name = "down-after-milliseconds"
    config.call("/config/setConfig", framedb_id=cluster, configName=name, value=2500)
    assert config.call("/config/getConfig", framedb_id=cluster, configName=name) == 2500
    assert config.refused("/config/setConfig", framedb_id=cluster, configName=name, value=999)[0] == 400
    assert config.refused("/config/setConfig", framedb_id=cluster, configName="auth-pass", value="x")[0] == 400


# Instances


@pytest.mark.parametrize("base", ["/global/framedb/instances", "/framedb/instances"])
def test_an_in_memory_instance_is_made_opened_configured_and_removed(config: Live, routing: Live, base: str) -> None:
    made = config.request("POST", base, {**INSTANCE, "metadata": {"a": 1}, "redis_config": ["maxmemory 20mb"]})
    assert (made.status, made.json()["message"]) == (200, "Instance created in global registry")
    told = config.call(f"{base}/mem", method="GET")
    assert told == routing.call(f"{base}/mem", method="GET")
    assert (told["framedb_id"], told["node_id"], told["cluster_id"]) == ("mem", "tag-i", "site-1")
    assert (told["metadata"], told["port"], told["status"]) == ({"a": 1}, made.json()["port"], "ready")
    member = config.call(f"{base}/mem-redis-node-0", method="GET")
    assert member == {**told, "framedb_id": "mem-redis-node-0"}
    client = open_redis(parse_redis_url(told["public_url"]))
    assert client.config_get("maxmemory")["maxmemory"] == str(20 * 2**20)
    close_redis(client)
    assert told["sentinel_url"].startswith("redis+sentinel://:")

    config.call("/global/framedb/set-config", framedb_id="mem", config=["timeout 60"])
    assert config.call("/config/basic/getConfig", framedb_id="mem", configName="timeout") == "60"
    assert config.call(f"{base}/cluster/site-1", method="GET") == [told]
    assert config.call(f"{base}/cluster/site-1/node/tag-i", method="GET") == [told]
    assert config.call(f"{base}/cluster/site-1/node/other", method="GET") == []
    assert config.call(f"{base}/query", framedb_id="mem", status="ready") == [told]
    assert config.call(f"{base}/query", cluster_id="elsewhere") == []
    assert config.refused(base, **INSTANCE)[0] == 409

    assert config.request("DELETE", f"{base}/mem").status == 200
    assert config.refused(f"{base}/mem", method="GET") == (404, "No document found")
    assert config.refused(f"{base}/mem", method="DELETE")[0] == 404


@pytest.mark.parametrize("base", ["/global/framedb/persistent-instances", "/framedb/persistent-instances"])
def test_a_persistent_instance_is_made_configured_and_removed(config: Live, routing: Live, base: str) -> None:
    wanted = {**INSTANCE, "framedb_id": "disk", "storage_size": "10Gi", "db_config": {"default_ttl_s": 60}}
    made = config.request("POST", base, wanted)
    assert (made.status, made.json()["port"]) == (200, None)
    told = config.call(f"{base}/disk", method="GET")
    assert told == routing.call(f"{base}/disk", method="GET")
    assert (told["storage_size"], told["default_ttl_s"]) == ("10Gi", 60)
    assert told["public_url"].startswith("sqlite:///")
    config.call("/global/framedb/set-config", framedb_id="disk", config={"default_ttl_s": 120})
    config.call("/global/framedb/set-config", framedb_id="disk", config=["default_ttl_s 180"])
    assert config.refused("/global/framedb/set-config", framedb_id="disk", config=["maxmemory 1gb"])[0] == 400
    told["default_ttl_s"] = 180
    assert config.call(f"{base}/query", storage_size="10Gi") == [told]
    assert config.call(f"{base}/cluster/site-1", method="GET") == [told]
    assert config.refused(base, **wanted)[0] == 409
    assert config.request("DELETE", f"{base}/disk").status == 200
    assert config.refused(f"{base}/disk", method="GET") == (404, "No document found")
    assert config.refused(f"{base}/disk", method="DELETE")[0] == 404
    assert config.refused("/global/framedb/set-config", framedb_id="disk", config=[])[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/global/framedb/instances", {}, "Missing field: framedb_id"),
        ("/global/framedb/instances", {"framedb_id": "x", "node_id": "n"}, "Missing field: cluster_id"),
        ("/global/framedb/instances", {**INSTANCE, "redis_config": ["dir /etc"]}, "'dir' cannot be"),
        ("/global/framedb/instances", {**INSTANCE, "redis_config": ["maxmemory lots"]}, "maxmemory cannot be"),
        ("/global/framedb/instances", {**INSTANCE, "redis_config": "maxmemory 1gb"}, "redis_config: "),
        ("/global/framedb/instances", {**INSTANCE, "framedb_id": "Not_A_Label"}, "is no DNS label"),
        ("/global/framedb/instances", {**INSTANCE, "port": 6379}, "Unknown field port"),
        ("/global/framedb/persistent-instances", {**INSTANCE, "storage_size": "big"}, "storage_size: "),
        ("/global/framedb/persistent-instances", {**INSTANCE, "db_config": {"engine": "x"}}, "'engine'"),
        ("/global/framedb/instances/query", {"node_id": {"$ne": ""}}, "node_id: "),
        ("/global/framedb/instances/query", {"port": 1}, "Unknown field port"),
        ("/global/framedb/set-config", {"framedb_id": "alpha"}, "Missing field: config"),
        ("/global/framedb/set-config", {"framedb_id": "alpha", "config": ["include /etc/passwd"]}, "'include' cannot"),
        ("/global/framedb/set-config", {"framedb_id": "alpha", "config": {"timeout": [1]}}, "config."),
    ],
)
def test_what_an_instance_cannot_be_is_a_400_that_says_why(
    config: Live, cluster: str, path: str, body: dict[str, Any], said: str
) -> None:
    status, why = config.refused(path, **body)
    assert status == 400
    assert said in why


def test_the_routing_service_reads_instances_and_makes_none(routing: Live) -> None:
    answer = routing.request("POST", "/global/framedb/instances", INSTANCE)
    assert answer.status in (404, 405)
    assert answer.json()["success"] is False
    assert routing.request("DELETE", "/framedb/instances/alpha").status == 405
    assert routing.request("POST", "/cluster/createCluster", NEW).status == 404
