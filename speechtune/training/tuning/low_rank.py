"""Low-rank corrections of an encoder's linear layers (LoRA, Hu et al. 2021), by peft; merged away before saving.

A checkpoint therefore has the same form whichever way it was tuned, and needs no peft to be served.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from speechtune.errors import ConfigError
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import TuneSettings


def add_corrections(classifier: KeywordClassifier, settings: TuneSettings) -> None:
    """Put a correction, zero at first, beside every linear layer of the encoder's layers that are used.

    Raises:
        ConfigError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError("tune.method lora needs peft: pip install peft") from error
    model = _model(classifier)
    used = classifier.num_used_layers
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and any(f"layers.{layer}." in f"{name}." for layer in range(used))
    ]
    config = LoraConfig(
        r=settings.lora_rank, lora_alpha=round(settings.lora_scale * settings.lora_rank), target_modules=linear
    )
    inject_adapter_in_model(config, model)


def merge_corrections(classifier: KeywordClassifier) -> None:
    """Add every correction to its layer's weights and put the plain layer back, in place."""
    from peft.tuners.lora import LoraLayer

    model = _model(classifier)
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module.get_base_layer())


def _model(classifier: KeywordClassifier) -> Any:
    return classifier.encoder.model
