"""What the process is and says of itself.

Owns: settings, clock, logs, metrics, traces, admission, keys, certificates, statuses.
Does not own: protocols, models.
Imports: `opentelemetry`, `prometheus_client`, `pydantic`, `speechtune`.
"""
