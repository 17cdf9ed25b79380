"""The server process: recognition as a service, many streams on one model, behind several doors.

Owns: the listening sockets, admission, batching across streams, what goes over the wire and with which status.
Does not own: what is detected (`speechtune.streaming`), the models (`speechtune.models`), the contract (`proto/`).
Imports: `av`, `google`, `grpc`, `grpc_health`, `grpc_reflection`, `numpy`, `opentelemetry`, `prometheus_client`,
`pydantic`, `starlette`, `torch`, `uvicorn`, `websockets`, `wyoming`, `zeroconf`, `speechtune`, `speechtune_client`.
"""
