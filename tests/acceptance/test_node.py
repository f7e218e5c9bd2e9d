"""A node starts, stops, is killed, and starts again."""

import itertools
import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import urllib3

from framedb.client import FrameDB
from framedb.frame import CameraKey, Frame, utc_now
from tests.acceptance.conftest import FRAMEDB, UpNode, node_on, until


def test_a_stopped_node_leaves_no_process_behind(tmp_path: Path) -> None:
    with node_on(tmp_path) as node:
        assert node.stop() == 0
        assert node.processes() == []


def test_a_node_stopped_while_it_starts_leaves_no_process_behind(tmp_path: Path) -> None:
    node = UpNode(tmp_path)
    process = subprocess.Popen(
        [*FRAMEDB, "up", "--data-dir", str(node.data_dir), "--port", "0", "--grpc-port", "0", "--kvs-port", "0"],
        env=node.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: (node.data_dir / "control" / "server.json").exists(), "the first server to be started")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert node.processes() == []


def test_durable_frames_survive_a_killed_node_byte_for_byte(tmp_path: Path, soak: int) -> None:
    with node_on(tmp_path, "--no-workers") as node:
        written: dict[str, bytes] = {}
        for turn in range(soak or 2):
            with node.connect() as db:
                for n in range(5):
                    key, data = f"turn-{turn}:{n}", os.urandom(200_000 * n + 1)
                    assert db.put(key, data, durable=True)
                    written[key] = data
            node.kill()
            node.start("--no-workers")
            with node.connect() as db:
                for key, data in written.items():
                    frame = db.get(key)
                    assert frame is not None, key
                    assert bytes(frame.view()) == data


def test_a_node_killed_while_durable_frames_are_written_keeps_those_it_acknowledged(tmp_path: Path, soak: int) -> None:
    with node_on(tmp_path, "--no-workers") as node:
        for turn in range(soak or 2):
            acknowledged: dict[str, bytes] = {}
            with node.connect() as db:
                killer = threading.Timer(0.2 + turn % 5 / 10, node.kill)
                killer.start()
                with pytest.raises(ConnectionError):
                    _write_for_ever(db, f"turn-{turn}", acknowledged)
                killer.join()
            node.start("--no-workers")
            with node.connect() as db:
                for key, data in acknowledged.items():
                    frame = db.get(key)
                    assert frame is not None, key
                    assert bytes(frame.view()) == data
                db.delete(*acknowledged)


def test_memory_outlives_a_killed_node_in_adopted_servers(tmp_path: Path) -> None:
    with node_on(tmp_path, "--no-workers") as node:
        servers = {process.pid for process in node.processes() if "valkey" in " ".join(process.cmdline())}
        with node.connect() as db:
            frame = camera_frame()
            db.put(frame.key, frame)
            run_id = db.connection().master.run_id
        node.kill()
        node.start("--no-workers")
        with node.connect() as db:
            assert db.get(frame.key) == frame
            assert db.connection().master.run_id == run_id
        assert {process.pid for process in node.processes() if "valkey" in " ".join(process.cmdline())} == servers


def test_a_killed_frames_server_comes_back_and_goes_on_with_its_policies(tmp_path: Path) -> None:
    with node_on(tmp_path, "--no-workers") as node, node.connect() as db:
        frame = camera_frame()
        db.put(frame.key, frame)
        (valkey,) = [
            process for process in node.processes() if str(node.data_dir / "clusters") in " ".join(process.cmdline())
            and "--sentinel" not in process.cmdline()
        ]  # fmt: skip
        valkey.kill()
        assert db.put(frame.key, frame)  # waits for the server to come back
        # It lets nobody in before the policies of its sources are there.
        assert db.memory(frame.source).policy(frame.source)["ttl_s"] == "3600.0"


def test_a_killed_control_server_comes_back_with_what_was_queued(tmp_path: Path) -> None:
    with node_on(tmp_path, "--no-workers") as node, node.connect() as db:
        from framedb.queueing.base import Announcement

        with db.queue() as queue:
            queue.announce([Announcement("frame:a:b:1", "a:b")])
            until(lambda: _is_on_disk(node), "the append-only file to be written")
            (control,) = [p for p in node.processes() if str(node.data_dir / "control") in " ".join(p.cmdline())]
            control.kill()
            delivery = until(lambda: _take(queue), "the queue to come back")
            assert delivery.announcement.key == "frame:a:b:1"


def test_a_second_node_on_the_same_folder_is_refused_and_the_first_goes_on(node: UpNode, db: FrameDB) -> None:
    second = _up(node, "--data-dir", str(node.data_dir), "--port", "0")
    assert second.returncode == 1
    assert f"another node (pid {node.process.pid}) runs on" in second.stderr  # type: ignore[union-attr]
    assert db.put("still", b"here")


def test_a_port_in_use_is_refused_before_anything_is_started(node: UpNode, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = _up(node, "--data-dir", str(tmp_path / "other"), "--port", str(port))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: cannot listen on 127.0.0.1:{port}")
    assert not (tmp_path / "other").exists()


def test_a_taken_redis_port_means_the_next_free_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node = UpNode(tmp_path)
        node.redis_port = taken.getsockname()[1]
        try:
            node.start()
            assert node.told()["redis_port"] > node.redis_port
        finally:
            node.stop()


def test_serving_others_needs_a_token(node: UpNode, tmp_path: Path) -> None:
    refused = _up(node, "--data-dir", str(tmp_path), "--port", "0", "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "FRAMEDB_TOKEN" in refused.stderr


def test_a_token_lets_in_those_who_have_it(tmp_path: Path) -> None:
    with node_on(tmp_path, "--no-workers", FRAMEDB_TOKEN="hunter2") as node:

        def status(**headers: str) -> int:
            return urllib3.request("GET", f"{node.url}/v1/sources", headers=headers).status

        assert status() == 401
        assert status(Authorization="Bearer wrong") == 401
        assert status(Authorization="Bearer hunter2") == 200
        assert status(**urllib3.make_headers(basic_auth="anyone:hunter2")) == 200
        assert node.cli("ls", FRAMEDB_TOKEN="wrong").returncode == 1
        assert node.cli("ls").returncode == 0
        assert "hunter2" not in node.log.read_text()


def test_without_a_token_other_host_names_and_foreign_pages_are_refused(node: UpNode) -> None:
    def status(**headers: str) -> int:
        return urllib3.request("GET", f"{node.url}/v1/connection", headers=headers).status

    assert status() == 200
    assert status(Host="localhost:1") == 200
    assert status(Host="rebound.example") == 403
    assert status(Origin="https://evil.example") == 403
    assert status(Origin=node.url) == 200


def test_secrets_are_readable_by_their_owner_alone(node: UpNode) -> None:
    secret = next((node.data_dir / "secrets").iterdir()).read_text()
    for path in node.data_dir.rglob("*"):
        if path.is_file() and secret.encode() in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path
    for process in node.processes():
        assert secret not in " ".join(process.cmdline())


def test_node_json_and_the_socket_link_say_where_frames_are(node: UpNode) -> None:
    told = node.told()
    assert (node.data_dir / "local.sock").resolve() == Path(told["redis_uds"])
    assert told["pid"] == node.process.pid  # type: ignore[union-attr]


def test_health_is_open_and_says_which_parts_are_ready(node: UpNode) -> None:
    assert urllib3.request("GET", f"{node.url}/healthz").json() == {"status": "alive"}
    ready = urllib3.request("GET", f"{node.url}/readyz").json()
    assert ready["parts"] == dict.fromkeys(("frames", "control", "registry", "durable", "workers"), "ready")


def test_a_long_data_folder_still_gets_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with node_on(deep, "--no-workers") as node, node.connect() as db:
        assert db.memory("_").transport().startswith("unix socket ")


def test_the_logs_are_json_lines(node: UpNode, db: FrameDB) -> None:
    list(db.scan())
    lines = (node.data_dir / "logs" / "app.log").read_text().splitlines()
    assert {"event", "level", "timestamp"} <= json.loads(lines[-1]).keys()


def _write_for_ever(db: FrameDB, name: str, acknowledged: dict[str, bytes]) -> None:
    for n in itertools.count():
        data = os.urandom(300_000)
        db.put(f"{name}:{n}", data, durable=True)
        acknowledged[f"{name}:{n}"] = data


def camera_frame(camera: str = "gate", data: bytes = b"jpeg") -> Frame:
    key = CameraKey("plant-a", camera, utc_now())
    return Frame(str(key), data, source=key.source, captured_at=key.captured_at)


def _up(node: UpNode, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*FRAMEDB, "up", "--grpc-port", "0", "--kvs-port", "0", *options],
        capture_output=True,
        text=True,
        timeout=60,
        env=node.environment,
        cwd=node.folder,
    )


def _take(queue: object) -> object:
    from framedb.errors import QueueUnavailableError

    try:
        return queue.take(timeout=0.5)  # type: ignore[attr-defined]
    except QueueUnavailableError:
        return None


def _is_on_disk(node: UpNode) -> bool:
    return any(b"frame:a:b:1" in path.read_bytes() for path in (node.data_dir / "control" / "appendonlydir").iterdir())
