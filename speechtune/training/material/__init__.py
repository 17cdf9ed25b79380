"""Clips to embedded windows.

Owns: reading and checking, windows and their variation, added windows, the cache of embeddings.
Does not own: heads.
Imports: torch, `speechtune.data`, `speechtune.models`.
"""
