"""The code that is checked in is what the `.proto` files say."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from grpc_tools import protoc

import framedb.proto
from framedb.proto import kvs_pb2
from framedb.proto import objects_pb2 as pb

ROOM = Path(framedb.proto.__file__).parent
SOURCES = ROOM.parent.parent


def test_generating_it_again_changes_nothing(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi")]
    included = [f"-I{SOURCES}", f"-I{files('grpc_tools') / '_proto'}"]
    protos = {path: str(path.relative_to(SOURCES)) for path in ROOM.glob("*.proto")}
    services = [name for path, name in protos.items() if "\nservice " in path.read_text()]
    assert protoc.main(["protoc", *included, *outputs, *protos.values()]) == 0
    assert protoc.main(["protoc", *included, f"--grpc_python_out={tmp_path}", *services]) == 0
    made = {path.name: path.read_text() for path in (tmp_path / "framedb" / "proto").iterdir()}
    kept = {path.name: path.read_text() for path in ROOM.glob("*_pb2*") if path.is_file()}
    assert made == kept, "run `make proto`"


def test_published_numbers_never_change() -> None:
    assert numbers(pb.Object.DESCRIPTOR) == {"key": 1, "framedb_id": 2, "data": 3, "metadata": 4, "type": 5}
    assert numbers(pb.SetObjectRequest.DESCRIPTOR) == {"object": 1}
    assert numbers(pb.SetObjectResponse.DESCRIPTOR) == {"success": 1, "message": 2, "key": 3}
    assert numbers(pb.GetObjectRequest.DESCRIPTOR) == {"key": 1, "framedb_id": 2}
    assert numbers(pb.GetObjectResponse.DESCRIPTOR) == {"found": 1, "object": 2, "message": 3}


def test_savants_numbers_never_change() -> None:
    arms = [
        *("bytes", "string", "string_vector", "integer", "integer_vector", "float", "float_vector", "boolean"),
        *(
            "boolean_vector",
            "bounding_box",
            "bounding_box_vector",
            "point",
            "point_vector",
            "polygon",
            "polygon_vector",
        ),
        *("intersection", "none", "temporary"),
    ]
    messages = kvs_pb2.DESCRIPTOR.message_types_by_name
    assert kvs_pb2.DESCRIPTOR.package == "protocol"
    assert {name: numbers(message) for name, message in messages.items() if not name.endswith("Variant")} == {
        "AttributeSet": {"attributes": 1},
        "Attribute": {"namespace": 1, "name": 2, "values": 3, "hint": 4, "is_persistent": 5, "is_hidden": 6},
        "AttributeValue": {"confidence": 1, **{arm: number for number, arm in enumerate(arms, 2)}},
        "BoundingBox": {"xc": 1, "yc": 2, "width": 3, "height": 4, "angle": 5},
        "Point": {"x": 1, "y": 2},
        "PolygonalArea": {"points": 1, "tags": 2},
        "PolygonalAreaTags": {"tags": 1},
        "PolygonalAreaTag": {"tag": 1},
        "Intersection": {"kind": 1, "edges": 2},
        "IntersectionEdge": {"id": 1, "tag": 2},
    }
    assert {name: numbers(message) for name, message in messages.items() if name.endswith("Variant")} == {
        "BytesAttributeValueVariant": {"dims": 1, "data": 2},
        "NoneAttributeValueVariant": {},
        "TemporaryValueVariant": {},
        **{f"{camel_case(arm)}AttributeValueVariant": {"data": 1} for arm in arms[1:-2]},
    }
    kinds = kvs_pb2.DESCRIPTOR.enum_types_by_name["IntersectionKind"]
    assert [value.name for value in kinds.values] == ["ENTER", "INSIDE", "LEAVE", "CROSS", "OUTSIDE"]
    assert [value.number for value in kinds.values] == [0, 1, 2, 3, 4]


def camel_case(name: str) -> str:
    return name.title().replace("_", "")


def numbers(message: Any) -> dict[str, int]:
    return {field.name: field.number for field in message.fields}
