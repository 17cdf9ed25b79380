"""Which weights the encoder phase changes, and how fast each learns; everything else stays frozen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import nn

from speechtune.errors import ConfigError
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import TuneSettings

Tuning = Literal["lora", "top", "full"]

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")
_FINAL_NORMS = ("model.layer_norm.", "model.encoder.layer_norm.")  # Whisper's; wav2vec2's where it comes last
_LORA_MARK = "lora_"


@dataclass(frozen=True)
class ParameterGroup:
    """Weights that learn at one rate."""

    parameters: list[nn.Parameter]
    learning_rate: float
    weight_decay: float


def choose_parameters(classifier: KeywordClassifier, tuning: Tuning, settings: TuneSettings) -> list[ParameterGroup]:
    """Freeze `classifier` but for the layers that `tuning` names, its final norm and the head.

    Layers whose frames nobody reads are left out, and so are what lies before the first layer and the decoder, through
    which gradients flow. For `lora` the corrections must have been added already (`low_rank.add_corrections`).

    Raises:
        ConfigError: `tune.top_layers` is more than there are.
    """
    classifier.requires_grad_(False)
    used = num_used_layers(classifier)
    depth = settings.top_layers if tuning == "top" else used
    if depth > used:
        raise ConfigError(f"tune.top_layers: {depth}, but the classifier reads only {used} layers; use fewer")
    groups = []
    if settings.head_learning_rate > 0.0:
        groups.append(ParameterGroup(list(classifier.head.parameters()), settings.head_learning_rate, 0.0))
    for layer in range(used, used - depth, -1):
        of_layer = _of_layer(classifier, layer)
        rate = settings.learning_rate * settings.layer_decay ** (used - layer)
        chosen = [parameter for name, parameter in of_layer if tuning != "lora" or _LORA_MARK in name]
        groups.append(ParameterGroup(chosen, rate, settings.weight_decay))
    if tuning != "lora" and used == classifier.encoder.num_layers:
        norm = [
            parameter for name, parameter in classifier.encoder.named_parameters() if _is_final_norm(classifier, name)
        ]
        groups.append(ParameterGroup(norm, settings.learning_rate, settings.weight_decay))
    groups = [group for group in groups if group.parameters]
    for group in groups:
        for parameter in group.parameters:
            parameter.requires_grad_(True)
    return groups


def num_used_layers(classifier: KeywordClassifier) -> int:
    """How many of the encoder's layers, from the first, have a say in the embedding."""
    return classifier.encoder.num_layers if classifier.uses_decoder else max(classifier.layers)


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
