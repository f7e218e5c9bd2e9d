from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IntersectionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTER: _ClassVar[IntersectionKind]
    INSIDE: _ClassVar[IntersectionKind]
    LEAVE: _ClassVar[IntersectionKind]
    CROSS: _ClassVar[IntersectionKind]
    OUTSIDE: _ClassVar[IntersectionKind]
ENTER: IntersectionKind
INSIDE: IntersectionKind
LEAVE: IntersectionKind
CROSS: IntersectionKind
OUTSIDE: IntersectionKind

class AttributeSet(_message.Message):
    __slots__ = ("attributes",)
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    def __init__(self, attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("namespace", "name", "values", "hint", "is_persistent", "is_hidden")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    IS_PERSISTENT_FIELD_NUMBER: _ClassVar[int]
    IS_HIDDEN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    values: _containers.RepeatedCompositeFieldContainer[AttributeValue]
    hint: str
    is_persistent: bool
    is_hidden: bool
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., values: _Optional[_Iterable[_Union[AttributeValue, _Mapping]]] = ..., hint: _Optional[str] = ..., is_persistent: bool = ..., is_hidden: bool = ...) -> None: ...

class AttributeValue(_message.Message):
    __slots__ = ("confidence", "bytes", "string", "string_vector", "integer", "integer_vector", "float", "float_vector", "boolean", "boolean_vector", "bounding_box", "bounding_box_vector", "point", "point_vector", "polygon", "polygon_vector", "intersection", "none", "temporary")
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    STRING_FIELD_NUMBER: _ClassVar[int]
    STRING_VECTOR_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    INTEGER_VECTOR_FIELD_NUMBER: _ClassVar[int]
    FLOAT_FIELD_NUMBER: _ClassVar[int]
    FLOAT_VECTOR_FIELD_NUMBER: _ClassVar[int]
    BOOLEAN_FIELD_NUMBER: _ClassVar[int]
    BOOLEAN_VECTOR_FIELD_NUMBER: _ClassVar[int]
    BOUNDING_BOX_FIELD_NUMBER: _ClassVar[int]
    BOUNDING_BOX_VECTOR_FIELD_NUMBER: _ClassVar[int]
    POINT_FIELD_NUMBER: _ClassVar[int]
    POINT_VECTOR_FIELD_NUMBER: _ClassVar[int]
    POLYGON_FIELD_NUMBER: _ClassVar[int]
    POLYGON_VECTOR_FIELD_NUMBER: _ClassVar[int]
    INTERSECTION_FIELD_NUMBER: _ClassVar[int]
    NONE_FIELD_NUMBER: _ClassVar[int]
    TEMPORARY_FIELD_NUMBER: _ClassVar[int]
    confidence: float
    bytes: BytesAttributeValueVariant
    string: StringAttributeValueVariant
    string_vector: StringVectorAttributeValueVariant
    integer: IntegerAttributeValueVariant
    integer_vector: IntegerVectorAttributeValueVariant
    float: FloatAttributeValueVariant
    float_vector: FloatVectorAttributeValueVariant
    boolean: BooleanAttributeValueVariant
    boolean_vector: BooleanVectorAttributeValueVariant
    bounding_box: BoundingBoxAttributeValueVariant
    bounding_box_vector: BoundingBoxVectorAttributeValueVariant
    point: PointAttributeValueVariant
    point_vector: PointVectorAttributeValueVariant
    polygon: PolygonAttributeValueVariant
    polygon_vector: PolygonVectorAttributeValueVariant
    intersection: IntersectionAttributeValueVariant
    none: NoneAttributeValueVariant
    temporary: TemporaryValueVariant
    def __init__(self, confidence: _Optional[float] = ..., bytes: _Optional[_Union[BytesAttributeValueVariant, _Mapping]] = ..., string: _Optional[_Union[StringAttributeValueVariant, _Mapping]] = ..., string_vector: _Optional[_Union[StringVectorAttributeValueVariant, _Mapping]] = ..., integer: _Optional[_Union[IntegerAttributeValueVariant, _Mapping]] = ..., integer_vector: _Optional[_Union[IntegerVectorAttributeValueVariant, _Mapping]] = ..., float: _Optional[_Union[FloatAttributeValueVariant, _Mapping]] = ..., float_vector: _Optional[_Union[FloatVectorAttributeValueVariant, _Mapping]] = ..., boolean: _Optional[_Union[BooleanAttributeValueVariant, _Mapping]] = ..., boolean_vector: _Optional[_Union[BooleanVectorAttributeValueVariant, _Mapping]] = ..., bounding_box: _Optional[_Union[BoundingBoxAttributeValueVariant, _Mapping]] = ..., bounding_box_vector: _Optional[_Union[BoundingBoxVectorAttributeValueVariant, _Mapping]] = ..., point: _Optional[_Union[PointAttributeValueVariant, _Mapping]] = ..., point_vector: _Optional[_Union[PointVectorAttributeValueVariant, _Mapping]] = ..., polygon: _Optional[_Union[PolygonAttributeValueVariant, _Mapping]] = ..., polygon_vector: _Optional[_Union[PolygonVectorAttributeValueVariant, _Mapping]] = ..., intersection: _Optional[_Union[IntersectionAttributeValueVariant, _Mapping]] = ..., none: _Optional[_Union[NoneAttributeValueVariant, _Mapping]] = ..., temporary: _Optional[_Union[TemporaryValueVariant, _Mapping]] = ...) -> None: ...

class BytesAttributeValueVariant(_message.Message):
    __slots__ = ("dims", "data")
    DIMS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    dims: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, dims: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class StringAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: str
    def __init__(self, data: _Optional[str] = ...) -> None: ...

class StringVectorAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, data: _Optional[_Iterable[str]] = ...) -> None: ...

class IntegerAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: int
    def __init__(self, data: _Optional[int] = ...) -> None: ...

class IntegerVectorAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, data: _Optional[_Iterable[int]] = ...) -> None: ...

class FloatAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: float
    def __init__(self, data: _Optional[float] = ...) -> None: ...

class FloatVectorAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, data: _Optional[_Iterable[float]] = ...) -> None: ...

class BooleanAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bool
    def __init__(self, data: bool = ...) -> None: ...

class BooleanVectorAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, data: _Optional[_Iterable[bool]] = ...) -> None: ...

class BoundingBoxAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: BoundingBox
    def __init__(self, data: _Optional[_Union[BoundingBox, _Mapping]] = ...) -> None: ...

class BoundingBoxVectorAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[BoundingBox]
    def __init__(self, data: _Optional[_Iterable[_Union[BoundingBox, _Mapping]]] = ...) -> None: ...

class PointAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: Point
    def __init__(self, data: _Optional[_Union[Point, _Mapping]] = ...) -> None: ...

class PointVectorAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, data: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class PolygonAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: PolygonalArea
    def __init__(self, data: _Optional[_Union[PolygonalArea, _Mapping]] = ...) -> None: ...

class PolygonVectorAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[PolygonalArea]
    def __init__(self, data: _Optional[_Iterable[_Union[PolygonalArea, _Mapping]]] = ...) -> None: ...

class IntersectionAttributeValueVariant(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: Intersection
    def __init__(self, data: _Optional[_Union[Intersection, _Mapping]] = ...) -> None: ...

class NoneAttributeValueVariant(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TemporaryValueVariant(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BoundingBox(_message.Message):
    __slots__ = ("xc", "yc", "width", "height", "angle")
    XC_FIELD_NUMBER: _ClassVar[int]
    YC_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ANGLE_FIELD_NUMBER: _ClassVar[int]
    xc: float
    yc: float
    width: float
    height: float
    angle: float
    def __init__(self, xc: _Optional[float] = ..., yc: _Optional[float] = ..., width: _Optional[float] = ..., height: _Optional[float] = ..., angle: _Optional[float] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class PolygonalArea(_message.Message):
    __slots__ = ("points", "tags")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[Point]
    tags: PolygonalAreaTags
    def __init__(self, points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., tags: _Optional[_Union[PolygonalAreaTags, _Mapping]] = ...) -> None: ...

class PolygonalAreaTags(_message.Message):
    __slots__ = ("tags",)
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedCompositeFieldContainer[PolygonalAreaTag]
    def __init__(self, tags: _Optional[_Iterable[_Union[PolygonalAreaTag, _Mapping]]] = ...) -> None: ...

class PolygonalAreaTag(_message.Message):
    __slots__ = ("tag",)
    TAG_FIELD_NUMBER: _ClassVar[int]
    tag: str
    def __init__(self, tag: _Optional[str] = ...) -> None: ...

class Intersection(_message.Message):
    __slots__ = ("kind", "edges")
    KIND_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    kind: IntersectionKind
    edges: _containers.RepeatedCompositeFieldContainer[IntersectionEdge]
    def __init__(self, kind: _Optional[_Union[IntersectionKind, str]] = ..., edges: _Optional[_Iterable[_Union[IntersectionEdge, _Mapping]]] = ...) -> None: ...

class IntersectionEdge(_message.Message):
    __slots__ = ("id", "tag")
    ID_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    id: int
    tag: str
    def __init__(self, id: _Optional[int] = ..., tag: _Optional[str] = ...) -> None: ...
