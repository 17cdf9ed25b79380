"""The gRPC process: recognition as a service, many streams on one model.

Owns: the listening socket, admission, batching across streams, what goes over the wire and with which status.
Does not own: what is detected (`speechtune.streaming`), the models (`speechtune.models`), the contract (`proto/`).
Imports: grpc.aio, pydantic, `speechtune`, `speechtune_client.v1` (generated). torch only in `runner` and `model_store`,
our generated code only in `wire`, `replies`, `recognition` and `app`.
"""
