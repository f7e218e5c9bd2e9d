"""`framedb serve objects`: the service alone, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc

from framedb.proto import objects_pb2 as pb
from framedb.proto.objects_pb2_grpc import ObjectServiceStub
from tests.engines import free_port

PROGRAM = "import typer; from framedb.cli.serve_objects import objects; typer.run(objects)"


def test_the_service_alone_keeps_objects_over_a_restart_and_stops_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, "--grpc-port", str(port), "--data-dir", str(tmp_path / "runtime")]
    written = pb.Object(key="one", type="storage", data=b"data")
    for first in (True, False):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = ObjectServiceStub(channel)
                if first:
                    put = pb.SetObjectRequest(object=written)
                    assert stub.SetObject(put, timeout=60, wait_for_ready=True).success
                found = stub.GetObject(pb.GetObjectRequest(key="one"), timeout=60, wait_for_ready=True)
                assert found.object.data == b"data", found.message
                memory = stub.SetObject(pb.SetObjectRequest(object=pb.Object(type="in-memory", key="two")), timeout=60)
                assert memory.message == "FrameDB instance not found: local (key=two)"
            process.send_signal(signal.SIGTERM)
            printed, _ = process.communicate(timeout=60)
            assert process.returncode == 0, printed
            assert f"127.0.0.1:{port}" in printed


def test_beyond_loopback_it_needs_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "--host", "0.0.0.0", "--grpc-port", "0", "--data-dir", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEDB_")}
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment)
    assert run.returncode != 0
    assert "FRAMEDB_TOKEN" in run.stdout + run.stderr


def test_a_port_that_is_taken_is_told_before_anything_is_served(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-c", PROGRAM, "--grpc-port", str(port), "--data-dir", str(tmp_path)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert run.returncode != 0
    assert "--grpc-port" in run.stdout + run.stderr
