"""Audio of hits and near misses, kept where asked for.

Owns: which stretches are kept, and their files.
Does not own: streams.
Imports: `numpy`, `pydantic`, `speechtune`.
"""
