"""A model judged on long recordings.

Owns: recordings and their label tracks, playback through the session, matching, metrics, thresholds,
mining.
Does not own: clips, pages.
Imports: `numpy`, `pydantic`, `soundfile`, `speechtune`, `speechtune.audio`, `speechtune.data`,
`speechtune.evaluation.answers`, `speechtune.evaluation.certainty`, `speechtune.evaluation.figures`,
`speechtune.streaming`.
"""
