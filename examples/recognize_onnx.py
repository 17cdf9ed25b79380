"""A clip through an exported model with onnxruntime and numpy alone.

    python recognize_onnx.py MODEL.onnx CLIP.wav

The clip is 16-bit mono WAV at 16 kHz.
"""

import json
import os
import sys
import wave

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when the package is loaded
import onnxruntime

model = onnxruntime.InferenceSession(sys.argv[1])
about = json.loads(model.get_modelmeta().custom_metadata_map["speechtune"])
with wave.open(sys.argv[2]) as clip:
    samples = np.frombuffer(clip.readframes(clip.getnframes()), "<i2") / np.float32(32_768)
size = about["window_samples"]
padded = np.pad(samples, size)  # the word goes to the middle of its window, silence stands outside
start = max(0, round(np.average(np.arange(len(padded)), weights=padded**2 + 1e-12)) - size // 2)
window = padded[start : start + size][None].astype(np.float32)
posteriors = model.run(["posteriors"], {"waveforms": window})[0][0]
best = int(posteriors[: len(about["keywords"])].argmax())
word = about["keywords"][best]
print(word if posteriors[best] >= about["thresholds"][word] else "_unknown_", f"{posteriors[best]:.3f}")
