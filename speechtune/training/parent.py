"""What a model takes over from the checkpoint that it is made from: encoder and window, with their settings."""

from __future__ import annotations

from typing import Any

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import ConfigError
from speechtune.models.checkpoints.checkpoint import Checkpoint
from speechtune.recipe import ClipSettings, EncoderSettings, Recipe


def with_parents_settings(recipe: Recipe, parent: Checkpoint) -> Recipe:
    """`recipe` with the settings of encoder and window that `parent` really has.

    Raises:
        ConfigError: the recipe sets one of them to something else; the message names it.
    """
    encoder, window_ms = _encoder_of(parent), parent.classifier.window_samples * 1_000 // SAMPLE_RATE_HZ
    # What the parent's own recipe says is not asked for here, even where it is not what was done.
    for name in (field for field in EncoderSettings.model_fields if field in recipe.encoder.model_fields_set):
        given, kept = getattr(recipe.encoder, name), getattr(encoder, name)
        if name == "layers" and given is not None:
            given = parent.classifier.encoder.resolve_layers(given)
        if given not in (None, kept, getattr(parent.recipe.encoder, name)):
            raise _not_taken(f"encoder.{name}", given, kept)
    if recipe.clip.window_ms not in (None, window_ms, parent.recipe.clip.window_ms):
        raise _not_taken("clip.window_ms", recipe.clip.window_ms, window_ms)
    clip = ClipSettings(window_ms=window_ms, second_look=recipe.clip.second_look)
    return recipe.model_copy(update={"encoder": encoder, "clip": clip})


def _encoder_of(parent: Checkpoint) -> EncoderSettings:
    classifier = parent.classifier
    return EncoderSettings(
        name=classifier.encoder.name,
        layers=classifier.layers,
        decoder=classifier.uses_decoder,
        num_segments=classifier.pooling.num_segments,
    )


def _not_taken(key: str, given: Any, kept: Any) -> ConfigError:
    return ConfigError(
        f"{key}={given}: encoder and window are those of the checkpoint that is gone on from, where it is {kept}; "
        "leave the setting out, or begin without a checkpoint"
    )
