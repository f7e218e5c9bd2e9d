from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Object(_message.Message):
    __slots__ = ("key", "framedb_id", "data", "metadata", "type")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    key: str
    framedb_id: str
    data: bytes
    metadata: str
    type: str
    def __init__(self, key: _Optional[str] = ..., framedb_id: _Optional[str] = ..., data: _Optional[bytes] = ..., metadata: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class SetObjectRequest(_message.Message):
    __slots__ = ("object",)
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    object: Object
    def __init__(self, object: _Optional[_Union[Object, _Mapping]] = ...) -> None: ...

class SetObjectResponse(_message.Message):
    __slots__ = ("success", "message", "key")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    success: bool
    message: str
    key: str
    def __init__(self, success: bool = ..., message: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class GetObjectRequest(_message.Message):
    __slots__ = ("key", "framedb_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    framedb_id: str
    def __init__(self, key: _Optional[str] = ..., framedb_id: _Optional[str] = ...) -> None: ...

class GetObjectResponse(_message.Message):
    __slots__ = ("found", "object", "message")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    found: bool
    object: Object
    message: str
    def __init__(self, found: bool = ..., object: _Optional[_Union[Object, _Mapping]] = ..., message: _Optional[str] = ...) -> None: ...

class PutObjectRequest(_message.Message):
    __slots__ = ("header", "data", "end")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    header: PutObjectHeader
    data: bytes
    end: PutObjectEnd
    def __init__(self, header: _Optional[_Union[PutObjectHeader, _Mapping]] = ..., data: _Optional[bytes] = ..., end: _Optional[_Union[PutObjectEnd, _Mapping]] = ...) -> None: ...

class PutObjectHeader(_message.Message):
    __slots__ = ("key", "framedb_id", "type", "metadata", "ttl", "sha256", "size")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    key: str
    framedb_id: str
    type: str
    metadata: str
    ttl: float
    sha256: bytes
    size: int
    def __init__(self, key: _Optional[str] = ..., framedb_id: _Optional[str] = ..., type: _Optional[str] = ..., metadata: _Optional[str] = ..., ttl: _Optional[float] = ..., sha256: _Optional[bytes] = ..., size: _Optional[int] = ...) -> None: ...

class PutObjectEnd(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    def __init__(self, sha256: _Optional[bytes] = ...) -> None: ...

class PutObjectResponse(_message.Message):
    __slots__ = ("key", "framedb_id", "size", "sha256", "version")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    key: str
    framedb_id: str
    size: int
    sha256: bytes
    version: str
    def __init__(self, key: _Optional[str] = ..., framedb_id: _Optional[str] = ..., size: _Optional[int] = ..., sha256: _Optional[bytes] = ..., version: _Optional[str] = ...) -> None: ...

class ReadObjectRequest(_message.Message):
    __slots__ = ("key", "offset", "length", "framedb_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    offset: int
    length: int
    framedb_id: str
    def __init__(self, key: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., framedb_id: _Optional[str] = ...) -> None: ...

class ReadObjectResponse(_message.Message):
    __slots__ = ("stat", "data", "end")
    STAT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    stat: ObjectStat
    data: bytes
    end: ReadObjectEnd
    def __init__(self, stat: _Optional[_Union[ObjectStat, _Mapping]] = ..., data: _Optional[bytes] = ..., end: _Optional[_Union[ReadObjectEnd, _Mapping]] = ...) -> None: ...

class ReadObjectEnd(_message.Message):
    __slots__ = ("size", "sha256")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    size: int
    sha256: bytes
    def __init__(self, size: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class ObjectStat(_message.Message):
    __slots__ = ("key", "framedb_id", "type", "size", "metadata", "version", "encoding", "stored_at", "expires_at")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    STORED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    key: str
    framedb_id: str
    type: str
    size: int
    metadata: str
    version: str
    encoding: str
    stored_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, key: _Optional[str] = ..., framedb_id: _Optional[str] = ..., type: _Optional[str] = ..., size: _Optional[int] = ..., metadata: _Optional[str] = ..., version: _Optional[str] = ..., encoding: _Optional[str] = ..., stored_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StatObjectRequest(_message.Message):
    __slots__ = ("key", "framedb_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    framedb_id: str
    def __init__(self, key: _Optional[str] = ..., framedb_id: _Optional[str] = ...) -> None: ...

class DeleteObjectRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class DeleteObjectResponse(_message.Message):
    __slots__ = ("deleted",)
    DELETED_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    def __init__(self, deleted: bool = ...) -> None: ...

class ListObjectsRequest(_message.Message):
    __slots__ = ("prefix", "after", "limit")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    after: str
    limit: int
    def __init__(self, prefix: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListObjectsResponse(_message.Message):
    __slots__ = ("objects", "next")
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    objects: _containers.RepeatedCompositeFieldContainer[ObjectStat]
    next: str
    def __init__(self, objects: _Optional[_Iterable[_Union[ObjectStat, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class ExpireObjectRequest(_message.Message):
    __slots__ = ("key", "ttl")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    key: str
    ttl: float
    def __init__(self, key: _Optional[str] = ..., ttl: _Optional[float] = ...) -> None: ...

class ExpireObjectResponse(_message.Message):
    __slots__ = ("found",)
    FOUND_FIELD_NUMBER: _ClassVar[int]
    found: bool
    def __init__(self, found: bool = ...) -> None: ...

class PushItemRequest(_message.Message):
    __slots__ = ("queue_name", "framedb_id", "data", "metadata", "max_length")
    QUEUE_NAME_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    queue_name: str
    framedb_id: str
    data: bytes
    metadata: str
    max_length: int
    def __init__(self, queue_name: _Optional[str] = ..., framedb_id: _Optional[str] = ..., data: _Optional[bytes] = ..., metadata: _Optional[str] = ..., max_length: _Optional[int] = ...) -> None: ...

class PushItemResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PopItemRequest(_message.Message):
    __slots__ = ("queue_name", "framedb_id", "wait")
    QUEUE_NAME_FIELD_NUMBER: _ClassVar[int]
    FRAMEDB_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    queue_name: str
    framedb_id: str
    wait: float
    def __init__(self, queue_name: _Optional[str] = ..., framedb_id: _Optional[str] = ..., wait: _Optional[float] = ...) -> None: ...

class PopItemResponse(_message.Message):
    __slots__ = ("found", "data")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    found: bool
    data: bytes
    def __init__(self, found: bool = ..., data: _Optional[bytes] = ...) -> None: ...
