"""An exported model that tells low tones from high ones by arithmetic, for examples in whatever language."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from speechtune.models.scorers.onnx_scorer import METADATA_KEY, OnnxDescription
from speechtune.recipe import DetectorSettings, EndpointingSettings

LOW_HZ, HIGH_HZ = 400.0, 2_000.0
WINDOW = 16_000


def roughness(frequency_hz: float) -> float:
    """How much a tone's power grows by taking differences of neighbouring samples."""
    return (2.0 * math.sin(math.pi * frequency_hz / 16_000)) ** 2


class Pitch(nn.Module):
    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        steps = waveforms[:, 1:] - waveforms[:, :-1]
        rough = torch.log(steps.square().mean(dim=1) / (waveforms.square().mean(dim=1) + 1e-9) + 1e-9)
        likeness = [-4.0 * (rough - math.log(roughness(hz))).square() for hz in (LOW_HZ, HIGH_HZ)]
        logits = torch.stack([*likeness, 0.0 * rough - 8.0, 0.0 * rough - 9.0], dim=1)
        return logits, torch.softmax(logits, dim=1)


def write_pitch_model(path: Path, second_look: bool = True) -> Path:
    """The model as one file, with the description of an export."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Pitch(),
            (torch.zeros(2, WINDOW),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["waveforms"],
            output_names=["logits", "posteriors"],
            dynamic_axes={name: {0: "batch"} for name in ("waveforms", "logits", "posteriors")},
        )
    description = OnnxDescription(
        precision="fp32",
        checkpoint_digest="ab" * 32,
        encoder="arithmetic",
        keywords=("low", "high"),
        negatives=(),
        window_samples=WINDOW,
        thresholds={"low": 0.6, "high": 0.6},
        detector=DetectorSettings(),
        endpointing=EndpointingSettings(),
        second_look=second_look,
    )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {METADATA_KEY: description.model_dump_json()})
    onnx.save(model, str(path))
    return path


def tone(frequency_hz: float, seconds: float = 0.5, level: float = 0.3) -> np.ndarray:
    """float32[N] of a tone that swells."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    envelope = np.sin(np.pi * time / seconds) ** 2
    samples: np.ndarray = (level * envelope * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)
    return samples


def spoken(*frequencies_hz: float, gap_seconds: float = 1.5) -> np.ndarray:
    """Tones one after the other with soft noise between them, float32[N]."""
    generator = np.random.default_rng(0)
    pieces = []
    for frequency in frequencies_hz:
        pieces += [np.zeros(int(gap_seconds * 16_000), dtype=np.float32), tone(frequency)]
    samples = np.concatenate([*pieces, np.zeros(24_000, dtype=np.float32)])
    noisy: np.ndarray = samples + 1e-4 * generator.standard_normal(len(samples)).astype(np.float32)
    return noisy
