"""Live audio to events, without any IO: no sockets, no files, no clock, no threads, no torch.

Owns: voice activity, endpointing, windows, smoothing, thresholds, refractory time, the grammar of one stream.
Does not own: where bytes come from, what runs the models, how events are written on a wire.
Imports: `numpy`, `onnx`, `onnxruntime`, `speechtune`, `speechtune.audio`.
"""
