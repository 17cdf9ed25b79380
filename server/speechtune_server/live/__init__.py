"""A stream from its samples to its events.

Owns: streams, their inbox and orders, clips.
Does not own: the wire.
Imports: `process`, `engine`, `decoding`.
"""
