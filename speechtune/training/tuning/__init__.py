"""The phase that tunes the encoder.

Owns: methods, batches, steps, early stopping, resumption.
Does not own: heads.
Imports: `accelerate`, `numpy`, `peft`, `torch`, `speechtune`, `speechtune.audio`,
`speechtune.evaluation`, `speechtune.models`, `speechtune.training`, `speechtune.training.head`,
`speechtune.training.material`.
"""
