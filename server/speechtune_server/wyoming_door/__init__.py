"""The Wyoming door, for Home Assistant and its satellites: commands as wake words.

Owns: events of Wyoming in and out, keywords as wake words, the announcement in the local network.
Does not own: conversations (`live`), statuses and limits (`process`).
Imports: `wyoming`, `zeroconf`, `speechtune`, `speechtune_server.engine`, `speechtune_server.live`,
`speechtune_server.process`.
"""
