"""Windows to a head with thresholds.

Owns: fitting, cross-fitting, the prior of words, talk heard by held-out heads, thresholds, the choice of negatives.
Does not own: the encoder.
Imports: `numpy`, `pydantic`, `torch`, `speechtune`, `speechtune.data`, `speechtune.evaluation`,
`speechtune.models`, `speechtune.streaming`, `speechtune.training`, `speechtune.training.material`.
"""
