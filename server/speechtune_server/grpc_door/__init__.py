"""The gRPC door.

Owns: services, interceptors, parsing, replies, status, access, TLS, health.
Does not own: what is detected.
Imports: `google`, `grpc`, `grpc_health`, `pydantic`, `speechtune`, `speechtune_client`, `speechtune_server.decoding`,
`speechtune_server.engine`, `speechtune_server.live`, `speechtune_server.process`.
"""
