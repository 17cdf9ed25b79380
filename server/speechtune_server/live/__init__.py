"""A stream from its samples to its events.

Owns: conversations, which every door holds; streams, their inbox and messages; clips.
Does not own: the wire, of whatever door.
Imports: `numpy`, `speechtune`, `speechtune_server.decoding`, `speechtune_server.engine`, `speechtune_server.hits`,
`speechtune_server.process`.
"""
