"""An encoder with a keyword head.

Owns: pooling, head, classifier.
Does not own: files.
Imports: `torch`, `speechtune`, `speechtune.models.encoders`.
"""
