"""The phase that tunes the encoder.

Owns: methods, batches, steps, early stopping, resumption.
Does not own: heads.
Imports: torch, accelerate, `training.material`, `training.head`.
"""
