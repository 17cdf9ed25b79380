"""A model judged on long recordings.

Owns: recordings and their label tracks, playback through the session, matching, metrics, thresholds,
mining.
Does not own: clips, pages.
Imports: `evaluation.certainty`, `evaluation.figures`, `evaluation.answers`, `speechtune.streaming`, `speechtune.data`.
"""
