"""Which weights the encoder phase changes, and how fast each learns; everything else stays frozen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from speechtune.errors import ConfigError
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import TuneSettings
from speechtune.training.method import Tuning
from speechtune.training.tuning.tunings import TUNINGS

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")
_FINAL_NORMS = ("model.layer_norm.", "model.encoder.layer_norm.")  # Whisper's; wav2vec2's where it comes last


@dataclass(frozen=True)
class ParameterGroup:
    """Weights that learn at one rate."""

    parameters: list[nn.Parameter]
    learning_rate: float
    weight_decay: float


def choose_parameters(classifier: KeywordClassifier, tuning: Tuning, settings: TuneSettings) -> list[ParameterGroup]:
    """Freeze `classifier` but for the layers that `tuning` names, its final norm and the head.

    Layers whose frames nobody reads are left out, and so are what lies before the first layer and the decoder, through
    which gradients flow. What the method puts into the encoder must be there already (`TuningMethod.prepare`).

    Raises:
        ConfigError: `tune.top_layers` is more than there are.
    """
    classifier.requires_grad_(False)
    method, used = TUNINGS[tuning], classifier.num_used_layers
    depth = method.depth(settings, used)
    if depth > used:
        raise ConfigError(f"tune.top_layers: {depth}, but the classifier reads only {used} layers; use fewer")
    groups = []
    if settings.head_learning_rate > 0.0:
        groups.append(ParameterGroup(list(classifier.head.parameters()), settings.head_learning_rate, 0.0))
    for layer in range(used, used - depth, -1):
        of_layer = _of_layer(classifier, layer)
        rate = settings.learning_rate * settings.layer_decay ** (used - layer)
        chosen = [parameter for name, parameter in of_layer if method.tunes(name)]
        groups.append(ParameterGroup(chosen, rate, settings.weight_decay))
    if method.tunes_final_norm and used == classifier.encoder.num_layers:
        norm = [
            parameter for name, parameter in classifier.encoder.named_parameters() if _is_final_norm(classifier, name)
        ]
        groups.append(ParameterGroup(norm, settings.learning_rate, settings.weight_decay))
    groups = [group for group in groups if group.parameters]
    for group in groups:
        for parameter in group.parameters:
            parameter.requires_grad_(True)
    return groups


def _of_layer(classifier: KeywordClassifier, layer: int) -> Iterator[tuple[str, nn.Parameter]]:
    for name, parameter in classifier.encoder.named_parameters():
        found = _LAYER.search(name)
        # The decoder has layers too; it stays as it is.
        if found and name.startswith("model.") and int(found[1]) == layer - 1:
            yield name, parameter


def _is_final_norm(classifier: KeywordClassifier, name: str) -> bool:
    whisper, waveform = _FINAL_NORMS
    comes_last = bool(getattr(getattr(classifier.encoder, "shape", None), "do_stable_layer_norm", False))
    return name.startswith(whisper) or (name.startswith(waveform) and comes_last)
