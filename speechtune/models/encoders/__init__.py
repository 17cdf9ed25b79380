"""Pretrained speech encoders.

Owns: families, packaged weights, the hub, features, Whisper, wav2vec2, what their vocabularies know.
Does not own: heads.
Imports: `huggingface_hub`, `numpy`, `pydantic`, `safetensors`, `tokenizers`, `torch`, `torchaudio`, `transformers`,
`speechtune`, `speechtune.audio`.
"""
