"""How clusters are reached, from what is registered and what runs."""

import threading
from collections.abc import Sequence

from framedb.clusters.service import ClusterService
from framedb.errors import NotFoundError, StoreUnavailableError
from framedb.frame import utc_now
from framedb.resp import NOWHERE, ClusterConnection, Endpoint, MasterClient, find_master, verified_master
from framedb.routing import Route
from framedb.stores.memory import MemoryStore

_ASK = 1.0  # seconds a sentinel, or the master it names, may take to answer


class Connections:
    """Connections to clusters by name; the secrets of one installation."""

    def __init__(
        self,
        clusters: ClusterService,
        *,
        password: str,
        control: Endpoint | None,
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

    def to(self, cluster: str | None, *, route: Route | None = None) -> ClusterConnection:
        """How the cluster is reached at this moment, and what `route` says of the source that is asked for.

        None, the cluster of a source that is unassigned, is reached nowhere. Raises NotFoundError for a cluster nobody
        registered, StoreUnavailableError when no sentinel of it knows of a master that answers.
        """
        info = None if cluster is None else self._clusters.info(cluster)
        registered = info.members if info else []
        members = [Endpoint(each.host, each.port, each.uds, "default", self._password) for each in registered]
        sentinels = [(each.host, each.sentinel_port) for each in registered]
        return ClusterConnection(
            cluster,
            NOWHERE if cluster is None else self._master(cluster, members, sentinels),
            sentinels=sentinels,
            epoch=0 if route is None else route.epoch,
            durable=route is None or route.durable,
            members=info.spec.replicas if info else 0,
            sockets=_sockets(members),
            previous=() if route is None else tuple((place.cluster, place.until) for place in route.previous),
            backpressure=route is not None and route.backpressure,
            control=self._control,
            broker_url=self._broker_url,
        )

    def memory(self, cluster: str) -> MemoryStore:
        """The frames of a cluster."""
        with self._lock:
            if cluster not in self._stores:
                master = MasterClient(lambda: self.to(cluster), timeout=self._timeout, wait=self._wait)
                self._stores[cluster] = MemoryStore(master)
            return self._stores[cluster]

    def forget(self, cluster: str) -> None:
        """Let go of a cluster that was removed."""
        with self._lock:
            store = self._stores.pop(cluster, None)
        if store is not None:
            store.close()

    def release(self, route: Route, keys: Sequence[str]) -> int:
        """Remove frames of the source from memory, wherever the route says they may be; how many there were.

        Released frames count as no drop.
        """
        now = utc_now()
        living = [place.cluster for place in route.previous if place.until is None or place.until > now]
        removed = 0
        for cluster in [route.cluster, *living]:
            if cluster is not None:
                try:
                    removed += self.memory(cluster).delete_many(keys, source=route.source)
                except NotFoundError:  # it was removed, with all it held
                    self.forget(cluster)
        return removed

    def close(self) -> None:
        """Close every store."""
        with self._lock:
            for store in self._stores.values():
                store.close()
            self._stores.clear()

    def _master(self, cluster: str, members: Sequence[Endpoint], sentinels: list[tuple[str, int]]) -> Endpoint:
        """The living one. A row tells where members are, and never who is master: where there are several, sentinels do."""
        if len(members) == 1:
            found = verified_master(members[0], cluster=cluster, timeout=self._timeout)
        else:
            found = find_master(
                sentinels,
                cluster=cluster,
                username="default",
                password=self._password,
                sockets=_sockets(members),
                timeout=_ASK,
            )
        if found is None:
            raise StoreUnavailableError(
                f"cluster {cluster} has no master that answers: try again, or look at its logs in the data folder"
            )
        return found


def _sockets(members: Sequence[Endpoint]) -> dict[str, str]:
    return {f"{member.host}:{member.port}": member.uds for member in members if member.uds}
