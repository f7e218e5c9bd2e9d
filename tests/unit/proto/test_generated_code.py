"""The code that is checked in is what the `.proto` files say."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from grpc_tools import protoc

import framedb.proto
from framedb.proto import objects_pb2 as pb

ROOM = Path(framedb.proto.__file__).parent
SOURCES = ROOM.parent.parent


def test_generating_it_again_changes_nothing(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    included = [f"-I{SOURCES}", f"-I{files('grpc_tools') / '_proto'}"]
    protos = [str(path.relative_to(SOURCES)) for path in ROOM.glob("*.proto")]
    assert protoc.main(["protoc", *included, *outputs, *protos]) == 0
    made = {path.name: path.read_text() for path in (tmp_path / "framedb" / "proto").iterdir()}
    kept = {path.name: path.read_text() for path in ROOM.glob("*_pb2*") if path.is_file()}
    assert made == kept, "run `make proto`"


def test_published_numbers_never_change() -> None:
    assert numbers(pb.Object.DESCRIPTOR) == {"key": 1, "framedb_id": 2, "data": 3, "metadata": 4, "type": 5}
    assert numbers(pb.SetObjectRequest.DESCRIPTOR) == {"object": 1}
    assert numbers(pb.SetObjectResponse.DESCRIPTOR) == {"success": 1, "message": 2, "key": 3}
    assert numbers(pb.GetObjectRequest.DESCRIPTOR) == {"key": 1, "framedb_id": 2}
    assert numbers(pb.GetObjectResponse.DESCRIPTOR) == {"found": 1, "object": 2, "message": 3}


def numbers(message: Any) -> dict[str, int]:
    return {field.name: field.number for field in message.fields}
