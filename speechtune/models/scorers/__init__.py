"""Windows to posteriors.

Owns: scoring by torch and by ONNX Runtime, the second look.
Does not own: sessions.
Imports: torch, onnxruntime, `models.classifier`.
"""
