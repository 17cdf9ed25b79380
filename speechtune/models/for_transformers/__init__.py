"""A checkpoint for the `transformers` library.

Owns: the folder that its Auto classes load, and the modelling file in it, which knows nothing of speechtune.
Does not own: checkpoints, the hub.
Imports: `numpy`, `torch`, `transformers`, `speechtune`, `speechtune.audio`, `speechtune.models.checkpoints`,
`speechtune.models.encoders`, `speechtune.models.golden`, `speechtune.models.scorers`.
"""
