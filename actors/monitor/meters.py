"""The metrics of the catalogue as objects of prometheus-client, in registries of this incarnation alone."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from actors.monitor.catalogue import CATALOGUE, Measure

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, of no use to us

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Meters:
    """Numbers by name and labels; a name or a label that the catalogue has not is a KeyError or ValueError."""

    def __init__(self) -> None:
        self._present, self._lasting = CollectorRegistry(), CollectorRegistry()
        ProcessCollector(registry=self._present)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for measure in CATALOGUE:
            self._make(measure)

    def _make(self, measure: Measure) -> None:
        registry = self._lasting if measure.lasting else self._present
        name, text, labels = measure.name, measure.help, measure.labels
        match measure.kind:
            case "counter":
                self._counters[name] = Counter(name, text, labels, registry=registry)
            case "gauge":
                self._gauges[name] = Gauge(name, text, labels, registry=registry)
            case "histogram":
                self._histograms[name] = Histogram(name, text, labels, registry=registry, buckets=measure.buckets)

    def count(self, name: str, amount: float, *labels: str) -> None:
        """Add to a counter."""
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc(amount)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Add to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(*labels) if labels else histogram).observe(value)

    def clear(self, *names: str) -> None:
        """Forget the labelled values of gauges, before those that are true now are set."""
        for name in names:
            self._gauges[name].clear()

    def text(self, *, lasting: bool) -> bytes:
        """Prometheus' text format; without the ``lasting`` counters while the history is not read to its end: a
        counter that is behind would be taken for one that began anew."""
        present: bytes = generate_latest(self._present)
        return present + generate_latest(self._lasting) if lasting else present
