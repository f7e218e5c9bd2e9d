"""Clusters: made, found, scaled, killed and removed, as a person does it from outside."""

import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from framedb.client import FrameDB
from framedb.errors import NotReplicatedError
from framedb.frame import CameraKey, utc_now
from tests.acceptance.conftest import FRAMEDB, UpNode, clean_environment, node_on, until
from tests.engines import free_port

SMALL = {"FRAMEDB_CLUSTER_MAXMEMORY_BYTES": str(32 * 2**20)}
FAILOVER_SECONDS = 5.0  # promised, with sentinels that wait one second

http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=120))


def post(url: str, path: str, **body: Any) -> Any:
    """The result of a call that must succeed."""
    answer = http.request("POST", url + path, json=body)
    told = answer.json()
    assert answer.status == 200, told
    assert told["success"] is True, told
    return told["result"]


def curl(url: str, path: str, body: str) -> Any:
    """The answer to the very command of the specification, but for the host."""
    command = ["curl", "--silent", "-X", "POST", url + path, "-H", "Content-Type: application/json", "-d", body]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)


def running(data_dir: Path) -> dict[str, int]:
    """Server processes by cluster, sentinels included."""
    found: dict[str, int] = {}
    folder = str(data_dir / "clusters") + "/"
    for process in psutil.process_iter(["cmdline"]):
        for part in process.info["cmdline"] or []:
            if part.startswith(folder):
                name = part.removeprefix(folder).split("/")[0]
                found[name] = found.get(name, 0) + 1
                break
    return found


def process_of(data_dir: Path, member: str) -> psutil.Process | None:
    """The Valkey of a member, not its sentinel."""
    for process in psutil.process_iter(["cmdline"]):
        if any(
            part.endswith(f"/{member}/valkey.conf") and str(data_dir) in part for part in process.info["cmdline"] or []
        ):
            return process
    return None


def master_of(url: str, cluster: str) -> str:
    """`host:port` as discovery tells it."""
    master = post(url, "/discovery/getClusterMaster", clusterName=cluster)
    return f"{master['masterHost']}:{master['masterPort']}"


def member_at(url: str, cluster: str, address: str) -> str:
    """The name of the member that listens there."""
    members = post(url, "/cluster/getClusterInfo", clusterName=cluster)["members"]
    (name,) = [each["name"] for each in members if f"{each['host']}:{each['port']}" == address]
    return str(name)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpNode]:
    """A node whose clusters are small."""
    with node_on(tmp_path_factory.mktemp("clusters"), "--no-workers", **SMALL) as node:
        yield node


def test_every_command_of_the_specification_answers_as_the_contract_says(up: UpNode) -> None:
    url = up.url
    created = curl(
        url,
        "/cluster/createCluster",
        '{"clusterName": "cluster-alpha", "nodeTag": "node-1", "replicas": 3, "enableMetrics": true, "quorum": 2}',
    )
    assert created == {"success": True, "result": "Cluster created"}
    info = curl(url, "/cluster/getClusterInfo", '{"clusterName": "cluster-alpha"}')["result"]
    assert info["_id"] == "cluster-alpha"
    assert info["node_tag"] == "node-1"
    assert info["clusterPods"] == [f"cluster-alpha-redis-node-{n}" for n in range(3)]
    metrics = http.request("GET", f"http://127.0.0.1:{info['metrics_port']}/metrics").data.decode()
    assert 'member="cluster-alpha-redis-node-0"' in metrics

    assert "cluster-alpha" in curl(url, "/cluster/synchronize", '{"synchronize": true}')["result"]
    synchronized = curl(url, "/cluster/synchronizeCluster", '{"clusterName": "cluster-alpha"}')["result"]
    assert synchronized in ("Synchronized with database", "Nothing to synchronize")
    many = curl(
        url,
        "/cluster/createClusters",
        '{"clusterPrefix": "test-cluster", "startIndex": 1, "nClusters": 5, "nodeTag": "node-a", "replicas": 3,'
        ' "enableMetrics": false, "quorum": 2}',
    )
    assert many == {"success": True, "result": "Created 5 clusters."}
    scaled = curl(url, "/replication/createReplication", '{"clusterId": "cluster-alpha", "replicas": 4}')
    assert scaled == {"success": True, "result": "Cluster properly scaled up"}

    master = curl(url, "/discovery/getMaster", '{"framedb_id": "cluster-alpha"}')["result"]
    assert set(master) == {"masterHost", "masterPort"}
    slaves = curl(url, "/discovery/getSlaves", '{"framedb_id": "cluster-alpha"}')["result"]
    assert len(slaves) == 3
    assert all(set(slave) == {"slaveHost", "slavePort"} for slave in slaves)
    found = curl(url, "/discovery/getClusterInfo", '{"framedb_id": "cluster-alpha"}')["result"]["clusterInfo"]
    assert found["masterName"] == "mymaster"
    assert len(found["slaves"]) == 3
    assert curl(url, "/discovery/getClusterMaster", '{"clusterName": "cluster-alpha"}')["result"] == master
    unknown = curl(url, "/discovery/getMaster", '{"framedb_id": "framedb-xyz"}')
    assert unknown["success"] is False
    assert unknown["errorData"] == "Failed to get sentinel connection for framedb-xyz"

    unmapped = curl(url, "/routing/getMapping", '{"sourceId": "source-123"}')
    assert (unmapped["success"], unmapped["errorData"]) == (False, "No source source-123")
    curl(url, "/routing/createMapping", '{"sourceId": "source-123", "nodeTag": "node-1"}')
    mapping = curl(url, "/routing/getMapping", '{"sourceId": "source-123"}')["result"]
    assert mapping["nodeTags"] == ["node-1"]
    (entry,) = mapping["framedbNodes"]
    assert entry["cluster_name"] == "cluster-alpha"
    assert (entry["masterIP"], entry["redisPort"]) == (master["masterHost"], master["masterPort"])

    removed = curl(url, "/cluster/removeCluster", '{"clusterName": "cluster-alpha"}')
    assert removed == {"success": True, "result": "Deleted cluster"}
    names = ["cluster-alpha", *(f"test-cluster-{n}" for n in range(1, 6))]
    gone = curl(url, "/cluster/removeClusters", json.dumps({"clusterList": names}))["result"]
    assert gone == {"nClustersRemoved": 5, "failedRemovals": ["cluster-alpha"]}
    assert set(running(up.data_dir)) == {"local"}


def test_a_hundred_clusters_that_do_not_fit_are_refused_before_the_first_is_made(up: UpNode) -> None:
    answer = http.request(
        "POST",
        f"{up.url}/cluster/createClusters",
        json={
            "clusterPrefix": "many", "startIndex": 0, "nClusters": 100, "nodeTag": "node-a", "replicas": 15,
            "enableMetrics": False, "quorum": 8,
        },
    )  # fmt: skip
    assert answer.status == 400
    assert "memory" in answer.json()["errorData"]
    assert not any(name.startswith("many") for name in running(up.data_dir))


class Writer:
    """Writes replicated frames of one source without a pause, and remembers what was acknowledged."""

    def __init__(self, db: FrameDB, source: str) -> None:
        self.acknowledged: list[str] = []
        self.times: list[float] = []
        self.refused = 0
        self._db = db
        self._site, _, self._camera = source.partition(":")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def outage(self, since: float) -> float:
        """Seconds from the moment, when the master died, to the first write that was acknowledged by the next one."""
        sure = since + 0.2  # what was under way then may still be acknowledged
        until(lambda: self.times and self.times[-1] > sure, "writes to be acknowledged again")
        return next(time for time in self.times if time > sure) - since

    def goes_on(self) -> None:
        """Wait for twenty more writes to be acknowledged."""
        count = len(self.acknowledged)
        until(lambda: len(self.acknowledged) > count + 20, "writes to be acknowledged")

    def _run(self) -> None:
        while not self._stop.is_set():
            key = str(CameraKey(self._site, self._camera, utc_now()))
            try:
                self._db.put(key, key.encode() * 50, replicated=True)
            except NotReplicatedError:
                self.refused += 1
                continue
            self.acknowledged.append(key)
            self.times.append(time.monotonic())


@contextmanager
def cluster_of_three(up: UpNode, name: str, source: str) -> Iterator[None]:
    post(up.url, "/cluster/createCluster", clusterName=name, nodeTag=name, replicas=3, enableMetrics=False, quorum=2)
    post(up.url, "/routing/createMapping", sourceId=source, nodeTag=name)
    try:
        yield
    finally:
        post(up.url, "/cluster/removeCluster", clusterName=name)


def whole(up: UpNode, cluster: str) -> bool:
    info = post(up.url, "/cluster/getClusterInfo", clusterName=cluster)
    return bool(info["healthy"]) and sorted(each["role"] for each in info["members"]) == [
        "master",
        "replica",
        "replica",
    ]


def missing(db: FrameDB, keys: list[str]) -> list[str]:
    frames = [frame for start in range(0, len(keys), 500) for frame in db.get_many(keys[start : start + 500])]
    return [
        key
        for key, frame in zip(keys, frames, strict=True)
        if frame is None or bytes(frame.view()) != key.encode() * 50
    ]


def test_a_killed_master_costs_seconds_and_no_acknowledged_write(up: UpNode, soak: int) -> None:
    with cluster_of_three(up, "failover", "hall:door"), up.connect() as db:
        for _ in range(min(soak, 10) or 2):
            until(lambda: whole(up, "failover"), "all three members", seconds=60)
            with Writer(db, "hall:door") as writer:
                writer.goes_on()
                old = master_of(up.url, "failover")
                process = process_of(up.data_dir, member_at(up.url, "failover", old))
                assert process is not None
                process.kill()
                killed = time.monotonic()
                outage = writer.outage(killed)
                print(f"outage {outage:.2f} s")
                assert outage < FAILOVER_SECONDS
                assert master_of(up.url, "failover") != old
                writer.goes_on()
            assert missing(db, writer.acknowledged) == []


def test_a_master_restarted_at_once_loses_no_acknowledged_write(up: UpNode, soak: int) -> None:
    with cluster_of_three(up, "restart", "hall:gate"), up.connect() as db:
        for _ in range(soak or 2):
            until(lambda: whole(up, "restart"), "all three members", seconds=60)
            with Writer(db, "hall:gate") as writer:
                writer.goes_on()
                member = member_at(up.url, "restart", master_of(up.url, "restart"))
                process = process_of(up.data_dir, member)
                assert process is not None
                process.kill()
                time.sleep(random.uniform(0, 0.2))
                by_hand = subprocess.Popen(
                    [*FRAMEDB, "member", str(up.data_dir / "clusters" / "restart" / member)],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment(), start_new_session=True,
                )  # fmt: skip
                writer.goes_on()
                until(lambda: whole(up, "restart"), "all three members", seconds=60)
            assert missing(db, writer.acknowledged) == []
            _collect(by_hand)


def _collect(process: "subprocess.Popen[bytes]") -> None:
    """A child that became a server is collected once it is gone; whoever stops the cluster stops it."""
    threading.Thread(target=process.wait, daemon=True).start()


class Served:
    """`framedb serve config`, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "runtime"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*FRAMEDB, "serve", "config", "--data-dir", str(self.data_dir), "--port", str(self.port)],
                stdout=log, stderr=log, env={**clean_environment(), **SMALL}, cwd=self.data_dir.parent,
            )  # fmt: skip
        until(self.answers, f"the service to answer: {self._log}", seconds=60)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text()
        with suppress(urllib3.exceptions.HTTPError):
            return http.request("GET", f"{self.url}/health/ping").status == 200
        return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def registered(self) -> dict[str, int]:
        """Processes that should run, by cluster: each member and its sentinel."""
        clusters = http.request("GET", f"{self.url}/v1/clusters").json()["clusters"]
        return {each["_id"]: 2 * each["replicas"] for each in clusters}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The config service on a folder of its own; at the end nothing of it runs."""
    service = Served(tmp_path)
    service.start()
    yield service
    if service.process is not None and service.process.poll() is None:
        service.process.kill()
        service.process.wait()
    folder = str(service.data_dir)
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in part for part in process.info["cmdline"] or []):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def test_clusters_outlive_the_config_service_that_made_them(served: Served) -> None:
    post(
        served.url, "/cluster/createCluster", clusterName="one", nodeTag="a", replicas=3, enableMetrics=False, quorum=2
    )
    before = master_of(served.url, "one")
    assert served.stop() == 0
    assert running(served.data_dir)["one"] == 6
    served.start()
    assert post(served.url, "/cluster/synchronize", synchronize=True) == ["one"]
    assert master_of(served.url, "one") == before


def test_what_runs_and_what_is_registered_agree_after_the_control_plane_was_killed(served: Served, soak: int) -> None:
    calls: list[tuple[str, Mapping[str, Any]]] = [
        ("/cluster/createCluster", {"clusterName": "new", "nodeTag": "a", "replicas": 2, "enableMetrics": False, "quorum": 1}),
        ("/replication/createReplication", {"clusterId": "old", "replicas": 2}),
        ("/cluster/removeCluster", {"clusterName": "old"}),
        ("/replication/createReplication", {"clusterId": "old", "replicas": 1}),
    ]  # fmt: skip
    for turn in range(50 if soak else 4):
        if "old" not in served.registered():
            post(served.url, "/cluster/createCluster", clusterName="old", nodeTag="a", replicas=1 + turn % 4 // 3,
                 enableMetrics=False, quorum=1)  # fmt: skip
        path, body = calls[turn % len(calls)]
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(http.request, "POST", served.url + path, json=body)
            time.sleep(random.uniform(0, 3))
            served.kill()
            with suppress(urllib3.exceptions.HTTPError):
                call.result()
        served.start()
        until(
            lambda: served.registered() == running(served.data_dir),
            f"what is registered ({served.registered()}) and what runs ({running(served.data_dir)}) to agree, "
            f"after {path} was cut short",
            seconds=60,
        )
        if "new" in served.registered():
            post(served.url, "/cluster/removeCluster", clusterName="new")


def test_many_clients_that_place_and_move_sources_at_once_lose_none(up: UpNode, soak: int) -> None:
    sources = [f"many:{n}" for n in range(1000 if soak else 96)]
    post(up.url, "/cluster/createClusters", clusterPrefix="many", startIndex=0, nClusters=3, nodeTag="many", replicas=1,
         enableMetrics=False, quorum=1)  # fmt: skip
    names = [f"many-{n}" for n in range(3)]
    chosen = random.Random(7)

    def place_and_move(source: str) -> None:
        post(up.url, "/routing/createMapping", sourceId=source, nodeTag="many")
        if chosen.random() < 0.5:
            post(up.url, "/routing/ressignSource", nodeTag="many", sourceId=source, framedb=chosen.choice(names))

    try:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(place_and_move, sources))
        loads = post(up.url, "/routing/getSourcesByNode", nodeTag="many")["framedbInstances"]
        for name, load in loads.items():
            assert load["sourceCount"] == len(load["sources"]), name
        assert sorted(source for load in loads.values() for source in load["sources"]) == sorted(sources)
        mapped = {source: post(up.url, "/routing/getMapping", sourceId=source) for source in sources[::10]}
        for source, mapping in mapped.items():
            assert source in loads[mapping["framedbNodes"][0]["cluster_name"]]["sources"]
    finally:
        post(up.url, "/cluster/removeClusters", clusterList=names)


def test_frames_of_a_moved_source_are_read_on(up: UpNode) -> None:
    post(up.url, "/cluster/createClusters", clusterPrefix="move", startIndex=0, nClusters=2, nodeTag="move", replicas=1,
         enableMetrics=False, quorum=1)  # fmt: skip
    try:
        post(up.url, "/routing/createMapping", sourceId="yard:east", nodeTag="move")
        with up.connect() as writer, up.connect() as reader:
            keys = [str(CameraKey("yard", "east", utc_now())) for _ in range(5)]
            for key in keys[:3]:
                writer.put(key, key.encode())
            assert reader.latest("yard:east").key == keys[2]  # type: ignore[union-attr]
            old = post(up.url, "/routing/getMapping", sourceId="yard:east")["framedbNodes"][0]["cluster_name"]
            new = "move-1" if old == "move-0" else "move-0"
            post(up.url, "/routing/ressignSource", nodeTag="move", sourceId="yard:east", framedb=new)
            for key in keys[3:]:
                writer.put(key, key.encode())
            assert [frame and bytes(frame.view()).decode() for frame in reader.get_many(keys)] == keys
            until(lambda: reader.latest("yard:east").key == keys[4], "the reader to see the move")  # type: ignore[union-attr]
            assert reader.connection(source="yard:east").cluster == new

            post(up.url, "/cluster/removeCluster", clusterName=old)
            with up.connect() as later:
                assert [frame and bytes(frame.view()).decode() for frame in later.get_many(keys)] == keys
    finally:
        post(up.url, "/cluster/removeClusters", clusterList=["move-0", "move-1"])


def test_back_pressure_turns_frames_away_and_counts_them(up: UpNode, db: FrameDB) -> None:
    with up.connect() as writer:
        key = str(CameraKey("yard", "west", utc_now()))
        assert writer.put(key, b"before")
        post(up.url, "/backpressure/enable", sourceId="yard:west")
        put = writer.put(str(CameraKey("yard", "west", utc_now())), b"during")
        assert put.dropped == "backpressure"
        post(up.url, "/backpressure/disable", sourceId="yard:west")
        until(
            lambda: writer.put(str(CameraKey("yard", "west", utc_now())), b"after"), "the writer to go on", seconds=10
        )
        assert writer.stats("yard:west").drops["backpressure"] >= 1


def test_the_command_line_makes_shows_scales_and_removes_a_cluster(up: UpNode) -> None:
    created = up.cli("cluster", "create", "by-hand", "--replicas", "1")
    assert created.returncode == 0, created.stderr
    listed = json.loads(up.cli("cluster", "list", "--json").stdout)
    assert {"local", "by-hand"} <= {each["_id"] for each in listed}
    scaled = up.cli("cluster", "scale", "by-hand", "3")
    assert scaled.returncode == 0, scaled.stderr
    info = json.loads(up.cli("cluster", "info", "by-hand", "--json").stdout)
    assert sorted(each["role"] for each in info["members"]) == ["master", "replica", "replica"]
    again = up.cli("cluster", "create", "by-hand")
    assert again.returncode == 1
    assert "Cluster already exists!" in again.stderr
    wrong = up.cli("cluster", "create", "By_Hand")
    assert wrong.returncode != 0
    assert "DNS label" in wrong.stderr
    removed = up.cli("cluster", "remove", "by-hand")
    assert removed.returncode == 0, removed.stderr
    assert "by-hand" not in running(up.data_dir)


def test_a_node_that_is_stopped_stops_its_clusters_and_starts_them_again(tmp_path: Path) -> None:
    with node_on(tmp_path, "--no-workers", **SMALL) as node:
        post(
            node.url,
            "/cluster/createCluster",
            clusterName="own",
            nodeTag="a",
            replicas=1,
            enableMetrics=False,
            quorum=1,
        )
        assert node.stop() == 0
        assert node.processes() == []
        node.start("--no-workers")
        until(lambda: running(node.data_dir).get("own") == 2, "the cluster to run again")
        post(node.url, "/cluster/removeCluster", clusterName="own")


def test_the_pages_of_the_services_show_every_call(served: Served) -> None:
    described = http.request("GET", f"{served.url}/openapi.json").json()
    for route in ("/cluster/createCluster", "/replication/createReplication", "/discovery/getMaster"):
        assert route in described["paths"]
    page = http.request("GET", f"{served.url}/docs")
    assert page.status == 200
