"""How the cache does, for Prometheus."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from framedb.server.extractor.cache import Cache


class CacheMetrics(Collector):
    """Asked whenever Prometheus asks."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def describe(self) -> list[Metric]:
        """Nothing: being registered asks the cache nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What there is to tell."""
        info = self._cache.info()
        requests = CounterMetricFamily(
            "framedb_cache_requests", "Answers looked for in the cache.", labels=("place", "result")
        )
        for place in ("redis", "memory"):
            for result in ("hit", "miss"):
                requests.add_metric((place, result), info.requests.get((place, result), 0))
        yield requests
        size = GaugeMetricFamily("framedb_cache_bytes", "Bytes in the cache.", labels=("place",))
        size.add_metric(("memory",), info.memory_bytes)
        if info.redis_bytes is not None:
            size.add_metric(("redis",), info.redis_bytes)
        yield size
        yield GaugeMetricFamily("framedb_cache_max_bytes", "Bytes it may have in either place.", value=info.max_bytes)
        there = info.redis_bytes is not None
        yield GaugeMetricFamily(
            "framedb_cache_redis_up", "Whether it is in Redis, and not in this process.", value=there
        )
