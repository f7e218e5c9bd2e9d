"""How many jobs there are, for Prometheus."""

import logging
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from framedb.errors import FrameDBError
from framedb.extraction.jobs import Jobs

logger = logging.getLogger(__name__)


class JobMetrics(Collector):
    """Asked whenever Prometheus asks."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def describe(self) -> list[Metric]:
        """Nothing: being registered asks the registry nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What there is to tell; nothing while the registry is away, and everything else can still be told."""
        try:
            counts = self._jobs.counts()
        except FrameDBError as exc:
            logger.warning("jobs cannot be counted: %s", exc)
            return
        jobs = GaugeMetricFamily("framedb_jobs", "Video jobs there are.", labels=("status",))
        for status, count in counts.items():
            jobs.add_metric((status,), count)
        yield jobs
