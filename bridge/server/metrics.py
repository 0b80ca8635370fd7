"""`/metrics` in Prometheus's text format: what is counted anyway, collected when somebody asks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, core
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from bridge.core.histogram import Histogram
from bridge.core.metrics import BY_NAME, METRICS, Metric, Source, Values

log = logging.getLogger(__name__)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """The metrics of one daemon, out of the values that its sources give."""

    def __init__(self) -> None:
        self._sources: list[Source] = []

    def add(self, source: Source) -> None:
        """`source` gives the values of metrics that `bridge/core/metrics.py` declares."""
        self._sources.append(source)

    async def text(self) -> bytes:
        """What `/metrics` answers: read at once, and written in a thread, as it takes milliseconds."""
        return await asyncio.to_thread(_written, self.values())

    def values(self) -> Mapping[str, Values]:
        """Every value by its metric's name. A source that fails is passed over, and logged."""
        found: dict[str, Values] = {}
        for source in self._sources:
            try:
                found.update(source())
            # It may be anybody's, and what the others count is worth as much without it.
            except Exception:
                log.exception("a source of metrics failed")
        if unknown := found.keys() - BY_NAME.keys():
            raise LookupError(f"bridge/core/metrics.py declares no metric {', '.join(sorted(unknown))}")
        return found


class _Snapshot(Collector):
    """What was read, for one answer."""

    def __init__(self, values: Mapping[str, Values]) -> None:
        self._values = values

    def collect(self) -> Iterator[core.Metric]:
        values = self._values
        return (_family(metric, values[metric.name]) for metric in METRICS if metric.name in values)


def _written(values: Mapping[str, Values]) -> bytes:
    # One of its own: the library's is the process's, in which there may be two daemons, as in tests.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(values))
    GCCollector(registry=registry)
    PlatformCollector(registry=registry)
    return generate_latest(registry)


def _family(metric: Metric, values: Values) -> core.Metric:
    by_labels = values if isinstance(values, Mapping) else {(): values}
    if metric.kind == "histogram":
        histogram = core.HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in by_labels.items():
            assert isinstance(value, Histogram)
            histogram.add_metric(_labels(labels), list(value.cumulative()), value.sum)
        return histogram
    kind = core.CounterMetricFamily if metric.kind == "counter" else core.GaugeMetricFamily
    family: Any = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in by_labels.items():
        family.add_metric(_labels(labels), value)
    found: core.Metric = family
    return found


def _labels(labels: str | tuple[str, ...]) -> tuple[str, ...]:
    return (labels,) if isinstance(labels, str) else labels
