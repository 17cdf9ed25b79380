"""What a person reads of an evaluation.

Owns: the text report, `report.html`, the folder of mined stretches.
Does not own: any figure.
Imports: rich, `evaluation.clips`, `evaluation.streams`, and below.
"""
