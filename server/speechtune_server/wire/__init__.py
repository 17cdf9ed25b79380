"""The contract of `proto/` to our own words and back, for every door that speaks it, in whatever form it travels.

Owns: requests, replies, the order of a stream's messages, bounds of a message; as protobuf's bytes and as its JSON.
Does not own: connections, statuses, who is let in.
Imports: `google`, `pydantic`, `speechtune`, `speechtune_client`, `speechtune_server.decoding`,
`speechtune_server.engine`, `speechtune_server.live`, `speechtune_server.process`.
"""
