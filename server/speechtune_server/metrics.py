"""What Prometheus is told. Without an address, or in a test, nothing is counted and nothing listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from speechtune.errors import AddressInUseError, ConfigError
from speechtune.streaming.events import Detection, Rejected
from speechtune_server.admission import Admission
from speechtune_server.config import host_and_port
from speechtune_server.outgoing import Outgoing

if TYPE_CHECKING:
    from speechtune_server.model_library import ModelLibrary

_LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0)


class Metrics(Protocol):
    """What the server tells."""

    def start(self, admission: Admission, library: ModelLibrary) -> None:
        """Listen; the counts of calls and the models are asked for when they are looked at."""

    def stop(self) -> None:
        """Listen no longer."""

    def call_ended(self, method: str, status: str) -> None:
        """A call ended with this gRPC status."""

    def event_sent(self, model: str, outgoing: Outgoing) -> None:
        """A stream found something, or ended."""


class NoMetrics:
    """Counts nothing."""

    def start(self, admission: Admission, library: ModelLibrary) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def call_ended(self, method: str, status: str) -> None:
        """Do nothing."""

    def event_sent(self, model: str, outgoing: Outgoing) -> None:
        """Do nothing."""


class PrometheusMetrics:
    """Counts with `prometheus_client` in a registry of its own, and answers HTTP at an address.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise ConfigError("metrics_address: needs prometheus-client; pip install 'speechtune[serve]'") from error
        self._prometheus: Any = prometheus
        self._address = address
        self._server: Any = None
        self._thread: Any = None
        self._registry = registry = prometheus.CollectorRegistry()
        name = "speechtune_"
        self._calls = prometheus.Counter(name + "calls", "Calls that ended", ["method", "status"], registry=registry)
        self._detections = prometheus.Counter(
            name + "detections", "Keywords detected", ["model", "label"], registry=registry
        )
        self._rejections = prometheus.Counter(
            name + "rejections", "Stretches of speech without a keyword", ["model"], registry=registry
        )
        self._latency = prometheus.Histogram(
            name + "decision_latency_seconds",
            "From the last audio a decision needed to its dispatch",
            ["model"],
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self._streams = prometheus.Gauge(name + "streams", "Streams open now", registry=registry)
        self._in_work = prometheus.Gauge(name + "calls_in_work", "Streams and clips in work now", registry=registry)

    def start(self, admission: Admission, library: ModelLibrary) -> None:
        """Listen; the counts of calls and the models are asked for when they are looked at.

        Raises:
            AddressInUseError: the port is taken.
        """
        self._streams.set_function(lambda: admission.num_streams)
        self._in_work.set_function(lambda: admission.num_calls)
        self._registry.register(_ModelCollector(self._prometheus, library))
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

    def call_ended(self, method: str, status: str) -> None:
        """A call ended with this gRPC status."""
        self._calls.labels(method, status).inc()

    def event_sent(self, model: str, outgoing: Outgoing) -> None:
        """A stream found something, or ended."""
        event = outgoing.event
        if isinstance(event, Detection):
            self._detections.labels(model, event.label).inc()
        elif isinstance(event, Rejected):
            self._rejections.labels(model).inc()
        else:
            return
        if outgoing.latency_seconds is not None:
            self._latency.labels(model).observe(outgoing.latency_seconds)


class _ModelCollector:
    """Which models are served, by digest."""

    def __init__(self, prometheus: Any, library: ModelLibrary) -> None:
        self._family = prometheus.core.GaugeMetricFamily
        self._library = library

    def collect(self) -> Any:
        """One line a model; 1 for the default, 0 for the others."""
        family = self._family(
            "speechtune_model", "Models served; 1: the default", labels=["name", "digest", "precision"]
        )
        store = self._library.store
        for model in store.models:
            family.add_metric([model.name, model.digest, model.precision], float(model is store.default))
        yield family


def metrics_for(address: str | None) -> Metrics:
    """What counts for a server with this metrics address."""
    return NoMetrics() if address is None else PrometheusMetrics(address)
