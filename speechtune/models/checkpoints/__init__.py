"""A model as a folder.

Owns: reading, writing, replacing, the model card.
Does not own: training.
Imports: `huggingface_hub`, `pydantic`, `safetensors`, `torch`, `speechtune`, `speechtune.audio`,
`speechtune.models.classifier`, `speechtune.models.encoders`, `speechtune.models.scorers`, `speechtune.streaming`.
"""
