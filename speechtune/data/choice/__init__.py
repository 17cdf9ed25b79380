"""Which clips teach, which judge, and which are held out.

Owns: selection of keywords and negatives, k-shot draws, splits, folds.
Does not own: reading.
Imports: `numpy`, `speechtune`, `speechtune.data.sets`.
"""
