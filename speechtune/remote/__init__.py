"""A running server as a system to evaluate, and to load.

Owns: calls of a server, the load generator.
Does not own: the server.
Imports: `grpc`, `numpy`, `pydantic`, `typer`, `speechtune`, `speechtune.audio`, `speechtune.data`,
`speechtune.evaluation`, `speechtune.models`, `speechtune.streaming`, `speechtune_client`.
"""
