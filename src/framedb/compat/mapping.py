"""Where the frames of a source are, as the routing service tells it: `getMapping`, then the sentinels it names."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from framedb.compat.calls import ServiceCalls
from framedb.compat.instance_urls import connection_of, password_of
from framedb.errors import AlreadyExistsError, NotFoundError, StoreUnavailableError
from framedb.frame import NO_SOURCE
from framedb.resp import NOWHERE, ClusterConnection, Endpoint, find_master, verified_master

FIRST = "local"
"""The cluster a fresh node has: of frames that belong to no source."""

_ASK = 1.0  # seconds a sentinel, or the master it names, may take to answer


class MappingLocator:
    """A `tiering.Locator` over a routing service, of this release or an earlier one.

    Of several mappings the one of our own node tag is used, else the first. Nothing that failed is remembered.
    """

    def __init__(
        self,
        calls: ServiceCalls,
        *,
        node_tag: str,
        site: str,
        password: str = "",
        sockets: Path | None = None,
        place: Callable[[], bool] = lambda: True,
    ) -> None:
        """`sockets` is a folder with `<nodeTag>.sock`. `place`: whether a source nobody knows is placed on our node tag."""
        self._calls = calls
        self._node_tag = node_tag
        self._site = site
        self._password = password
        self._sockets = sockets
        self._place = place
        self._lock = threading.Lock()
        self._sources: dict[str, str] = {}  # a source that goes to the cluster, or went
        self._passwords: dict[str, str] = {}

    def connection(self, *, source: str | None = None, framedb_id: str | None = None) -> ClusterConnection:
        """Where the source goes; or the cluster of that name, with the master of this moment.

        Raises NotFoundError for what routing does not know, NodeUnavailableError, StoreUnavailableError.
        """
        if source is None or source == NO_SOURCE:
            return self._cluster(framedb_id or FIRST)
        entry = self._entry(source)
        if entry is None:
            return ClusterConnection(None, NOWHERE, epoch=None, durable=False)
        previous = tuple(
            (place["cluster_name"], None if place["until"] is None else datetime.fromisoformat(place["until"]))
            for place in entry.get("previous", ())
        )
        cluster = _name_of(entry)
        with self._lock:
            self._sources[cluster] = source
        return ClusterConnection(
            cluster,
            Endpoint(entry["masterIP"], int(entry["redisPort"])),
            epoch=entry.get("epoch"),
            durable=False,
            previous=previous,
            backpressure=bool(entry.get("backpressure", False)),
        )

    def clusters(self) -> list[str]:
        """Those that were met."""
        with self._lock:
            return sorted(self._sources)

    def _entry(self, source: str) -> dict[str, Any] | None:
        """The mapping to use; None for a source that is assigned to no cluster that answers."""
        entries = self._mapping(source)
        own = [entry for entry in entries if entry["nodeTag"] == self._node_tag]
        return next(iter([*own, *entries]), None)

    def _mapping(self, source: str) -> list[dict[str, Any]]:
        wanted = {"sourceId": source}
        try:
            found = self._calls.result("/routing/getMapping", wanted)
        except NotFoundError:
            if not self._place():
                raise
            with suppress(AlreadyExistsError):  # somebody else was faster
                self._calls.result("/routing/createMapping", {**wanted, "nodeTag": self._node_tag})
            found = self._calls.result("/routing/getMapping", wanted)
        entries: list[dict[str, Any]] = found["framedbNodes"]
        return entries

    def _cluster(self, name: str) -> ClusterConnection:
        """With its master, as the sentinels of a mapping tell it, else as the registry of instances does."""
        with self._lock:
            source = self._sources.get(name)
        if source is not None:
            for entry in self._mapping(source):
                if _name_of(entry) == name:
                    return self._with_master(name, entry)
        return self._with_socket(connection_of(self._instance(name), site=self._site), None)

    def _with_master(self, name: str, entry: Mapping[str, Any]) -> ClusterConnection:
        sentinels = [_address(text) for text in entry.get("sentinels", ())]
        sentinels = sentinels or [(entry["serviceIp"], int(entry["sentinelPort"]))]
        password = self._password_of(name)
        known = entry.get("cluster_name")
        found = find_master(sentinels, cluster=known, password=password or None, timeout=_ASK)
        if found is None:  # of an earlier deployment they may be reached from inside only
            told = Endpoint(entry["masterIP"], int(entry["redisPort"]), password=password or None)
            found = verified_master(told, cluster=known, timeout=_ASK)
        if found is None:
            with self._lock:
                self._passwords.pop(name, None)
            raise StoreUnavailableError(
                f"no master of {name} answers at {entry['masterIP']}:{entry['redisPort']}, nor do its sentinels name one: "
                f"look at its members, or set FRAMEDB_PASSWORD if it has another password"
            )
        connection = ClusterConnection(name, found, sentinels=sentinels, epoch=None, durable=False)
        return self._with_socket(connection, entry["nodeTag"])

    def _with_socket(self, connection: ClusterConnection, node_tag: str | None) -> ClusterConnection:
        """Through the socket of the node, if there is one: whoever opens it makes sure that it is this master's."""
        if self._sockets is None or connection.master.run_id is None:
            return connection
        path = self._sockets / f"{node_tag}.sock"
        if not path.exists():
            return connection
        master = replace(connection.master, uds=str(path))
        return replace(connection, master=master, sockets={f"{master.host}:{master.port}": str(path)})

    def _password_of(self, cluster: str) -> str:
        if self._password:
            return self._password
        with self._lock:
            known = self._passwords.get(cluster)
        if known is None:
            try:
                known = password_of(self._instance(cluster))
            except NotFoundError:
                return ""  # an earlier deployment, whose clusters are no instances
            with self._lock:
                self._passwords[cluster] = known
        return known

    def _instance(self, name: str) -> dict[str, Any]:
        """Raises NotFoundError."""
        found: dict[str, Any] = self._calls.data(f"/framedb/instances/{name}")
        return found


def _name_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("cluster_name") or entry.get("serviceName") or entry["serviceIp"])


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)
