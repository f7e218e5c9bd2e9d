"""The published import path of the writers. It re-exports, and has no logic of its own."""

from framedb.compat.factory import new_framedb_writer, new_objects_api_client
from framedb.compat.objects_api import ObjectsAPI
from framedb.compat.services import FrameDBClusterClient, ObjectRoutingClient, StreamRoutingClient
from framedb.compat.writer import FrameDBWriter
from framedb.proto import objects_pb2 as framedb_pb2
from framedb.proto import objects_pb2_grpc as framedb_pb2_grpc

__all__ = [
    "FrameDBClusterClient",
    "FrameDBWriter",
    "ObjectRoutingClient",
    "ObjectsAPI",
    "StreamRoutingClient",
    "framedb_pb2",
    "framedb_pb2_grpc",
    "new_framedb_writer",
    "new_objects_api_client",
]
