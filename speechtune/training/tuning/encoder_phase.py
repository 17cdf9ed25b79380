"""The phase that tunes the encoder with the head that was trained on its frozen self, on `accelerate`.

One process or several, CPU or GPU, in parts or whole: each step's gradient is that of the same batch. Dropout stays
off, since varied copies regularise few clips enough, so that no random state but the data's has to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from speechtune.errors import ConfigError
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import Recipe
from speechtune.training.material.windows import TrainingWindow, features_of
from speechtune.training.method import Tuning
from speechtune.training.stages import Progress, tell_loss
from speechtune.training.tuning.acceleration import make_accelerator
from speechtune.training.tuning.batches import TuningBatches, made_ahead
from speechtune.training.tuning.divergence import LossWatch
from speechtune.training.tuning.early_stopping import BestWeights
from speechtune.training.tuning.resume import SavedState
from speechtune.training.tuning.tuned_parameters import choose_parameters
from speechtune.training.tuning.tunings import TUNINGS

if TYPE_CHECKING:
    from accelerate import Accelerator

_LOADING_THREADS = {"cpu": 1, "cuda": 6}
STAGE = "tune encoder"

_Part = tuple[list[TrainingWindow], Tensor]


@dataclass(frozen=True)
class Tuned:
    """How the phase went.

    Attributes:
        losses: of every step, all processes together.
        best_step, best_score: where the kept weights come from and how well they did; None without held-out clips.
        resumed_at: the step that a killed run was gone on from; None: from the beginning.
    """

    losses: tuple[float, ...]
    best_step: int | None
    best_score: float | None
    resumed_at: int | None


@dataclass(frozen=True)
class Surroundings:
    """What the phase has to do with the rest of the world.

    Attributes:
        device: where it runs.
        validate: scores the classifier on held-out clips, more is better; None: there are none.
        saved: where its state is kept; None: nowhere.
        log_folder: where a tracker writes.
        progress: told of every step.
    """

    device: torch.device
    validate: Callable[[KeywordClassifier], float] | None
    saved: SavedState | None
    log_folder: Path | None
    progress: Progress


class _BlockLogits(nn.Module):
    """The classifier, features to the logits of every block: what several processes share the gradients of."""

    def __init__(self, classifier: KeywordClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, features: Tensor) -> Tensor:
        """Features of B windows to float32[blocks, B, C]."""
        return torch.stack(self.classifier.head.block_logits(self.classifier.embed_features(features)))


def tune_encoder(
    classifier: KeywordClassifier, batches: TuningBatches, tuning: Tuning, recipe: Recipe, around: Surroundings
) -> Tuned:
    """Tune `classifier` in place; it comes back on the CPU with the best weights where validation tells them.

    Raises:
        TrainingDivergedError: the loss is not finite or blows up, or one class takes all.
        ConfigError: settings that do not fit together, this machine, or the number of processes.
    """
    method = TUNINGS[tuning]
    method.prepare(classifier, recipe.tune)
    learnt_before = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
    try:
        tuned = _Phase(classifier.eval(), batches, tuning, recipe, around).run()
    finally:
        classifier.to("cpu")
        for parameter in learnt_before:
            parameter.requires_grad_(True)
        method.finish(classifier)
    return tuned


class _Phase:
    def __init__(
        self,
        classifier: KeywordClassifier,
        batches: TuningBatches,
        tuning: Tuning,
        recipe: Recipe,
        around: Surroundings,
    ) -> None:
        self._classifier, self._batches, self._recipe, self._around = classifier, batches, recipe, around
        settings = recipe.tune
        groups = choose_parameters(classifier, tuning, settings)
        self._trained = [parameter for group in groups for parameter in group.parameters]
        classifier.to(around.device)
        rates = [group.learning_rate for group in groups]
        optimiser = torch.optim.AdamW(
            [{"params": g.parameters, "lr": g.learning_rate, "weight_decay": g.weight_decay} for g in groups]
        )
        # Stepped by hand: accelerate would step it once per process.
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rates, total_steps=max(2, batches.num_steps), pct_start=settings.warmup
        )
        self._accelerator: Accelerator = make_accelerator(settings, around.device, around.log_folder)
        network, self._optimiser = self._accelerator.prepare(_BlockLogits(classifier), optimiser)
        self._network: nn.Module = network
        self._num_parts = self._accelerator.num_processes * settings.accumulate
        self._class_weights = _class_weights(batches, len(classifier.labels.classes), recipe.head.class_balance)
        self._class_weights = self._class_weights.to(around.device)
        self._best = BestWeights(self._trained, settings.patience)
        self._losses: list[float] = []
        self._watch = LossWatch(STAGE, classifier.labels.classes)

    def run(self) -> Tuned:
        self._optimiser.zero_grad()
        self._start_trackers()
        resumed_at = self._resume()
        first, total = resumed_at or 0, self._batches.num_steps
        self._around.progress(STAGE, first, total)
        loaded = made_ahead(self._load, self._parts(first), _LOADING_THREADS[self._around.device.type])
        for step in range(first, total):
            self._step(step, loaded)
            self._around.progress(STAGE, step + 1, total)
            if self._judged(step) and self._best.is_stale:
                break
            if (step + 1) % self._recipe.tune.save_every == 0:
                self._save(step + 1)
        loaded.close()  # ends its threads where training stopped early
        self._best.restore()
        for tracker in self._accelerator.trackers:
            tracker.finish()
        return Tuned(tuple(self._losses), self._best.step, self._best.score, resumed_at)

    def _parts(self, first: int) -> Iterator[NDArray[np.int64]]:
        """The places of this process's parts of every batch, from step `first` on."""
        for step in range(first, self._batches.num_steps):
            for part in range(self._recipe.tune.accumulate):
                mine = part * self._accelerator.num_processes + self._accelerator.process_index
                yield self._batches.places(step, mine, self._num_parts)

    def _load(self, places: NDArray[np.int64]) -> _Part:
        return [self._batches.window(place) for place in places], torch.from_numpy(self._batches.targets[places])

    def _step(self, step: int, loaded: Iterator[_Part]) -> None:
        losses, answers, targets = [], [], []
        for _ in range(self._recipe.tune.accumulate):
            windows, wanted = next(loaded)
            wanted = wanted.to(self._around.device)
            heard = features_of(self._classifier.encoder, windows, self._recipe.tune.augment, self._around.device)
            with self._accelerator.accumulate(self._network):
                logits = self._network(heard).float()
                loss = self._loss(logits, wanted)
                self._accelerator.backward(loss)
                if self._accelerator.sync_gradients:
                    self._accelerator.clip_grad_norm_(self._trained, self._recipe.tune.clip_norm)
                self._optimiser.step()
                self._optimiser.zero_grad()
            losses.append(loss.detach())
            answers.append(torch.log_softmax(logits.detach(), dim=2).mean(dim=0).argmax(dim=1))
            targets.append(wanted)
        if step + 1 < self._schedule.total_steps:
            self._schedule.step()
        # Every process sees all losses and answers, so that all stop together or none does.
        value = float(self._accelerator.gather(torch.stack(losses)).mean())
        answered = self._accelerator.gather(torch.cat(answers)).tolist()
        self._watch.check(step + 1, value, answered, self._accelerator.gather(torch.cat(targets)).tolist())
        self._losses.append(value)
        tell_loss(self._around.progress, STAGE, step + 1, value)
        self._accelerator.log({"loss": value, "learning_rate": self._schedule.get_last_lr()[-1]}, step=step + 1)

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        smoothing = self._recipe.tune.label_smoothing
        rows = [cross_entropy(block, targets, label_smoothing=smoothing, reduction="none") for block in logits]
        return (torch.stack(rows).mean(dim=0) * self._class_weights[targets]).mean()

    def _judged(self, step: int) -> bool:
        last = step + 1 == self._batches.num_steps
        if self._around.validate is None or not (last or (step + 1) % self._recipe.tune.judge_every == 0):
            return False
        score = self._around.validate(self._classifier)
        self._best.note(step + 1, score)
        self._accelerator.log({"held_out_detection_rate": score}, step=step + 1)
        return True

    def _start_trackers(self) -> None:
        tracker = self._recipe.tune.tracker
        if tracker == "none":
            return
        try:
            self._accelerator.init_trackers("speechtune")
        except Exception as error:  # each tracker has errors of its own, of no common kind
            reason = " ".join(str(error).split())
            raise ConfigError(f"tune.tracker: {tracker} cannot be started ({reason})") from error

    def _resume(self) -> int | None:
        state = self._around.saved.load() if self._around.saved is not None else None
        if state is None:
            return None
        with torch.no_grad():
            for parameter, value in zip(self._trained, state["weights"], strict=True):
                parameter.copy_(value)
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._best.load_state(state["best"])
        if state["scaler"] is not None:
            self._accelerator.scaler.load_state_dict(state["scaler"])
        self._losses = list(state["losses"])
        return int(state["step"])

    def _save(self, step: int) -> None:
        if self._around.saved is None or not self._accelerator.is_main_process:
            return
        scaler = self._accelerator.scaler
        self._around.saved.save(
            {
                "step": step,
                "weights": [parameter.detach().cpu() for parameter in self._trained],
                "optimiser": self._optimiser.state_dict(),
                "schedule": self._schedule.state_dict(),
                "best": self._best.state(),
                "scaler": None if scaler is None else scaler.state_dict(),
                "losses": self._losses,
            }
        )


def _class_weights(batches: TuningBatches, num_classes: int, balance: float) -> Tensor:
    """float32[C], of mean 1 over the clips that will be heard."""
    targets = torch.from_numpy(batches.targets)
    counts = torch.bincount(targets, minlength=num_classes).clamp(min=1).float()
    weights = counts.pow(-balance)
    return weights / weights[targets].mean()
