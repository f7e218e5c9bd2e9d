"""A node that serves over TLS, and only those who hold its token: through every face, and as an attacker would try it."""

import base64
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import urllib3
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from framedb.compat.objects_api import ObjectsAPI
from framedb.compat.services import FrameDBClusterClient
from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceStub
from tests.acceptance.conftest import FRAMEDB, UpNode, clean_environment, node_on, until
from tests.certificates import Authority
from tests.engines import free_port

TOKEN = "hunter2-hunter2"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPEN = {"/healthz", "/readyz", "/health", "/health/ping"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom clients of the node trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> Iterator[None]:
    """This process as a client of the node."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEDB_TLS_CA", str(authority.file))
        patch.setenv("FRAMEDB_TOKEN", TOKEN)
        yield


@pytest.fixture(scope="module")
def safe(authority: Authority, trusting: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpNode]:
    """`framedb up` over TLS, with a token, and its worker."""
    shown = authority.issue("localhost", "127.0.0.1")
    environment = {"FRAMEDB_TOKEN": TOKEN, "FRAMEDB_TLS_CA": str(authority.file)}
    with node_on(tmp_path_factory.mktemp("safe"), *shown.options, **environment) as node:
        yield node


@pytest.fixture
def http(authority: Authority) -> Iterator[urllib3.PoolManager]:
    """Plain HTTP that trusts the node."""
    with urllib3.PoolManager(ca_certs=str(authority.file), retries=False, timeout=30) as pool:
        yield pool


@contextmanager
def channel(node: UpNode, authority: Authority) -> Iterator[grpc.Channel]:
    credentials = grpc.ssl_channel_credentials(authority.file.read_bytes())
    with grpc.secure_channel(node.told()["grpc"].removeprefix("grpcs://"), credentials) as opened:
        yield opened


def test_the_node_tells_where_it_is_reached_over_tls(safe: UpNode) -> None:
    told = safe.told()
    assert told["url"].startswith("https://127.0.0.1:")
    assert told["grpc"].startswith("grpcs://127.0.0.1:")
    assert "localhost, 127.0.0.1, until " in safe.log.read_text()


def test_the_sdk_puts_and_gets_in_memory_and_durably(safe: UpNode) -> None:
    with safe.connect() as db:
        for durable in (False, True):
            data = os.urandom(300_000)
            assert db.put(f"tls:{durable}", data, durable=durable)
            frame = db.get(f"tls:{durable}")
            assert frame is not None
            assert bytes(frame.view()) == data


def test_curl_speaks_to_it(safe: UpNode, authority: Authority) -> None:
    def curl(*options: str) -> "subprocess.CompletedProcess[bytes]":
        command = ["curl", "--silent", "--fail", "--cacert", str(authority.file), *options]
        return subprocess.run(command, capture_output=True, timeout=60)

    bearer = ("--header", f"Authorization: Bearer {TOKEN}")
    assert curl(*bearer, "--data-binary", "bytes", "-X", "PUT", f"{safe.url}/v1/objects/by-curl").returncode == 0
    assert curl(*bearer, f"{safe.url}/v1/objects/by-curl").stdout == b"bytes"
    assert curl("--user", f"anybody:{TOKEN}", f"{safe.url}/v1/objects/by-curl").stdout == b"bytes"
    assert curl(f"{safe.url}/v1/objects/by-curl").returncode == 22


def test_the_doctor_finds_everything_well(safe: UpNode) -> None:
    done = safe.cli("doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["ok"]


def test_a_camera_of_the_node_reaches_a_worker_of_framedb_work(safe: UpNode) -> None:
    (safe.folder / "seen.py").write_text("def see(frame):\n    print('saw', frame.key, flush=True)\n")
    with safe.connect() as db:
        camera = {"site": "plant-a", "camera": "tls", "url": "test://testsrc2?duration=2", "fps": 2.0}
        db.node.json("POST", "/v1/cameras", body=camera)
    with subprocess.Popen(
        [*FRAMEDB, "work", "seen:see"],
        stdout=subprocess.PIPE, text=True, cwd=safe.folder, env={**safe.environment, "FRAMEDB_URL": safe.url},
    ) as worker:  # fmt: skip
        assert worker.stdout is not None
        assert next(line for line in worker.stdout if line.startswith("saw frame:plant-a:tls:"))
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)
    with safe.connect() as db:
        db.node.json("DELETE", "/v1/cameras/plant-a:tls")


def test_objects_are_written_over_grpc(safe: UpNode, authority: Authority) -> None:
    address = safe.told()["grpc"]
    with ObjectsAPI(address) as api:
        assert api.write_to_persistent("local", b"by gRPC", "by-grpc").success
    with channel(safe, authority) as opened:
        stub = ObjectServiceStub(opened)
        metadata = [("authorization", f"Bearer {TOKEN}")]
        found = stub.GetObject(pb.GetObjectRequest(key="by-grpc"), timeout=30, metadata=metadata)
        assert found.object.data == b"by gRPC"
    with ObjectsAPI(address.removeprefix("grpcs://")) as api:
        assert f"speaks TLS: write {address}" in api.write_to_persistent("local", b"", "none").message


def test_who_does_not_trust_its_authority_is_told_in_one_line(
    safe: UpNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = str(Authority(tmp_path).file)
    done = safe.cli("ls", FRAMEDB_TLS_CA=other)
    assert done.returncode == 1
    assert "FRAMEDB_TLS_CA" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    monkeypatch.setenv("FRAMEDB_TLS_CA", other)
    with ObjectsAPI(safe.told()["grpc"]) as api:
        assert "FRAMEDB_TLS_CA" in api.write_to_persistent("local", b"", "none").message


def test_who_speaks_no_tls_is_told_in_one_line(safe: UpNode) -> None:
    plain = safe.url.replace("https", "http")
    done = safe.cli("ls", FRAMEDB_URL=plain)
    assert done.returncode == 1
    assert done.stderr == f"error: {plain} speaks TLS: write https://\n"


def test_no_route_tells_anything_without_the_token(safe: UpNode, http: urllib3.PoolManager) -> None:
    described = http.request("GET", f"{safe.url}/openapi.json", headers=BEARER).json()
    routes = [(method.upper(), path) for path, of in described["paths"].items() for method in of]
    page = http.request("GET", f"{safe.url}/docs", headers=BEARER).data.decode()
    pages = [("GET", path) for path in ("/docs", "/openapi.json", "/no/such/path", "/static-offline-docs/")]
    assert "/static-offline-docs/" in page
    assert len(routes) > 60
    basic = base64.b64encode(b"anybody:wrong").decode()
    wrong: list[dict[str, str]] = [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {basic}"}]
    for method, path in [*routes, *pages]:
        for headers in wrong:
            status = http.request(method, safe.url + path, headers=headers).status
            assert status == (200 if path in OPEN else 401), (method, path)


def test_no_call_does_anything_without_the_token(safe: UpNode, authority: Authority) -> None:
    with channel(safe, authority) as opened:
        health: Any = health_pb2_grpc.HealthStub(opened)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=30).status
        with pytest.raises(grpc.RpcError) as caught:
            ProtoReflectionDescriptorDatabase(opened).get_services()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        for method in pb.DESCRIPTOR.services_by_name["ObjectService"].methods:
            call: Any = opened.stream_stream(f"/{method.containing_service.full_name}/{method.name}")
            with pytest.raises(grpc.RpcError) as caught:
                list(call(iter([b""]), timeout=30, metadata=[("authorization", "Bearer wrong")]))
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, method.name


def test_the_node_and_all_it_starts_listen_on_loopback_only(safe: UpNode) -> None:
    listening = {
        (process.name(), connection.laddr.ip)
        for process in safe.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {name for name, _ in listening} >= {"valkey-server"}
    assert {ip for _, ip in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_every_server_of_the_node_wants_a_password(safe: UpNode) -> None:
    ports = {
        connection.laddr.port
        for process in safe.processes()
        if process.name() == "valkey-server"
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(ports) == 3  # frames, its sentinel, control
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
            stranger.sendall(b"PING\r\n")
            assert stranger.recv(100).startswith(b"-NOAUTH")


def test_nobody_else_on_the_machine_can_read_the_data_folder(safe: UpNode) -> None:
    everything = [safe.data_dir, *safe.data_dir.rglob("*")]
    assert len(everything) > 20
    for path in everything:
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_token_stands_in_no_argument_and_no_file(safe: UpNode, http: urllib3.PoolManager) -> None:
    http.request("GET", f"{safe.url}/v1/sources?token={TOKEN}", headers=BEARER)
    for process in safe.processes():
        assert TOKEN not in " ".join(process.cmdline())
    for path in [safe.log, *(path for path in safe.data_dir.rglob("*") if path.is_file())]:
        assert TOKEN.encode() not in path.read_bytes(), path


def test_a_client_that_never_finishes_its_handshake_holds_up_nobody(safe: UpNode, http: urllib3.PoolManager) -> None:
    host, port = "127.0.0.1", int(safe.url.rpartition(":")[2])
    silent = [socket.create_connection((host, port)) for _ in range(50)]
    try:
        assert http.request("GET", f"{safe.url}/healthz").status == 200
    finally:
        for each in silent:
            each.close()


def test_many_clients_at_once_get_their_bytes(safe: UpNode) -> None:
    with safe.connect() as db, ThreadPoolExecutor(8) as pool:
        data = {f"many:{n}": os.urandom(100_000) for n in range(24)}

        def both(key: str) -> bool:
            db.put(key, data[key], durable=True)
            frame = db.get(key)
            return frame is not None and bytes(frame.view()) == data[key]

        assert all(pool.map(both, data))


def test_an_empty_token_does_not_open_the_node_to_other_machines(tmp_path: Path) -> None:
    done = subprocess.run(
        [*FRAMEDB, "up", "--data-dir", str(tmp_path / "runtime"), "--port", "0", "--host", "0.0.0.0"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, env={**clean_environment(), "FRAMEDB_TOKEN": ""},
    )  # fmt: skip
    assert done.returncode == 1
    assert "set FRAMEDB_TOKEN" in done.stderr
    assert not (tmp_path / "runtime").exists()


def test_services_alone_serve_over_tls_too(tmp_path: Path, authority: Authority, trusting: None) -> None:
    shown = authority.issue("127.0.0.1")
    environment = {
        **clean_environment(),
        "FRAMEDB_TOKEN": TOKEN,
        "FRAMEDB_TLS_CERT": str(shown.cert),
        "FRAMEDB_TLS_KEY": str(shown.key),
    }
    port, grpc_port = free_port(), free_port()
    config = ["config", "--port", str(port)]
    objects = ["objects", "--grpc-port", str(grpc_port)]
    with running(tmp_path, config, environment), running(tmp_path, objects, environment):
        client = FrameDBClusterClient(f"https://127.0.0.1:{port}")
        until(lambda: "No document found" in str(client.get_instance_by_id("none")), "the service", seconds=90)
        client.close()
        with ObjectsAPI(f"grpcs://127.0.0.1:{grpc_port}") as api:
            answer = until(lambda: api.write_to_persistent("none", b"", "none"), "the object service")
            assert "FrameDB instance not found: none" in answer.message


@contextmanager
def running(folder: Path, arguments: list[str], environment: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        [*FRAMEDB, "serve", *arguments, "--data-dir", str(folder / "runtime")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, env=environment,
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)
