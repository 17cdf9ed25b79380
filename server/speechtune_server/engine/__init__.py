"""Models and the scoring of many streams at once.

Owns: model store and library, backends, exports, batches, the runner.
Does not own: streams.
Imports: `numpy`, `torch`, `speechtune`, `speechtune_server.process`.
"""
