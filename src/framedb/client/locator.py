"""Where frames are, as the node tells it: `GET /v1/connection`."""

from framedb.client.http import NodeClient
from framedb.resp import ClusterConnection

_TIMEOUT = 10.0  # seconds: the node itself asks sentinels that may hang, and the bytes wait for the answer


class HTTPLocator:
    """Asks the node. Answers are remembered by whoever asked (`tiering`), not here."""

    def __init__(self, node: NodeClient) -> None:
        self._node = node

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """How to reach the cluster of a source, or of a name. A source nobody knows yet is placed."""
        query = {"source": source} if source is not None else {"framedb_id": framedb_id or "local"}
        return ClusterConnection.from_dict(self._node.json("GET", "/v1/connection", query=query, timeout=_TIMEOUT))

    def clusters(self) -> list[str]:
        """Names of the clusters that may hold frames."""
        names: list[str] = self._node.json("GET", "/v1/clusters/names", timeout=_TIMEOUT)["clusters"]
        return names


class FixedLocator:
    """One server that holds every source: for programs that run without a node (`FRAMES_REDIS_URL`)."""

    def __init__(self, connection: ClusterConnection) -> None:
        self._connection = connection

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """The one there is."""
        return self._connection

    def clusters(self) -> list[str]:
        """The one there is."""
        return ["local"]
