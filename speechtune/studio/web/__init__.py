"""The studio over HTTP and web sockets.

Owns: who is let in, what the page may ask for, its answers. Does not own: what is done about it (`speechtune.studio`).
Imports: `numpy`, `starlette`, `speechtune`, `speechtune.evaluation`, `speechtune.models`, `speechtune.record`,
`speechtune.streaming`, `speechtune.studio`.
"""
