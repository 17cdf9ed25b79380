"""Writes the folder that `transformers.AutoModelForAudioClassification` and its pipeline load.

None of the architectures of `transformers` is ours: a head on several layers, on means and deviations, on Whisper
without its padding. So the folder holds a modelling file of its own, and is loaded with `trust_remote_code=True`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath
from stat import S_IMODE
from typing import Any

import numpy as np
import torch

from speechtune.audio.timebase import samples_from_ms
from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError, ConfigError
from speechtune.models.checkpoints.checkpoint import Checkpoint, load_checkpoint
from speechtune.models.checkpoints.files import CARD_FILE, read_summary
from speechtune.models.checkpoints.model_card import write_card
from speechtune.models.encoders.pretrained import quiet_transformers
from speechtune.models.encoders.pretrained_files import PREPROCESSOR_FILE
from speechtune.models.for_transformers import modeling_speechtune
from speechtune.models.for_transformers.modeling_speechtune import (
    SpeechtuneConfig,
    SpeechtuneFeatureExtractor,
    SpeechtuneForAudioClassification,
)
from speechtune.models.golden.windows import golden_windows
from speechtune.models.scorers.second_look import DOUBT, MOVES_MS
from speechtune.whole_files import writing_whole_folder

CODE_FILE = "modeling_speechtune.py"
TOLERANCE = 1e-5
"""Largest difference of a posterior from the checkpoint's own; an export beyond it is refused."""

_MODULE = CODE_FILE.removesuffix(".py")


@dataclass(frozen=True)
class TransformersReport:
    """What was written.

    Attributes:
        num_bytes: size of the folder.
        max_difference: largest difference of a posterior from the checkpoint's own, on windows of noise and silence.
    """

    folder: Path
    num_bytes: int
    max_difference: float


def export_transformers(source: Path, folder: Path) -> TransformersReport:
    """Write the checkpoint in `source` as a folder for `transformers`, whole or not at all, and compare the two.

    Args:
        source: folder of the checkpoint.
        folder: the folder to make.

    Raises:
        ConfigError: something is there already, or it cannot be written.
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: `source` is no sound checkpoint,
            or `transformers` gives other posteriors.
    """
    if folder.exists():
        raise ConfigError(f"export {folder}: exists; name a new folder")
    checkpoint, summary = load_checkpoint(source), read_summary(source)
    if checkpoint.digest != summary.digest:
        raise CheckpointCorruptError(f"checkpoint {source}: was replaced while it was read; run it again")
    model, name = _model(checkpoint), folder.resolve().name
    extractor = SpeechtuneFeatureExtractor(window_samples=checkpoint.classifier.window_samples)
    try:
        with writing_whole_folder(folder) as beside, quiet_transformers():
            model.save_pretrained(beside)
            extractor.save_pretrained(beside)
            _add_auto_class(beside / PREPROCESSOR_FILE, "AutoFeatureExtractor", SpeechtuneFeatureExtractor)
            shutil.copyfile(modeling_speechtune.__file__, beside / CODE_FILE)
            card = write_card(summary.description, name, library="transformers")
            (beside / CARD_FILE).write_text(card, encoding="utf-8")
            for (
                file
            ) in beside.iterdir():  # the weights' file is private otherwise, the card is as the process's mask says
                file.chmod(S_IMODE((beside / CARD_FILE).stat().st_mode))
            difference = _difference(checkpoint, SpeechtuneForAudioClassification.from_pretrained(beside))
            if not difference <= TOLERANCE:
                raise CheckpointIncompatibleError(
                    f"export: encoder {checkpoint.classifier.encoder.name!r} gives other posteriors in transformers "
                    f"(by {difference:.2g}); serve it with speechtune"
                )
            num_bytes = sum(file.stat().st_size for file in beside.iterdir())
    except OSError as error:
        raise ConfigError(f"export {folder}: cannot be written ({error.strerror or error})") from error
    return TransformersReport(folder, num_bytes, difference)


def _model(checkpoint: Checkpoint) -> SpeechtuneForAudioClassification:
    classifier = checkpoint.classifier
    encoder = classifier.encoder.config_dict()
    # A local folder's full path says more about somebody's machine than about the model.
    encoder["name"] = PurePath(encoder["name"]).name if PurePath(encoder["name"]).is_absolute() else encoder["name"]
    looks: dict[str, Any] = {"doubt": list(DOUBT), "moves": [samples_from_ms(move) for move in MOVES_MS]}
    labels = classifier.labels.labels
    config = SpeechtuneConfig(
        encoder=encoder,
        layers=classifier.layers,
        num_segments=classifier.pooling.num_segments,
        uses_decoder=classifier.uses_decoder,
        num_classes=len(classifier.labels.classes),
        window_samples=classifier.window_samples,
        thresholds=dict(checkpoint.thresholds),
        second_look=looks if checkpoint.recipe.clip.second_look else None,
        checkpoint_digest=checkpoint.digest,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        dtype="float32",
        architectures=[SpeechtuneForAudioClassification.__name__],
    )
    config.auto_map = {
        "AutoConfig": f"{_MODULE}.{SpeechtuneConfig.__name__}",
        "AutoModelForAudioClassification": f"{_MODULE}.{SpeechtuneForAudioClassification.__name__}",
    }
    model = SpeechtuneForAudioClassification(config)
    # Constants are stored with the weights, so that the modelling file need not compute them.
    constants = dict(classifier.named_buffers())
    model.load_state_dict(constants | classifier.state_dict(), strict=True)
    model.eval()
    return model


def _add_auto_class(path: Path, auto_class: str, own_class: type) -> None:
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    settings["auto_map"] = {auto_class: f"{_MODULE}.{own_class.__name__}"}
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


@torch.inference_mode()
def _difference(checkpoint: Checkpoint, model: SpeechtuneForAudioClassification) -> float:
    windows = golden_windows(checkpoint.classifier.window_samples)
    expected = checkpoint.scorer().score(windows)
    actual = torch.softmax(model.eval()(torch.from_numpy(windows)).logits, dim=1).numpy()
    return float(np.abs(expected - actual).max())
