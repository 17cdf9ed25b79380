"""Waveform to logits, and its file on disk.

Owns: the door to a tuned model (`opened`), the table of encoder families, the Whisper and wav2vec2 adapters, the
packaged weights and their reader, the word vectors of a vocabulary, features, pooling, the head, the classifier,
checkpoints, the ways out: ONNX with its golden vectors, `transformers`, the hub.
Does not own: training, thresholds' choice, streams, any wire. Nothing here knows how a window was cut or placed.
Imports: `huggingface_hub`, `numpy`, `onnx`, `onnxruntime`, `pydantic`, `safetensors`, `tokenizers`, `torch`,
`torchaudio`, `transformers`, `speechtune`, `speechtune.audio`, `speechtune.data`, `speechtune.record`,
`speechtune.streaming`.

torch, transformers and safetensors are imported only where they are used: what handles files, opens an exported file or
finds the weights of an encoder needs no torch.
"""
