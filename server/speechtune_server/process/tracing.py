"""OpenTelemetry: a span for every call and one for every piece of work of a model, where it is asked for.

Where the process has a tracer provider already it is used. Otherwise one is made, whose exporter the usual variable
`OTEL_TRACES_EXPORTER` names ("console", or any that is installed, such as "otlp").
"""
# ruff: noqa: ARG002  (who traces nothing needs none of what it is told)

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import entry_points
from typing import Any

from speechtune.errors import ConfigError

_SCOPE = "speechtune_server"


class NoTracing:
    """Traces nothing."""

    def call(
        self, method: str, metadata: Iterable[tuple[str, Any]], request_id: str, system: str = "grpc"
    ) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def work(self, kind: str, size: int) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def status(self, code: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Tracing(NoTracing):
    """Traces with the process's tracer provider.

    Raises:
        ConfigError: OpenTelemetry, or the exporter that is asked for, is not installed.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry import propagate, trace
            from opentelemetry.sdk.trace import TracerProvider
        except ImportError as error:
            raise ConfigError("trace: needs opentelemetry-sdk; pip install 'speechtune[trace]'") from error
        self._own: Any = None
        self._trace: Any = trace
        self._extract: Any = propagate.extract
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            self._own = TracerProvider()
            self._own.add_span_processor(_processor())
            trace.set_tracer_provider(self._own)
        self._tracer: Any = trace.get_tracer(_SCOPE)

    @contextmanager
    def call(
        self, method: str, metadata: Iterable[tuple[str, Any]], request_id: str, system: str = "grpc"
    ) -> Iterator[None]:
        """The span of a call through the door `system`, below the one that its client names in `traceparent`."""
        carrier = {key: value for key, value in metadata if key in ("traceparent", "tracestate")}
        service, _, name = method.strip("/").partition("/")
        attributes = {"rpc.system": system, "rpc.service": service, "rpc.method": name, "request_id": request_id}
        with self._tracer.start_as_current_span(
            method.strip("/"),
            context=self._extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,  # its message may repeat what a client sent
            set_status_on_exception=False,
        ):
            yield

    @contextmanager
    def work(self, kind: str, size: int) -> Iterator[None]:
        """The span of one piece of work of a model, waiting included."""
        with self._tracer.start_as_current_span(kind, attributes={"size": size}, record_exception=False):
            yield

    def status(self, code: str) -> None:
        """How the call ended."""
        span = self._trace.get_current_span()
        span.set_attribute("rpc.grpc.status", code)
        if code in ("INTERNAL", "UNAVAILABLE"):
            span.set_status(self._trace.StatusCode.ERROR)

    def close(self) -> None:
        """Send what waits."""
        if self._own is not None:
            self._own.shutdown()


def _processor() -> Any:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    exporters = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not exporters:
        raise ConfigError(
            f"trace: the exporter {name!r} is not installed; install it, or name another in OTEL_TRACES_EXPORTER"
        )
    return BatchSpanProcessor(exporters[0].load()())


def tracing_for(is_on: bool) -> NoTracing:
    """What traces for a server with this setting."""
    return Tracing() if is_on else NoTracing()
