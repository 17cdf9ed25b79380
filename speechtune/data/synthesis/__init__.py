"""Clips that nobody recorded.

Owns: synthesised voices, near misses, synthetic sets.
Does not own: training with them.
Imports: `data.sets`.
"""
