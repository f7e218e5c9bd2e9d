"""Writers for the addresses of services."""

from framedb.compat.objects_api import ObjectsAPI
from framedb.compat.services import FrameDBClusterClient, ObjectRoutingClient, StreamRoutingClient
from framedb.compat.writer import FrameDBWriter


def new_objects_api_client(writer_address: str) -> ObjectsAPI:
    """A client of the object service at `host:port`."""
    return ObjectsAPI(writer_address)


def new_framedb_writer(routing_service_url: str, config_service_url: str) -> FrameDBWriter:
    """A writer that goes straight to the instances. A whole node answers as both services."""
    return FrameDBWriter(
        FrameDBClusterClient(config_service_url),
        ObjectRoutingClient(routing_service_url),
        StreamRoutingClient(routing_service_url),
    )
