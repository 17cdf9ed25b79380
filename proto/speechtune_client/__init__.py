"""Talking to a speechtune server from any device: the generated contract, a blocking and an async client.

Owns: the wire's generated code (`v1`), `CommandClient`, `AsyncCommandClient`, their events and errors.
Does not own: audio capture, files, anything of the server.
Imports: grpcio and protobuf, nothing else; neither numpy nor torch nor `speechtune`.
"""
