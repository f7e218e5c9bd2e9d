"""A client generated from the contract alone writes and reads every type."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from grpc_tools import protoc

from tests.integration.object_service.conftest import Service

HERE = Path(__file__).parent


@pytest.fixture
def contract_client(tmp_path: Path) -> Path:
    """The program, beside code generated for it."""
    folder = tmp_path / "client"
    folder.mkdir()
    arguments = ["protoc", f"-I{HERE}", f"--python_out={folder}", f"--grpc_python_out={folder}", "contract.proto"]
    assert protoc.main(arguments) == 0
    program = folder / "contract_client.py"
    program.write_text((HERE / "contract_client.py").read_text())
    return program


def test_a_client_made_from_the_contract_writes_and_reads_all_three_types(
    service: Service, contract_client: Path
) -> None:
    run = subprocess.run(
        [sys.executable, str(contract_client), service.server.address], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout)
    assert {kind: answer["key"] for kind, answer in answers.items()} == {
        "in-memory": "sensor/1",
        "storage": "log/1",
        "stream": "detections",
    }
    for kind, answer in answers.items():
        assert answer["success"]
        assert answer["same"]
        assert answer["metadata"] == {"made": "by hand"}
        assert answer["message"] == f"Object stored and routed successfully (key={answer['key']})"
        assert answer["again"] == (kind != "stream")  # a read of a stream took its only item
    assert answers["stream"]["again_message"] == "No data found for key 'detections'"
