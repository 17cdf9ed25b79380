"""Whether somebody speaks, frame by frame, at any level.

Owns: Silero's network as a graph that answers for many streams at once, the gain that brings quiet speech up to it, and
the gate that spares it digital silence.
Does not own: where an utterance begins and ends.
Imports: `numpy`, `onnx`, `onnxruntime`, `speechtune`, `speechtune.audio`.
"""
