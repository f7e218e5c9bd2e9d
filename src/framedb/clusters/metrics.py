"""`MetricsExporters`: a Prometheus endpoint of its own for every cluster that was made with `enable_metrics`."""

import http.client
import logging
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from framedb.clusters.discovery import Discovery, keys_of, offset_of, role_of, state_of
from framedb.clusters.registered import READY, ClusterInfo
from framedb.clusters.service import ClusterService
from framedb.errors import FrameDBError
from framedb.loopback import host_of, is_loopback

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_LABELS = ["cluster", "member", "role"]
_GAUGES = {
    "memory_bytes": ("used_memory", "Memory used, bookkeeping of the server included."),
    "maxmemory_bytes": ("maxmemory", "Memory it may use for data."),
    "connected_clients": ("connected_clients", "Open connections of clients."),
    "blocked_clients": ("blocked_clients", "Clients that wait in a blocking command."),
    "connected_replicas": ("connected_slaves", "Replicas attached to it."),
    "uptime_seconds": ("uptime_in_seconds", "Since it was started."),
}
_COUNTERS = {
    "commands": ("total_commands_processed", "Commands processed."),
    "connections": ("total_connections_received", "Connections accepted."),
    "rejected_connections": ("rejected_connections", "Connections refused because of maxclients."),
    "received_bytes": ("total_net_input_bytes", "Bytes received."),
    "sent_bytes": ("total_net_output_bytes", "Bytes sent."),
    "expired_keys": ("expired_keys", "Keys whose time ran out."),
    "evicted_keys": ("evicted_keys", "Keys evicted for want of memory."),
    "keyspace_hits": ("keyspace_hits", "Reads that found their key."),
    "keyspace_misses": ("keyspace_misses", "Reads that did not."),
}


class ClusterCollector(Collector):
    """Asks every member of one cluster with each scrape."""

    def __init__(self, cluster: str, discovery: Discovery) -> None:
        self._cluster = cluster
        self._discovery = discovery

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: being registered asks no server."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The metrics of each member; of one that does not answer only that it is down."""
        try:
            infos = self._discovery.infos(self._cluster)
        except FrameDBError as exc:
            logger.warning("no metrics of %s: %s", self._cluster, exc, extra={"cluster": self._cluster})
            return
        up = _gauge("up", "Whether the member answers.")
        online = _gauge("online", "Whether it has all data of its master, and takes requests.")
        keys = _gauge("keys", "Keys, indexes included.")
        lag = _gauge("replication_lag_bytes", "How far a replica is behind its master.")
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
            field: _gauge(name, text) for name, (field, text) in _GAUGES.items()
        }
        for name, (field, text) in _COUNTERS.items():
            families[field] = CounterMetricFamily(f"framedb_cluster_member_{name}", text, labels=_LABELS)
        offset = max((offset_of(info) for _, info in infos if info and role_of(info) == "master"), default=None)
        for member, info in infos:
            labels = [self._cluster, member.name, role_of(info) if info else "unknown"]
            up.add_metric(labels, 1 if info else 0)
            if info is None:
                continue
            online.add_metric(labels, 1 if state_of(info) == "online" else 0)
            keys.add_metric(labels, keys_of(info))
            if labels[-1] == "replica" and offset is not None:
                lag.add_metric(labels, max(0, offset - offset_of(info)))
            for field, family in families.items():
                if field in info:
                    family.add_metric(labels, float(info[field]))
        yield from (up, online, keys, lag, *families.values())


@dataclass(frozen=True, slots=True)
class _Exporter:
    """One endpoint that is served here."""

    server: WSGIServer
    thread: threading.Thread

    @property
    def port(self) -> int:
        return int(self.server.server_port)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class MetricsExporters:
    """Serves `GET /metrics` on loopback for each ready cluster of this installation that wants it.

    The port is registered with the cluster, and taken again after a restart if it is free. Where another process of the same
    installation serves a cluster already, that is left to it.
    """

    def __init__(self, service: ClusterService, discovery: Discovery) -> None:
        self._service = service
        self._discovery = discovery
        self._lock = threading.Lock()
        self._closed = False
        self._exporters: dict[str, _Exporter] = {}

    def refresh(self, _: str | None = None) -> None:
        """Begin to serve what is new, stop what is gone. A port that is not to be had is logged, and tried again."""
        with self._lock:
            if self._closed:
                return
            wanted = {
                info.name: info for info in self._service.own() if info.state == READY and info.spec.enable_metrics
            }
            for name in self._exporters.keys() - wanted.keys():
                self._exporters.pop(name).close()
            for name, info in wanted.items():
                try:
                    self._serve(info)
                except OSError as exc:
                    logger.warning("no metrics endpoint for %s: %s", name, exc, extra={"cluster": name})

    def close(self) -> None:
        """Stop serving."""
        with self._lock:
            self._closed = True
            for exporter in self._exporters.values():
                exporter.close()
            self._exporters.clear()

    def _serve(self, info: ClusterInfo) -> None:
        exporter = self._exporters.get(info.name)
        if exporter is None:
            if info.metrics_port is not None and _is_served(info.name, info.metrics_port):
                return
            exporter = self._exporters[info.name] = self._started(info)
            logger.info("metrics endpoint", extra={"cluster": info.name, "port": exporter.port})
        if exporter.port != info.metrics_port:
            self._service.set_metrics_port(info.name, exporter.port)

    def _started(self, info: ClusterInfo) -> _Exporter:
        registry = CollectorRegistry()
        registry.register(ClusterCollector(info.name, self._discovery))
        server, thread = start_http_server(info.metrics_port or 0, addr=_HOST, registry=registry)
        server.set_app(_for_this_machine(make_wsgi_app(registry)))
        return _Exporter(server, thread)


def _for_this_machine(app: "WSGIApplication") -> "WSGIApplication":
    """The application for requests that name a loopback host: a page of elsewhere that resolves to 127.0.0.1 sends its own."""

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if is_loopback(host_of(environ.get("HTTP_HOST", ""))):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"metrics are told to this machine alone: ask for them at 127.0.0.1\n"]

    return guarded


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"framedb_cluster_member_{name}", text, labels=_LABELS)


def _is_served(cluster: str, port: int) -> bool:
    """Whether another process serves the cluster's metrics there."""
    with closing(http.client.HTTPConnection(_HOST, port, timeout=2.0)) as connection:
        try:
            connection.request("GET", "/metrics")
            return f'cluster="{cluster}"'.encode() in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
