"""What a model answered to clips, and the file of it.

Owns: predictions and `predictions.jsonl`.
Does not own: figures made of them.
Imports: `numpy`, `pydantic`, `speechtune`.
"""
