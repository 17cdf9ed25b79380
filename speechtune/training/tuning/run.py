"""From a trained head to a tuned encoder: what is held out, what is trained, and what of it is kept."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speechtune.data.choice.eligibility import eligible_clips
from speechtune.data.sets.clips import Clip
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import Recipe
from speechtune.training.head.fitting import LighterClasses, Prior, train_head
from speechtune.training.material.embedding_cache import EmbeddedClips
from speechtune.training.stages import Progress
from speechtune.training.tuning.batches import ClipsInMemory, TuningBatches
from speechtune.training.tuning.early_stopping import Validation, hold_out
from speechtune.training.tuning.encoder_phase import Surroundings, Tuned, tune_encoder
from speechtune.training.tuning.methods import share_to_hold_out
from speechtune.training.tuning.resume import SavedState
from speechtune.training.tuning.tunings import Tuning


def tune_and_average(
    classifier: KeywordClassifier,
    tuning: Tuning,
    clips: Sequence[Clip],
    memory: ClipsInMemory,
    embedded: EmbeddedClips,
    recipe: Recipe,
    prior: Prior | None,
    *,
    device: torch.device,
    saved: SavedState | None,
    log_folder: Path | None,
    progress: Progress,
) -> Tuned:
    """Tune the encoder of `classifier`, whose head is trained, and average it with what it was.

    The average (WiSE-FT, Wortsman et al. 2022) keeps what was pretrained for words that the clips do not hold; its
    head must be trained anew on embeddings of its own.

    Args:
        classifier: its encoder is changed in place; its head too, and is of no further use.
        tuning: which weights.
        clips, memory: the clips, and their samples in the same order.
        embedded: their embeddings by the encoder as it is.
        recipe: settings and seed.
        prior: what is known of the classes before.
        device: where to run.
        saved: where to go on from, and what is left for a run after a kill; None: nothing is saved.
        log_folder: for a tracker.
        progress: told of every step.

    Raises:
        TrainingDivergedError, ConfigError: as for `tune_encoder`.
    """
    share = share_to_hold_out(recipe.tune, clips, classifier.labels)
    held = np.zeros(len(clips), dtype=bool)
    validation = None
    if share > 0.0:
        held = hold_out(clips, classifier.labels, share, recipe.seed)
        out = np.flatnonzero(held & eligible_clips(clips, classifier.labels).mask).tolist()
        judged, heard = [clips[i] for i in out], [memory.samples[i] for i in out]
        validation = Validation(judged, heard, classifier.labels, classifier.window_samples)
        # The head that heard the judging clips would pass for good whatever the encoder does.
        is_held = np.append(held, np.zeros(len(embedded.is_original), dtype=bool))[embedded.clips]
        rows = torch.from_numpy(np.flatnonzero(~is_held))
        lighter = LighterClasses.among(embedded.targets, embedded.is_added, classifier.labels)
        train_head(classifier.head, embedded.embeddings, embedded.targets, recipe.head, rows, prior, lighter)
    batches = TuningBatches(
        memory, np.flatnonzero(~held), classifier.window_samples, classifier.encoder.hears_log_mel, recipe
    )
    pretrained = copy.deepcopy(classifier.encoder.state_dict())
    around = Surroundings(device, validation, saved, log_folder, progress)
    tuned = tune_encoder(classifier, batches, tuning, recipe, around)
    average_into(classifier.encoder.state_dict(), pretrained, recipe.tune.pretrained_share)
    return tuned


def average_into(tuned: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], pretrained_share: float) -> None:
    """Make every weight in `tuned`, in place, the weighted mean of the two; equal ones stay as they are, to the bit."""
    with torch.no_grad():
        for name, value in tuned.items():
            if value.is_floating_point() and not torch.equal(value, pretrained[name]):
                value.lerp_(pretrained[name], pretrained_share)


def identity_of(recipe: Recipe, data: str, tuning: Tuning, start: str) -> str:
    """What a saved state belongs to: everything that decides the weights, but the machine.

    Args:
        recipe: all of it.
        data: identity of what was read.
        tuning: the method that was chosen.
        start: digest of the checkpoint that was started from, or the encoder's name.
    """
    parts = [recipe.to_toml(), data, tuning, start, torch.__version__]
    return hashlib.sha256("\0".join(parts).encode(errors="backslashreplace")).hexdigest()


def clips_in_memory(
    samples: Sequence[NDArray[np.float32]],
    targets: Sequence[int],
    recordings: Sequence[NDArray[np.float32]],
    classifier: KeywordClassifier,
) -> ClipsInMemory:
    """Bundle them for `tune_and_average`; silence is the last class."""
    return ClipsInMemory(samples, np.asarray(targets, np.int64), recordings, len(classifier.labels.classes) - 1)
