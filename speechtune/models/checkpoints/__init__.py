"""A model as a folder.

Owns: reading, writing, replacing, the model card.
Does not own: training.
Imports: `models.classifier`, `models.encoders`, `models.scorers`.
"""
