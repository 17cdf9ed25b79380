"""What a person reads of an evaluation.

Owns: the text report, `report.html`, the figures of a model card, the folder of mined stretches.
Does not own: any figure.
Imports: `numpy`, `pydantic`, `rich`, `speechtune`, `speechtune.audio`, `speechtune.data`, `speechtune.evaluation`,
`speechtune.evaluation.answers`, `speechtune.evaluation.clips`, `speechtune.evaluation.figures`,
`speechtune.evaluation.streams`, `speechtune.models`.
"""
