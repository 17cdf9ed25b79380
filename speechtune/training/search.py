"""Settings of the head, chosen on clips held out in turn: `optuna` proposes, cross-fitting judges.

No test clip is read. Clips are embedded once; each trial trains heads alone, so that a hundred trials take minutes.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speechtune.errors import ConfigError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.confusion import closed_set_accuracy
from speechtune.evaluation.figures.detection import detection_at_far
from speechtune.recipe import Recipe
from speechtune.training.devices import Device, torch_device
from speechtune.training.finetune import untrained_run
from speechtune.training.head.cross_fitting import cross_fit
from speechtune.training.head.fitting import HeadTrainer
from speechtune.training.material.dealt_folds import deal
from speechtune.training.material.training_set import TrainingData, TrainingSet, read_training_set
from speechtune.training.stages import Progress, silent

if TYPE_CHECKING:
    import optuna

STAGE = "search"
_FALSE_ACCEPT_RATE = 0.05
_QUICK_FOLDS = 2
_RANGES = {"l2": (1e-3, 10.0), "class_balance": (0.0, 1.0), "label_smoothing": (0.0, 0.2), "decoder_weight": (0.5, 4.0)}
_BY_FACTORS = frozenset({"l2"})  # a tenth and ten times are equally far
_TIE_BREAK = 0.01  # a setting is never preferred for its likelihood where it detects a hundredth less


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        recipe: the best settings.
        score, default_score: detection rate on clips held out in turn (at 5 % false acceptance) and, a hundredth as
            heavy, the mean posterior of the truth; of the best settings and of those it started from.
        num_trials: in the study so far and not broken off, `num_pruned` of them ended after a first look.
    """

    recipe: Recipe
    score: float
    default_score: float
    num_trials: int
    num_pruned: int


def search(
    data: TrainingData,
    study_file: Path,
    recipe: Recipe,
    num_trials: int,
    progress: Progress = silent,
    device: Device = "auto",
) -> Found:
    """Run `num_trials` more trials of the study in `study_file`, which begins with `recipe` itself.

    Args:
        data: what to learn from; clips that it declares valid or test are not read.
        study_file: the study's journal; made where there is none. It holds one study for each set of clips and words
            and each recipe that is not searched.
        recipe: what is not searched, and the first trial.
        num_trials: at least 1.
        progress: told of every trial.
        device: where the encoder runs.

    Raises:
        ConfigError: optuna is not installed, no trials are asked for, the recipe lies outside what is searched, or the
            journal cannot be read or written.
        DataError, AudioError, ModelError: as for `finetune`.
    """
    if num_trials < 1:
        raise ConfigError(f"--trials {num_trials}: ask for at least 1")
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("search needs optuna: pip install 'speechtune[search]'") from error
    _check_start(recipe)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    read = read_training_set(data, recipe, progress)
    run = untrained_run(read, recipe, torch_device(device), progress)
    embedded = run.embed(read)
    quick, whole = (deal(read, num_folds) for num_folds in (_QUICK_FOLDS, recipe.calibration.folds))
    # Running speech is cut for the recipe's own folds: dealt to others it would hold words that are held out.
    looks = (whole,) if recipe.head.running_speech or recipe.head.background_speech else (quick, whole)
    study = _study(study_file, _study_name(read, recipe), recipe)

    def objective(trial: optuna.Trial) -> float:
        tried = _settings(trial, recipe)
        template = copy.deepcopy(run.classifier.head)
        if run.classifier.uses_decoder:
            template.weigh_last_block(tried.head.decoder_weight)
        trainer = HeadTrainer(tried.head, run.trainer.prior)
        for step, dealt in enumerate(looks):
            score = _score(cross_fit(template, embedded, dealt, trainer, silent).predictions)
            trial.report(score, step)
            if dealt is not whole and trial.should_prune():
                raise optuna.TrialPruned
        return score

    progress(STAGE, 0, num_trials)
    for number in range(num_trials):
        study.optimize(objective, n_trials=1)
        progress(STAGE, number + 1, num_trials)
    done = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
    best = _settings(study.best_trial, recipe)
    return Found(best, study.best_value, done[0].values[0], len(done) + len(pruned), len(pruned))


def _check_start(recipe: Recipe) -> None:
    for key, (low, high) in _RANGES.items():
        value = getattr(recipe.head, key)
        if not low <= value <= high:
            raise ConfigError(f"head.{key}={value:g}: {low:g} to {high:g} is searched; start within it")


def _study_name(read: TrainingSet, recipe: Recipe) -> str:
    fixed = recipe.model_dump(mode="json")
    for key in _RANGES:
        del fixed["head"][key]
    parts = json.dumps([read.identity, fixed], sort_keys=True)
    return f"{recipe.encoder.name} {hashlib.sha256(parts.encode()).hexdigest()}"


def _study(path: Path, name: str, recipe: Recipe) -> optuna.Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=name,
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"study {path}: cannot be read or written ({error}); name another file") from error
    # Seeded alike, every run would propose what the one before it tried.
    seeds = np.random.SeedSequence((recipe.seed, len(study.trials)))
    study.sampler = optuna.samplers.TPESampler(seed=int(seeds.generate_state(1)[0]))
    states = optuna.trial.TrialState
    if not study.get_trials(deepcopy=False, states=[states.COMPLETE, states.WAITING]):
        study.enqueue_trial({key: getattr(recipe.head, key) for key in _RANGES})
    return study


def _settings(trial: Any, recipe: Recipe) -> Recipe:
    """What a trial, running or over, tries."""
    head = {key: trial.suggest_float(key, low, high, log=key in _BY_FACTORS) for key, (low, high) in _RANGES.items()}
    return recipe.model_copy(update={"head": recipe.head.model_copy(update=head)})


def _score(predictions: Predictions) -> float:
    """Detection at a fixed false-acceptance rate; where too few negatives measure it, closed-set accuracy."""
    rate = detection_at_far(predictions, _FALSE_ACCEPT_RATE).rate
    rate = closed_set_accuracy(predictions) if rate is None else rate
    likelihood = predictions.posteriors[np.arange(len(predictions)), predictions.truth].mean()
    return float(rate or 0.0) + _TIE_BREAK * float(likelihood)
