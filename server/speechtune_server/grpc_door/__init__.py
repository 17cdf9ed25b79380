"""The gRPC door.

Owns: services, interceptors, statuses of gRPC, health, the socket.
Does not own: messages (`wire`), conversations (`live`), who may call (`process`).
Imports: `google`, `grpc`, `grpc_health`, `speechtune`, `speechtune_client`, `speechtune_server.engine`,
`speechtune_server.live`, `speechtune_server.process`, `speechtune_server.wire`.
"""
