"""Values as they go over the wire, into protobuf messages and out of them; the wire is Savant's.

Google's implementation writes a message's fields in the order of their numbers, and there are no maps: so the same
attribute always makes the same bytes.
"""

from collections.abc import Callable
from typing import Any

from framedb.attributes import kinds
from framedb.attributes.boxes import BoxContent
from framedb.attributes.geometry import IntersectionContent, IntersectionKind, PointContent
from framedb.attributes.kinds import Value, value
from framedb.attributes.polygons import PolygonContent, polygon_content
from framedb.errors import InvalidInputError
from framedb.proto import kvs_pb2 as pb


def write(content: Value, message: pb.AttributeValue) -> None:
    """Fill an empty message with the value."""
    kind, data, confidence, _ = content
    _WRITE[kind](message, data)
    if confidence is not None:
        message.confidence = confidence


def read(message: pb.AttributeValue) -> Value:
    """The value a message holds. Raises InvalidInputError for one without a value, or with part of one."""
    arm = message.WhichOneof("value")
    if arm is None:
        raise InvalidInputError("a value is of no kind: set one of the arms of `value`, `none` if there is nothing")
    kind, read_data = _READ[arm]
    confidence = message.confidence if message.HasField("confidence") else None
    return value(kind, read_data(getattr(message, arm)), confidence)


def _write_integer(message: pb.AttributeValue, data: int) -> None:
    message.integer.data = data


def _write_float(message: pb.AttributeValue, data: float) -> None:
    message.float.data = data


def _write_boolean(message: pb.AttributeValue, data: bool) -> None:
    message.boolean.data = data


def _write_string(message: pb.AttributeValue, data: str) -> None:
    message.string.data = data


def _write_vector(arm: str) -> Callable[[pb.AttributeValue, Any], None]:
    def write_data(message: pb.AttributeValue, data: Any) -> None:
        variant = getattr(message, arm)
        variant.SetInParent()
        variant.data.extend(data)

    return write_data


def _write_empty(arm: str) -> Callable[[pb.AttributeValue, Any], None]:
    return lambda message, _: getattr(message, arm).SetInParent()


def _write_shape(arm: str, write_one: Callable[[Any, Any], None]) -> Callable[[pb.AttributeValue, Any], None]:
    def write_data(message: pb.AttributeValue, data: Any) -> None:
        shape = getattr(message, arm).data
        shape.SetInParent()
        write_one(shape, data)

    return write_data


def _write_shapes(arm: str, write_one: Callable[[Any, Any], None]) -> Callable[[pb.AttributeValue, Any], None]:
    def write_data(message: pb.AttributeValue, data: Any) -> None:
        variant = getattr(message, arm)
        variant.SetInParent()
        for each in data:
            write_one(variant.data.add(), each)

    return write_data


def _write_bytes(message: pb.AttributeValue, data: tuple[tuple[int, ...], bytes]) -> None:
    dims, blob = data
    message.bytes.dims.extend(dims)
    message.bytes.data = blob


def _write_box(box: pb.BoundingBox, content: BoxContent) -> None:
    box.xc, box.yc, box.width, box.height, angle = content
    if angle is not None:
        box.angle = angle


def _write_point(point: pb.Point, content: PointContent) -> None:
    point.x, point.y = content


def _write_polygon(area: pb.PolygonalArea, content: PolygonContent) -> None:
    points, tags = content
    for point in points:
        _write_point(area.points.add(), point)
    if tags is not None:
        area.tags.SetInParent()
        for tag in tags:
            _write_tag(area.tags.tags.add(), tag)


def _write_intersection(intersection: pb.Intersection, content: IntersectionContent) -> None:
    kind, edges = content
    intersection.kind = kind  # type: ignore[assignment]
    for number, tag in edges:
        edge = intersection.edges.add()
        edge.id = number
        _write_tag(edge, tag)


def _write_tag(message: pb.PolygonalAreaTag | pb.IntersectionEdge, tag: str | None) -> None:
    if tag is not None:
        message.tag = tag


_WRITE: dict[int, Callable[[pb.AttributeValue, Any], None]] = {
    kinds.BYTES: _write_bytes,
    kinds.STRING: _write_string,
    kinds.STRINGS: _write_vector("string_vector"),
    kinds.INTEGER: _write_integer,
    kinds.INTEGERS: _write_vector("integer_vector"),
    kinds.FLOAT: _write_float,
    kinds.FLOATS: _write_vector("float_vector"),
    kinds.BOOLEAN: _write_boolean,
    kinds.BOOLEANS: _write_vector("boolean_vector"),
    kinds.BBOX: _write_shape("bounding_box", _write_box),
    kinds.BBOXES: _write_shapes("bounding_box_vector", _write_box),
    kinds.POINT: _write_shape("point", _write_point),
    kinds.POINTS: _write_shapes("point_vector", _write_point),
    kinds.POLYGON: _write_shape("polygon", _write_polygon),
    kinds.POLYGONS: _write_shapes("polygon_vector", _write_polygon),
    kinds.INTERSECTION: _write_shape("intersection", _write_intersection),
    kinds.TEMPORARY: _write_empty("temporary"),
    kinds.NONE: _write_empty("none"),
}


def _read_scalar(variant: Any) -> Any:
    return variant.data


def _read_vector(variant: Any) -> tuple[Any, ...]:
    return tuple(variant.data)


def _read_nothing(_: Any) -> None:
    return None


def _read_shape(read_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read_data(variant: Any) -> Any:
        if not variant.HasField("data"):
            raise InvalidInputError(f"a {variant.DESCRIPTOR.name} without its data: set `data`")
        return read_one(variant.data)

    return read_data


def _read_shapes(read_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda variant: tuple([read_one(shape) for shape in variant.data])


def _read_bytes(variant: pb.BytesAttributeValueVariant) -> tuple[tuple[int, ...], bytes]:
    return tuple(variant.dims), variant.data


def _read_box(box: pb.BoundingBox) -> BoxContent:
    return (box.xc, box.yc, box.width, box.height, box.angle if box.HasField("angle") else None)


def _read_point(point: pb.Point) -> PointContent:
    return (point.x, point.y)


def _read_polygon(area: pb.PolygonalArea) -> PolygonContent:
    points = tuple([_read_point(point) for point in area.points])
    if not area.HasField("tags"):
        return points, None
    return polygon_content(points, [_read_tag(tag) for tag in area.tags.tags])


def _read_intersection(intersection: pb.Intersection) -> IntersectionContent:
    kind = int(intersection.kind)
    if kind not in _INTERSECTION_KINDS:
        raise InvalidInputError(
            f"an intersection of the unknown kind {kind}: kinds are {min(_INTERSECTION_KINDS)} to {max(_INTERSECTION_KINDS)}"
        )
    return kind, tuple([(edge.id, _read_tag(edge)) for edge in intersection.edges])


def _read_tag(message: pb.PolygonalAreaTag | pb.IntersectionEdge) -> str | None:
    return message.tag if message.HasField("tag") else None


_INTERSECTION_KINDS = frozenset(map(int, IntersectionKind))

_READ: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "bytes": (kinds.BYTES, _read_bytes),
    "string": (kinds.STRING, _read_scalar),
    "string_vector": (kinds.STRINGS, _read_vector),
    "integer": (kinds.INTEGER, _read_scalar),
    "integer_vector": (kinds.INTEGERS, _read_vector),
    "float": (kinds.FLOAT, _read_scalar),
    "float_vector": (kinds.FLOATS, _read_vector),
    "boolean": (kinds.BOOLEAN, _read_scalar),
    "boolean_vector": (kinds.BOOLEANS, _read_vector),
    "bounding_box": (kinds.BBOX, _read_shape(_read_box)),
    "bounding_box_vector": (kinds.BBOXES, _read_shapes(_read_box)),
    "point": (kinds.POINT, _read_shape(_read_point)),
    "point_vector": (kinds.POINTS, _read_shapes(_read_point)),
    "polygon": (kinds.POLYGON, _read_shape(_read_polygon)),
    "polygon_vector": (kinds.POLYGONS, _read_shapes(_read_polygon)),
    "intersection": (kinds.INTERSECTION, _read_shape(_read_intersection)),
    "temporary": (kinds.TEMPORARY, _read_nothing),
    "none": (kinds.NONE, _read_nothing),
}
