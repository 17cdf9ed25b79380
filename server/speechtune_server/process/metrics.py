"""What Prometheus is told. Without an address, or in a test, nothing is counted and nothing listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from speechtune.errors import AddressInUseError
from speechtune.labels import SILENCE, UNKNOWN
from speechtune.streaming.events import Detection, Interim, Rejected
from speechtune_server.process.admission import Admission
from speechtune_server.process.config import host_and_port


@dataclass(frozen=True)
class ModelInForce:
    """A model that is served now."""

    name: str
    digest: str
    precision: str
    is_default: bool


ModelsInForce = Callable[[], Iterable[ModelInForce]]
"""Asked each time that somebody looks."""

_LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0)
_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics(Protocol):
    """What the server tells."""

    def start(self, admission: Admission, models: ModelsInForce) -> None:
        """Listen; the counts of calls and the models are asked for when they are looked at."""

    def stop(self) -> None:
        """Listen no longer."""

    def watch_queues(self, queues: Mapping[str, Callable[[], int]]) -> None:
        """These queues, by what waits in them, are asked for their length when they are looked at."""

    def watch_certificate(self, seconds_left: Callable[[], float]) -> None:
        """How long the server's certificate is still valid is asked for when it is looked at."""

    def call_ended(self, method: str, status: str, reason: str = "") -> None:
        """A call ended with this gRPC status; the reason is the class of the error it was refused with."""

    def event_sent(self, model: str, event: object, latency_seconds: float | None) -> None:
        """A stream found something, or ended."""

    def batch_ran(self, work: str, size: int, seconds: float) -> None:
        """Work of this kind was done together, and took so long."""


class NoMetrics:
    """Counts nothing."""

    def start(self, admission: Admission, models: ModelsInForce) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def watch_queues(self, queues: Mapping[str, Callable[[], int]]) -> None:
        """Do nothing."""

    def watch_certificate(self, seconds_left: Callable[[], float]) -> None:
        """Do nothing."""

    def call_ended(self, method: str, status: str, reason: str = "") -> None:
        """Do nothing."""

    def event_sent(self, model: str, event: object, latency_seconds: float | None) -> None:
        """Do nothing."""

    def batch_ran(self, work: str, size: int, seconds: float) -> None:
        """Do nothing."""


class PrometheusMetrics:
    """Counts with `prometheus_client` in a registry of its own, and answers HTTP at an address."""

    def __init__(self, address: str) -> None:
        import prometheus_client as prometheus
        from prometheus_client.core import GaugeMetricFamily

        self._prometheus: Any = prometheus
        self._family: Any = GaugeMetricFamily
        self._address = address
        self._server: Any = None
        self._thread: Any = None
        self._registry = prometheus.CollectorRegistry()
        counter, histogram, gauge = prometheus.Counter, prometheus.Histogram, prometheus.Gauge
        self._calls = self._made(counter, "calls", "Calls that ended", "method", "status")
        self._refusals = self._made(counter, "refusals", "Calls that were refused, or failed", "method", "reason")
        self._detections = self._made(counter, "detections", "Keywords detected", "model", "label")
        self._rejections = self._made(counter, "rejections", "Speech without a keyword", "model", "reason")
        self._latency = self._made(
            histogram,
            "latency_seconds",
            "From the last audio an event needed to its dispatch",
            "model",
            "event",
            buckets=_LATENCY_BUCKETS,
        )
        self._sizes = self._made(histogram, "batch_size", "Windows or frames at once", "work", buckets=_SIZE_BUCKETS)
        self._seconds = self._made(
            histogram, "batch_seconds", "From handing a batch over to its answer", "work", buckets=_LATENCY_BUCKETS
        )
        self._queue = self._made(gauge, "queue", "Requests that wait for a model", "work")
        self._streams = self._made(gauge, "streams", "Streams open now")
        self._in_work = self._made(gauge, "calls_in_work", "Streams and clips in work now")

    def start(self, admission: Admission, models: ModelsInForce) -> None:
        """Listen; the counts of calls and the models are asked for when they are looked at.

        Raises:
            AddressInUseError: the port is taken.
        """
        self._streams.set_function(lambda: admission.num_streams)
        self._in_work.set_function(lambda: admission.num_calls)
        self._registry.register(_ModelCollector(self._family, models))
        host, port = host_and_port(self._address)
        try:
            self._server, self._thread = self._prometheus.start_http_server(port, host, self._registry)
        except OSError as error:
            raise AddressInUseError(f"metrics {self._address}: {error.strerror or error}; choose another") from error

    def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    @property
    def port(self) -> int:
        """The real port."""
        return int(self._server.server_port)

    def watch_queues(self, queues: Mapping[str, Callable[[], int]]) -> None:
        """These queues, by what waits in them, are asked for their length when they are looked at."""
        for work, length in queues.items():
            self._queue.labels(work).set_function(length)

    def watch_certificate(self, seconds_left: Callable[[], float]) -> None:
        """How long the server's certificate is still valid is asked for when it is looked at."""
        gauge = self._made(
            self._prometheus.Gauge, "certificate_seconds_left", "Until the certificate in force ends; negative after it"
        )
        gauge.set_function(seconds_left)

    def call_ended(self, method: str, status: str, reason: str = "") -> None:
        """A call ended with this gRPC status; the reason is the class of the error it was refused with."""
        self._calls.labels(method, status).inc()
        if reason:
            self._refusals.labels(method, reason).inc()

    def event_sent(self, model: str, event: object, latency_seconds: float | None) -> None:
        """A stream found something, or ended."""
        if isinstance(event, Detection):
            kind = "detection"
            self._detections.labels(model, event.label).inc()
        elif isinstance(event, Rejected):
            kind = "rejection"
            self._rejections.labels(model, _REASONS.get(event.label, "below threshold")).inc()
        elif isinstance(event, Interim):
            kind = "interim"
        else:
            return
        if latency_seconds is not None:
            self._latency.labels(model, kind).observe(latency_seconds)

    def batch_ran(self, work: str, size: int, seconds: float) -> None:
        """Work of this kind was done together, and took so long."""
        self._sizes.labels(work).observe(size)
        self._seconds.labels(work).observe(seconds)

    def _made(self, kind: Any, name: str, documentation: str, *labels: str, **settings: Any) -> Any:
        return kind(f"speechtune_{name}", documentation, labels, registry=self._registry, **settings)


_REASONS = {UNKNOWN: "unknown word", SILENCE: "no speech"}


class _ModelCollector:
    """Which models are served, by digest."""

    def __init__(self, family: Any, models: ModelsInForce) -> None:
        self._family = family
        self._models = models

    def collect(self) -> Any:
        """One line a model; 1 for the default, 0 for the others."""
        family = self._family(
            "speechtune_model", "Models served; 1: the default", labels=["name", "digest", "precision"]
        )
        for model in self._models():
            family.add_metric([model.name, model.digest, model.precision], float(model.is_default))
        yield family


def metrics_for(address: str | None) -> Metrics:
    """What counts for a server with this metrics address."""
    return NoMetrics() if address is None else PrometheusMetrics(address)
