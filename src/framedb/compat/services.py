"""Clients of the config and routing services, by their published names."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from framedb.compat.calls import ServiceCalls, why_of
from framedb.errors import NotFoundError

Answer = tuple[int, Any]
"""Status and JSON of an answer; 503 and why, where nobody answered."""


class FrameDBClusterClient:
    """Tells where instances are: `{"success": True, "data": {...}}` or `{"success": False, "error": "why"}`."""

    def __init__(self, base_url: str) -> None:
        """`base_url` is the config service's."""
        self._calls = ServiceCalls(base_url)

    def get_instance_by_id(self, framedb_id: str) -> dict[str, Any]:
        """An in-memory instance. The answer holds passwords."""
        return self._get("instances", framedb_id)

    def get_persistent_instance_by_id(self, framedb_id: str) -> dict[str, Any]:
        """A persistent instance. The answer holds passwords."""
        return self._get("persistent-instances", framedb_id)

    def close(self) -> None:
        """Close every connection."""
        self._calls.close()

    def _get(self, kind: str, framedb_id: str) -> dict[str, Any]:
        answered = self._calls.ask("GET", f"/global/framedb/{kind}/{_segment(framedb_id)}")
        status, answer = answered
        if status == 200 and isinstance(answer, dict) and answer.get("success") and answer.get("data"):
            return {"success": True, "data": answer["data"]}
        return {"success": False, "error": why_of(answered)}


class ObjectRoutingClient:
    """Writes down and tells which instances hold an object. Every method answers `(status_code, json)`."""

    def __init__(self, base_url: str) -> None:
        """`base_url` is the routing service's."""
        self._calls = ServiceCalls(base_url)

    def create_object(
        self,
        object_id: str,
        framedb_id: str,
        framedb_type: str,
        copies: Sequence[Mapping[str, str]] | None = None,
        size: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Write down where an object is: 201, or 200 if there was a row, which is replaced."""
        body = {
            "object_id": object_id,
            "framedb_id": framedb_id,
            "framedb_type": framedb_type,
            "copies": [dict(copy) for copy in copies or ()],
            "size": size,
            "metadata": dict(metadata or {}),
        }
        return self._calls.ask("POST", "/framedb/objects", body=body)

    def update_object(self, object_id: str, update_fields: Mapping[str, Any]) -> Answer:
        """Change these of its fields."""
        return self._calls.ask("POST", f"{_object(object_id)}/update", body=dict(update_fields))

    def delete_object(self, object_id: str) -> Answer:
        """Forget where it is."""
        return self._calls.ask("DELETE", _object(object_id))

    def get_object(self, object_id: str) -> Answer:
        """Where it is."""
        return self._calls.ask("GET", _object(object_id))

    def query_objects(self, filters: Mapping[str, Any] | None = None) -> Answer:
        """Objects that equal every value given, a page at a time: `next` of a page is `after` of the following one."""
        return self._calls.ask("GET", "/framedb/objects", body=dict(filters or {}))

    def add_copy(self, object_id: str, framedb_id: str, framedb_type: str) -> Answer:
        """Write down that an instance holds it too."""
        copy = {"framedb_id": framedb_id, "framedb_type": framedb_type}
        return self._calls.ask("POST", f"{_object(object_id)}/add-copy", body=copy)

    def remove_copy(self, object_id: str, framedb_id: str) -> Answer:
        """Write down that an instance holds it no more."""
        return self._calls.ask("POST", f"{_object(object_id)}/remove-copy", body={"framedb_id": framedb_id})

    def copy_exists(self, object_id: str, framedb_id: str) -> Answer:
        """200 if the instance holds it, else 404."""
        return self._calls.ask("GET", f"{_object(object_id)}/copy-exists/{_segment(framedb_id)}")

    def clusters_of(self, source: str) -> list[str]:
        """Clusters that may have frames of the source; none for one that nobody knows. Raises when nobody answers."""
        try:
            nodes = self._calls.result("/routing/getMapping", {"sourceId": source})["framedbNodes"]
        except NotFoundError:
            return []
        names = [node["cluster_name"] for node in nodes]
        names += [place["cluster_name"] for node in nodes for place in node.get("previous", ())]
        return list(dict.fromkeys(names))

    def close(self) -> None:
        """Close every connection."""
        self._calls.close()


class StreamRoutingClient:
    """Writes down and tells which instance holds a stream. Every method answers `(status_code, json)`."""

    def __init__(self, base_url: str) -> None:
        """`base_url` is the routing service's."""
        self._calls = ServiceCalls(base_url)

    def register_stream(self, queue_name: str, framedb_id: str, metadata: Mapping[str, Any] | None = None) -> Answer:
        """Write down where a stream is: 201, or 200 if there was a row, which is replaced."""
        body = {"queue_name": queue_name, "framedb_id": framedb_id, "metadata": dict(metadata or {})}
        return self._calls.ask("POST", "/framedb/streams", body=body)

    def update_stream(self, queue_name: str, update_fields: Mapping[str, Any]) -> Answer:
        """Change these of its fields."""
        return self._calls.ask("POST", f"{_stream(queue_name)}/update", body=dict(update_fields))

    def delete_stream(self, queue_name: str) -> Answer:
        """Forget where it is."""
        return self._calls.ask("DELETE", _stream(queue_name))

    def get_stream(self, queue_name: str) -> Answer:
        """Where it is."""
        return self._calls.ask("GET", _stream(queue_name))

    def query_streams(self, filters: Mapping[str, Any] | None = None) -> Answer:
        """Streams that equal every value given, a page at a time: `next` of a page is `after` of the following one."""
        return self._calls.ask("GET", "/framedb/streams", body=dict(filters or {}))

    def close(self) -> None:
        """Close every connection."""
        self._calls.close()


def _object(object_id: str) -> str:
    return f"/framedb/objects/{_rest(object_id)}"


def _stream(queue_name: str) -> str:
    return f"/framedb/streams/{_rest(queue_name)}"


def _rest(name: str) -> str:
    """An id as the rest of a path: its slashes are no folders, but older services want them as they are."""
    segments = [quote(segment, safe=":") for segment in str(name).split("/")]
    # A library on the way would take these for folders, and leave them out.
    plain = "/".join(segments)
    return (
        plain
        if not {".", ".."} & set(segments) and "//" not in plain
        else quote(str(name), safe="").replace(".", "%2E")
    )


def _segment(name: str) -> str:
    return quote(str(name), safe=":").replace(".", "%2E") if str(name) in (".", "..") else quote(str(name), safe=":")
