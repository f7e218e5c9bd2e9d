"""Writers for the addresses of services."""

from framedb.compat.factory import new_framedb_writer, new_objects_api_client

__all__ = ["new_framedb_writer", "new_objects_api_client"]
