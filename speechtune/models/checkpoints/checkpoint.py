"""A tuned model and its folder: save it, load it back to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from speechtune.errors import (
    CheckpointCorruptError,
    CheckpointIncompatibleError,
    ConfigError,
    TrainingDivergedError,
    UnknownEncoderError,
    UnsupportedAudioError,
)
from speechtune.models.checkpoints.files import (
    CARD_FILE,
    RECIPE_FILE,
    WEIGHTS_FILE,
    CheckpointDescription,
    CheckpointSummary,
    opened_checkpoint,
    read_summary,
    write_description,
)
from speechtune.models.checkpoints.model_card import write_card
from speechtune.models.checkpoints.writing import writing_checkpoint
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.encoders.loading import build_encoder
from speechtune.models.scorers.second_look import with_second_look
from speechtune.models.scorers.torch_scorer import Precision, TorchScorer
from speechtune.recipe import Recipe
from speechtune.streaming.config import Scorer

_LIBRARIES = ("speechtune", "torch", "torchaudio", "transformers", "safetensors", "numpy")


@dataclass(frozen=True)
class Checkpoint:
    """A classifier with all that is needed to serve it and to say where it comes from.

    Attributes:
        thresholds: lowest confidence that is reported, one per keyword.
        training: facts of its making, as JSON.
        digest: sha256, hex, that names the saved model exactly; empty until it is saved.
    """

    classifier: KeywordClassifier
    thresholds: Mapping[str, float]
    recipe: Recipe
    training: Mapping[str, JsonValue]
    digest: str = ""

    def scorer(self, precision: Precision = "fp32") -> Scorer:
        """What streams and the evaluator ask.

        Raises:
            ConfigError: as for `TorchScorer`, which says what `precision` does.
        """
        scorer = TorchScorer(self.classifier, self.thresholds, precision)
        return with_second_look(scorer, self.recipe.clip.second_look)


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Write the folder, whole or not at all; a checkpoint that is there is replaced.

    Returns:
        The checkpoint with its digest.

    Raises:
        ConfigError: the place holds something else or cannot be written to, or thresholds and keywords differ.
        TrainingDivergedError: a weight is not finite.
    """
    classifier = checkpoint.classifier
    with writing_checkpoint(folder) as staging:
        (staging / WEIGHTS_FILE).write_bytes(save(_stored_state(classifier)))
        (staging / RECIPE_FILE).write_text(checkpoint.recipe.to_toml(), encoding="utf-8")
        description = write_description(
            staging,
            encoder=classifier.encoder.config_dict(),
            keywords=classifier.labels.keywords,
            negatives=classifier.labels.negatives,
            window_samples=classifier.window_samples,
            layers=classifier.layers,
            num_segments=classifier.pooling.num_segments,
            uses_decoder=classifier.uses_decoder,
            thresholds=dict(checkpoint.thresholds),
            training=dict(checkpoint.training),
            versions=_versions(),
        )
        (staging / CARD_FILE).write_text(write_card(description, folder.resolve().name), encoding="utf-8")
        digest = read_summary(staging).digest
    return replace(checkpoint, digest=digest)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a folder back, on the CPU and in evaluation mode; needs no hub and no package of weights.

    Raises:
        CheckpointNotFoundError: no checkpoint there.
        CheckpointCorruptError: its files do not fit their own description.
        CheckpointIncompatibleError: another program's model, or one of a newer version.
    """
    with opened_checkpoint(folder) as (summary, weights):
        _check_classes(weights, summary)
        classifier = _empty_classifier(summary)
        _fill(classifier, _read_tensors(weights, summary.weights_path), summary.weights_path)
    description = summary.description
    return Checkpoint(
        classifier=classifier.eval(),
        thresholds=description.thresholds,
        recipe=summary.recipe,
        training=description.training,
        digest=summary.digest,
    )


def _stored_state(classifier: KeywordClassifier) -> dict[str, Tensor]:
    """The state on the CPU, each tensor as float16 where that loses nothing: weights that came so stay so small."""
    stored = {}
    for name, tensor in classifier.state_dict().items():
        value = tensor.detach().cpu().contiguous()
        if not bool(torch.isfinite(value).all()):
            raise TrainingDivergedError(
                f"the weights of {name} are not finite, so nothing was saved; lower the learning rate or check the data"
            )
        if value.dtype == torch.float32:
            half = value.half()
            value = half if torch.equal(half.float(), value) else value.clone()
        stored[name] = value
    return stored


def _empty_classifier(summary: CheckpointSummary) -> KeywordClassifier:
    description: CheckpointDescription = summary.description
    try:
        # No memory is filled with random numbers that would be thrown away at once.
        with torch.device("meta"):
            return KeywordClassifier(
                build_encoder(description.encoder),
                description.labels,
                description.window_samples,
                layers=description.layers,
                num_segments=description.num_segments,
                uses_decoder=description.uses_decoder,
            )
    except UnknownEncoderError as error:
        raise CheckpointIncompatibleError(f"checkpoint {summary.folder}: {error}; upgrade speechtune") from error
    except CheckpointIncompatibleError as error:
        raise CheckpointIncompatibleError(f"checkpoint {summary.folder}: {error}; restore it from a copy") from error
    except (ValueError, RuntimeError, OverflowError) as error:  # numbers that do not fit each other
        raise CheckpointCorruptError(
            f"checkpoint {summary.folder}: its description does not fit itself ({error}); restore it from a copy"
        ) from error
    except (ConfigError, UnsupportedAudioError) as error:
        raise CheckpointCorruptError(f"checkpoint {summary.folder}: {error}; restore it from a copy") from error


def _check_classes(place: Path, summary: CheckpointSummary) -> None:
    """Believe a number of labels only if the weights have it too: what is built for them grows with its square."""
    num_classes, name = len(summary.description.labels.classes), "head.linears.0.bias"
    try:
        with safe_open(place, framework="pt") as stored:
            shape = list(stored.get_slice(name).get_shape()) if name in stored.keys() else None  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointCorruptError(
            f"checkpoint {summary.weights_path}: cannot be read ({error}); restore it from a copy"
        ) from error
    if shape is not None and shape != [num_classes]:
        raise CheckpointCorruptError(
            f"checkpoint {summary.weights_path}: {name} has shape {tuple(shape)}, the description names {num_classes} "
            "classes; restore it from a copy"
        )


def _read_tensors(place: Path, path: Path) -> dict[str, Tensor]:
    """What is stored at `place`, which is `path` to whoever is told of it."""
    try:
        tensors: dict[str, Tensor] = load_file(place)
    except (SafetensorError, OSError) as error:
        raise CheckpointCorruptError(f"checkpoint {path}: cannot be read ({error}); restore it from a copy") from error
    return {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in tensors.items()}


def _fill(classifier: KeywordClassifier, tensors: dict[str, Tensor], path: Path) -> None:
    expected = classifier.state_dict()
    if missing := sorted(set(expected) - set(tensors)):
        raise CheckpointCorruptError(f"checkpoint {path}: lacks {len(missing)} tensors, {missing[0]} among them")
    if foreign := sorted(set(tensors) - set(expected)):
        raise CheckpointCorruptError(f"checkpoint {path}: has {len(foreign)} tensors too many, {foreign[0]} among them")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape or tensor.dtype != expected[name].dtype:
            raise CheckpointCorruptError(
                f"checkpoint {path}: {name} is {tensor.dtype} of shape {tuple(tensor.shape)}, "
                f"expected {expected[name].dtype} of shape {tuple(expected[name].shape)}"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointCorruptError(f"checkpoint {path}: the weights of {name} are not finite; do not use it")
    for name in ("head.scale", "head.temperature", "head.block_weights"):
        if not bool((tensors[name] > 0.0).all()):
            raise CheckpointCorruptError(f"checkpoint {path}: {name} is not positive; do not use it")
    classifier.load_state_dict(tensors, strict=True, assign=True)


def _versions() -> dict[str, str]:
    found = {library: _installed_version(library) for library in _LIBRARIES}
    return {library: number for library, number in found.items() if number is not None}


def _installed_version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:  # ourselves, run from a source tree that was never installed
        return None
