"""The gRPC door.

Owns: services, interceptors, parsing, replies, status, access, TLS, health.
Does not own: what is detected.
Imports: grpc, generated code, and every room below.
"""
