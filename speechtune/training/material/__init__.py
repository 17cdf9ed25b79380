"""Clips to embedded windows.

Owns: reading and checking, windows and their variation, added windows, the cache of embeddings.
Does not own: heads.
Imports: `numpy`, `pydantic`, `torch`, `speechtune`, `speechtune.audio`, `speechtune.data`, `speechtune.models`,
`speechtune.training`.
"""
