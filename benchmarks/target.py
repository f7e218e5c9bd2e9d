"""What every side works on: one node, reached in every way there is."""

import json
import socket
from dataclasses import asdict, dataclass, replace

import redis

from framedb.client.http import NodeClient
from framedb.client.locator import HTTPLocator
from framedb.client.objects import HTTPStore
from framedb.resp import ClusterConnection
from framedb.tiering.tiers import Tiers


@dataclass(frozen=True, slots=True)
class Target:
    """A running node. Every side of every comparison uses its servers."""

    url: str
    grpc: str
    pid: int
    """Of the process that serves both."""
    host: str
    port: int
    uds: str
    username: str | None
    password: str | None

    def to_json(self) -> str:
        """For a side in another process; it holds a password."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Target":
        """The target another process was given."""
        return cls(**json.loads(text))

    def redis_py(self, *, tcp: bool = False) -> redis.Redis:
        """redis-py as a user would open it; hiredis is installed."""
        if tcp:
            return redis.Redis(host=self.host, port=self.port, username=self.username, password=self.password)
        return redis.Redis(unix_socket_path=self.uds, username=self.username, password=self.password)

    def raw_socket(self) -> socket.socket:
        """A bare connection to the server's Unix socket, logged in."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(self.uds)
        connection.sendall(f"AUTH {self.username or 'default'} {self.password}\r\n".encode())
        assert connection.recv(64) == b"+OK\r\n"
        return connection

    def over_tcp(self) -> Tiers:
        """What `framedb.connect` works with, on a machine that does not have the server's Unix socket."""
        node = NodeClient(self.url)
        return Tiers(_Elsewhere(HTTPLocator(node)), HTTPStore(node))


class _Elsewhere:
    """Connections as another machine has them."""

    def __init__(self, locator: HTTPLocator) -> None:
        self._locator = locator

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """Without a Unix socket."""
        found = self._locator.connection(source=source, framedb_id=framedb_id)
        return replace(found, master=replace(found.master, uds=None))
