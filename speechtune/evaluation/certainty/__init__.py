"""How far a figure can be trusted.

Owns: resampling of speakers, exact and Poisson intervals.
Does not own: the figures.
Imports: `numpy`, `scipy`, `speechtune.evaluation.answers`, `speechtune.evaluation.figures`.
"""
