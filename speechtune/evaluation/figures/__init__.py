"""Single numbers out of answers.

Owns: confusion, detection at a false-acceptance rate, calibration, open set, thresholds from clips.
Does not own: intervals, streams.
Imports: `numpy`, `pydantic`, `speechtune`, `speechtune.evaluation.answers`.
"""
