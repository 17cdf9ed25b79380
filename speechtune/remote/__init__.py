"""A running server as a system to evaluate, and to load.

Owns: calls of a server, the load generator.
Does not own: the server.
Imports: grpc, `speechtune_client`, `speechtune.evaluation`.
"""
