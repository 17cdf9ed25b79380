"""Spans: one for every call, below its client's, and one for every piece of a recogniser's work; never unasked."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec

import pytest

from speechtune.errors import ConfigError
from speechtune_server.app import RecognitionServer
from tests.support.processes import run_python
from tests.support.serving import asynchronous, config_of
from tests.support.streaming import LoudnessActivity

HAS_OPENTELEMETRY = find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None


@pytest.mark.skipif(HAS_OPENTELEMETRY, reason="opentelemetry-sdk is installed")
@asynchronous
async def test_asked_for_without_the_package_it_says_what_to_install():
    with pytest.raises(ConfigError, match=r"speechtune\[trace\]"):
        RecognitionServer(config_of(trace=True), load_activity=LoudnessActivity)


@pytest.mark.skipif(not HAS_OPENTELEMETRY, reason="opentelemetry-sdk is not installed: pip install 'speechtune[trace]'")
def test_a_call_and_its_work_are_spans_below_the_clients():
    """In a process of its own: a provider is set once and for all."""
    printed = run_python(
        """
        import asyncio, json, sys
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from tests.support.serving import COMMANDS_CONTENT, audio, config, running_server, stub_of

        spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        trace.set_tracer_provider(provider)
        parent = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"

        async def main():
            async with running_server(trace=True) as server, stub_of(server) as stub:
                metadata = (("traceparent", parent), ("x-request-id", "seven"))
                requests = iter([config(), audio(COMMANDS_CONTENT)])
                async for answer in stub.StreamingRecognize(requests, metadata=metadata):
                    pass

        asyncio.run(main())
        for span in spans.get_finished_spans():
            print(json.dumps([span.name, format(span.context.trace_id, "x"), dict(span.attributes)]))
        """,
        PYTHONPATH=os.pathsep.join(sys.path),
    )
    spans = [json.loads(line) for line in printed.splitlines()]
    assert {trace_id for _, trace_id, _ in spans} == {"ab" * 16}
    *work, (name, _, attributes) = spans
    assert [one[0] for one in work] == ["score"] * 3
    assert name == "speechtune.v1.CommandRecognition/StreamingRecognize"
    assert (attributes["request_id"], attributes["rpc.grpc.status"]) == ("seven", "OK")
