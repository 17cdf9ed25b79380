"""Golden vectors: what an exported model gives on known windows, layer by layer, for whoever ports it.

Owns: the known windows, the file of vectors, the comparison of a port with them, the graph that shows its layers.
Does not own: the export that makes the vectors.
Imports: `numpy`, `onnx`, `onnxruntime`, `pydantic`, `speechtune`, `speechtune.audio`,
`speechtune.models.scorers`.
"""
