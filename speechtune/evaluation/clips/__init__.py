"""A model judged on clips.

Owns: scoring, metrics of clips, headlines, conditions, slices, paired comparison.
Does not own: streams, pages.
Imports: `numpy`, `pydantic`, `speechtune`, `speechtune.audio`, `speechtune.data`, `speechtune.evaluation.answers`,
`speechtune.evaluation.certainty`, `speechtune.evaluation.figures`, `speechtune.streaming`.
"""
