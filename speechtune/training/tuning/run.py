"""From a trained head to a tuned encoder: what is held out, what is trained, and what of it is kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speechtune.training.head.training_run import TrainingRun
from speechtune.training.material.embedding_cache import EmbeddedClips
from speechtune.training.method import Tuning
from speechtune.training.tuning.batches import TuningBatches
from speechtune.training.tuning.early_stopping import Validation, hold_out, share_to_hold_out
from speechtune.training.tuning.encoder_phase import Surroundings, Tuned, tune_encoder
from speechtune.training.tuning.resume import SavedState


def tune_and_average(
    run: TrainingRun, tuning: Tuning, embedded: EmbeddedClips, saved: SavedState | None, log_folder: Path
) -> Tuned:
    """Tune the encoder of the run's classifier, whose head is trained, and average it with what it was.

    The average (WiSE-FT, Wortsman et al. 2022) keeps what was pretrained for words that the clips do not hold; its
    head must be trained anew on embeddings of its own.

    Args:
        run: its classifier's encoder is changed in place; its head too, and is of no further use.
        tuning: which weights.
        embedded: the clips, embedded by the encoder as it is.
        saved: where to go on from, and what is left for a run after a kill; None: nothing is saved.
        log_folder: for a tracker, if the recipe names one.

    Raises:
        TrainingDivergedError, ConfigError: as for `tune_encoder`.
    """
    classifier, recipe, read = run.classifier, run.recipe, embedded.read
    share = share_to_hold_out(recipe.tune, read)
    held = np.zeros(len(read.clips), dtype=bool)
    validation = None
    if share > 0.0:
        held = hold_out(read, share, recipe.seed)
        judging = read.take(np.flatnonzero(held & read.judging.mask).tolist())
        validation = Validation(judging, classifier.window_samples)
        # The head that heard the judging clips would pass for good whatever the encoder does.
        is_held = np.append(held, np.zeros(len(embedded.is_original), dtype=bool))[embedded.clips]
        run.trainer.train(classifier.head, embedded, torch.from_numpy(np.flatnonzero(~is_held)))
    batches = TuningBatches(read, np.flatnonzero(~held), classifier, recipe)
    pretrained = copy.deepcopy(classifier.encoder.state_dict())
    logs = log_folder if recipe.tune.tracker != "none" else None
    around = Surroundings(run.device, validation, saved, logs, run.progress)
    tuned = tune_encoder(classifier, batches, tuning, recipe, around)
    average_into(classifier.encoder.state_dict(), pretrained, recipe.tune.pretrained_share)
    return tuned


def average_into(tuned: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], pretrained_share: float) -> None:
    """Make every weight in `tuned`, in place, the weighted mean of the two; equal ones stay as they are, to the bit."""
    with torch.no_grad():
        for name, value in tuned.items():
            if value.is_floating_point() and not torch.equal(value, pretrained[name]):
                value.lerp_(pretrained[name], pretrained_share)
