"""Clips that nobody recorded.

Owns: synthesised voices, near misses, synthetic sets.
Does not own: training with them.
Imports: `espeakng_loader`, `numpy`, `speechtune`, `speechtune.audio`, `speechtune.data.sets`.
"""
