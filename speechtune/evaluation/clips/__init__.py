"""A model judged on clips.

Owns: scoring, metrics of clips, headlines, conditions, slices, paired comparison.
Does not own: streams, pages.
Imports: `evaluation.certainty`, `evaluation.figures`, `evaluation.answers`, `speechtune.streaming`.
"""
