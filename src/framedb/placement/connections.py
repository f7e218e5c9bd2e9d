"""How clusters are reached, from what is registered and what runs."""

import threading

from framedb.clusters.service import ClusterService
from framedb.errors import StoreUnavailableError
from framedb.resp import ClusterConnection, Endpoint, MasterClient, ask_sentinels, close_redis, open_redis, translated
from framedb.stores.memory import MemoryStore


class Connections:
    """Connections to clusters by name; the secrets of one installation."""

    def __init__(
        self,
        clusters: ClusterService,
        *,
        password: str,
        control: Endpoint,
        broker_url: str | None = None,
        timeout: float = 5.0,
        wait: float = 15.0,
    ) -> None:
        self._clusters = clusters
        self._password = password
        self._control = control
        self._broker_url = broker_url
        self._timeout = timeout
        self._wait = wait
        self._lock = threading.Lock()
        self._stores: dict[str, MemoryStore] = {}

    def to(self, cluster: str, *, epoch: int = 0, durable: bool = True) -> ClusterConnection:
        """How the cluster is reached at this moment.

        Raises NotFoundError for a cluster nobody registered, StoreUnavailableError when no member of it answers.
        """
        members = self._clusters.addresses(cluster)
        sentinels = [(member.host, member.sentinel_port) for member in members]
        master = ask_sentinels(sentinels, password=self._password) if len(members) > 1 else None
        for member in members:
            if master is None or master == (member.host, member.port):
                endpoint = Endpoint(member.host, member.port, uds=member.uds, password=self._password)
                return ClusterConnection(
                    cluster,
                    Endpoint(
                        member.host, member.port, uds=member.uds, username="default", password=self._password,
                        run_id=_run_id(endpoint, self._timeout),
                    ),
                    sentinels=sentinels,
                    epoch=epoch,
                    durable=durable,
                    members=len(members),
                    control=self._control,
                    broker_url=self._broker_url,
                )  # fmt: skip
        raise StoreUnavailableError(
            f"cluster {cluster} has no member that answers: look at its logs in the data folder"
        )

    def memory(self, cluster: str) -> MemoryStore:
        """The frames of a cluster."""
        with self._lock:
            if cluster not in self._stores:
                master = MasterClient(lambda: self.to(cluster), timeout=self._timeout, wait=self._wait)
                self._stores[cluster] = MemoryStore(master)
            return self._stores[cluster]

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            for store in self._stores.values():
                store.close()
            self._stores.clear()


def _run_id(endpoint: Endpoint, timeout: float) -> str:
    client = open_redis(endpoint, timeout=timeout)
    try:
        with translated(f"the server at {endpoint}"):
            return str(client.info("server")["run_id"])
    finally:
        close_redis(client)
