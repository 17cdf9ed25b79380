"""What the process is and says of itself.

Owns: settings, clock, logs, metrics, traces, admission.
Does not own: protocols, models.
Imports: `opentelemetry`, `prometheus_client`, `pydantic`, `speechtune`.
"""
