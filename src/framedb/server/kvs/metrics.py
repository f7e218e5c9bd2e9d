"""`GET /metrics`: what the store holds and has done, and what was answered, for Prometheus."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.registry import Collector

from framedb.attributes.store import AttributeStore
from framedb.server.kvs.answers import Answer
from framedb.server.kvs.watching import Watching

Requests = Counter[tuple[str, str, int]]
"""Requests by route, method and status."""


class KvsMetrics(Collector):
    """The metrics of one store and its server: counted as it works, put into words only when somebody asks."""

    def __init__(self, store: AttributeStore, requests: Requests, watching: Watching) -> None:
        self._store = store
        self._requests = requests
        self._watching = watching
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(self)

    def read(self) -> Answer:
        """All of them, in Prometheus' text format."""
        return Answer(generate_latest(self._registry), CONTENT_TYPE_PLAIN_1_0_0.encode())

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks for."""
        stats = self._store.stats
        yield GaugeMetricFamily("framedb_kvs_entries", "Attributes in the store.", stats.entries)
        yield GaugeMetricFamily("framedb_kvs_bytes", "About the memory they take.", stats.bytes)
        yield CounterMetricFamily("framedb_kvs_sets", "Attributes set.", stats.sets)
        yield CounterMetricFamily("framedb_kvs_deletes", "Attributes deleted.", stats.deletes)
        yield CounterMetricFamily("framedb_kvs_expired", "Attributes whose ttl ran out.", stats.expired)
        yield CounterMetricFamily("framedb_kvs_refused", "Calls beyond a bound of the store.", stats.refused)
        yield GaugeMetricFamily("framedb_kvs_websockets", "Watchers over WebSocket.", len(self._watching))
        yield CounterMetricFamily(
            "framedb_kvs_websockets_behind", "Watchers cut off as too slow.", self._watching.fallen_behind
        )
        yield self._answered()

    def _answered(self) -> Metric:
        requests = CounterMetricFamily(
            "framedb_http_requests", "Requests answered.", labels=("route", "method", "status")
        )
        for (route, method, status), number in list(self._requests.items()):
            requests.add_metric((route, method, str(status)), number)
        return requests
