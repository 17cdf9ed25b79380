"""Windows to posteriors.

Owns: scoring by torch and by ONNX Runtime, the second look.
Does not own: sessions.
Imports: `numpy`, `onnxruntime`, `pydantic`, `torch`, `speechtune`, `speechtune.audio`, `speechtune.models`,
`speechtune.models.classifier`, `speechtune.models.encoders`, `speechtune.streaming`.
"""
