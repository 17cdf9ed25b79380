"""Waveform to logits, and its file on disk.

Owns: the encoder registry, the Whisper and wav2vec2 families, the packaged weights and their reader, the word vectors
of a vocabulary, features, pooling, the head, the classifier, checkpoints.
Does not own: training, thresholds' choice, streams, any wire. Nothing here knows how a window was cut or placed.
Imports: torch, transformers and safetensors (all only where they are used), numpy, pydantic, `speechtune.audio`,
`speechtune.labels`, `speechtune.recipe`, `speechtune.errors`. What only handles files (`checkpoint_files`,
`checkpoint_writing`, `model_card`, `packaged`, `ctranslate2_reader`, `pretrained_files`, `hub`, `registry`)
imports no torch to do so.
"""
