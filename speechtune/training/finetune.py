"""The main job: a few clips of each command become a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import JsonValue

from speechtune.audio.timebase import samples_from_ms
from speechtune.data.choice.selection import MIN_KEYWORD_CLIPS
from speechtune.data.sets.clips import count_labels
from speechtune.evaluation.figures.confusion import closed_set_accuracy
from speechtune.evaluation.figures.operating_point import OperatingPoint
from speechtune.models.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from speechtune.models.checkpoints.hub import local_folder
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.encoders.loading import load_encoder
from speechtune.recipe import Recipe
from speechtune.training.advice import advice
from speechtune.training.devices import Device, is_main_process, torch_device
from speechtune.training.head.chosen_negatives import keep_those_that_matter
from speechtune.training.head.confusions import find_confusions
from speechtune.training.head.cross_fitting import OutOfFold
from speechtune.training.head.fitting import HeadTrainer
from speechtune.training.head.thresholds import ChosenThresholds, choose_by_talk
from speechtune.training.head.training_run import TrainingRun
from speechtune.training.head.word_prior import word_prior
from speechtune.training.int8_comparison import with_int8_agreement
from speechtune.training.material.held_out_talk import held_out_talk
from speechtune.training.material.training_set import TrainingData, TrainingSet, read_training_set
from speechtune.training.material.windows import choose_window_samples
from speechtune.training.method import Method, check_tuning, choose_method
from speechtune.training.parent import with_parents_settings
from speechtune.training.stages import Progress, StageClock, silent
from speechtune.training.tuning.encoder_phase import Tuned
from speechtune.training.tuning.resume import SavedState, identity_of
from speechtune.training.tuning.run import tune_and_average

__all__ = ["MIN_KEYWORD_CLIPS", "FinetuneResult", "TrainingData", "finetune", "untrained_run"]


@dataclass(frozen=True)
class FinetuneResult:
    """What came out, beside the checkpoint on disk.

    Attributes:
        checkpoint: as saved.
        operating_point: the thresholds, and what they do on rows that heads were not trained on.
        num_clips: clips learnt from, per label.
        notes: what a reader should know of data, method and thresholds, one sentence each.
        seconds: wall time of every stage.
        tuned: how the encoder phase went; None: the encoder was left as it was.
        summary: how often it fires on talk and how much it misses, in one sentence, as far as that is known.
        advice: which further recordings would help most, in one sentence; empty where none stands out.
    """

    checkpoint: Checkpoint
    operating_point: OperatingPoint
    num_clips: dict[str, int]
    notes: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    tuned: Tuned | None = None
    summary: str = ""
    advice: str = ""


def finetune(
    data: TrainingData,
    out: Path,
    recipe: Recipe,
    progress: Progress = silent,
    *,
    start: Path | None = None,
    device: Device = "auto",
) -> FinetuneResult:
    """Fine-tune a keyword head, and as `tune.method` says the encoder, and save the checkpoint to the folder `out`.

    Deterministic on the CPU: the same data, recipe, versions and number of threads give the same weights, also when the
    encoder phase was killed and the same call goes on from its last saved step (`.OUT.training` beside `out`).
    Of several processes (`torchrun`, `accelerate launch`) all share the encoder phase, and the first one saves.

    Args:
        data: what to learn from.
        out: folder of the checkpoint.
        recipe: every setting.
        progress: told of every stage.
        start: a checkpoint, here or on the Hugging Face hub, to take encoder and window from, with their settings.
        device: where the encoder runs.

    Raises:
        DataError, AudioError: the data cannot be read or learnt from; the message names folder, file and line.
        ModelError: the encoder cannot be had, or `out` cannot be replaced.
        ConfigError: settings that do not fit together or this machine.
        TrainingDivergedError: the loss or the weights did not stay finite, or one class took all.
    """
    clock = StageClock()
    where = torch_device(device)
    scratch = out.parent if out.parent.is_dir() else None
    started = None
    if start is not None:
        with clock.stage("load encoder"):
            started = load_checkpoint(local_folder(start))
            recipe = with_parents_settings(recipe, started)
    with clock.stage("read clips"):
        read = read_training_set(data, recipe, progress)
        method = choose_method(recipe.tune, read.clips, read.labels)
        if method.tuning is not None:
            check_tuning(recipe.tune, where)
    with clock.stage("load encoder"):
        progress("load encoder", 0, 1)
        run = _training_run(read, recipe, where, progress, started)
        progress("load encoder", 1, 1)
    with clock.stage("choose negatives"):
        read = keep_those_that_matter(read, run)
    with clock.stage("embed"):
        embedded = run.embed(read, scratch)
    with clock.stage("cross-fit"):
        dealt = run.deal(read)
        held_out = run.cross_fit(embedded, dealt)
    with clock.stage("hear talk"):
        chosen = choose_by_talk(run, held_out, held_out_talk(read, dealt, recipe.seed))
    with clock.stage("train head"):
        run.train_head(embedded)
    tuned: Tuned | None = None
    if method.tuning is not None:
        identity = identity_of(recipe, read.identity, method.tuning, started.digest if started else recipe.encoder.name)
        saved = SavedState(saved_state_of(out), identity)
        with clock.stage("tune encoder"):
            tuned = tune_and_average(run, method.tuning, embedded, saved, out.with_name(f"{out.name}.logs"))
        with clock.stage("embed again"):
            embedded = run.embed(read, scratch)
        with clock.stage("train head"):
            run.train_head(embedded)
    run.classifier.head.set_temperature(held_out.temperature)
    facts = read.facts | _facts(held_out, chosen, method, tuned, started)
    checkpoint = Checkpoint(run.classifier, chosen.point.thresholds, recipe, facts)
    if is_main_process():
        checkpoint = _saved(checkpoint, read, out, clock, progress)
        if method.tuning is not None:
            saved.remove()
    notes = read.notes + _notes(held_out, chosen.point, method, tuned)
    wishes = advice(read, held_out, chosen)
    counts = count_labels(read.clips)
    return FinetuneResult(checkpoint, chosen.point, counts, notes, clock.seconds, tuned, chosen.summary, wishes)


def saved_state_of(out: Path) -> Path:
    """Where the encoder phase of a run that writes the checkpoint `out` keeps its last saved step."""
    return out.with_name(f".{out.name}.training")


def untrained_run(read: TrainingSet, recipe: Recipe, device: torch.device, progress: Progress = silent) -> TrainingRun:
    """A run whose classifier is that of `recipe`, with an untrained head for the labels of `read`."""
    return _training_run(read, recipe, device, progress, None)


def _training_run(
    read: TrainingSet, recipe: Recipe, device: torch.device, progress: Progress, started: Checkpoint | None
) -> TrainingRun:
    classifier = _build(recipe, read, started)
    prior = word_prior(classifier, read.clips, recipe.head, may_fetch=started is None)
    return TrainingRun(classifier, device, recipe, HeadTrainer(recipe.head, prior), progress)


def _build(recipe: Recipe, read: TrainingSet, started: Checkpoint | None) -> KeywordClassifier:
    torch.manual_seed(recipe.seed)
    if started is not None:
        parent = started.classifier
        return KeywordClassifier(
            parent.encoder,
            read.labels,
            parent.window_samples,
            layers=parent.layers,
            num_segments=parent.pooling.num_segments,
            uses_decoder=parent.uses_decoder,
            decoder_weight=recipe.head.decoder_weight,
        )
    encoder = load_encoder(recipe.encoder.name)
    settings = recipe.encoder
    return KeywordClassifier(
        encoder,
        read.labels,
        _window_samples(recipe, read),
        layers=_default_layers(encoder.num_layers) if settings.layers is None else settings.layers,
        num_segments=settings.num_segments,
        uses_decoder=encoder.has_state if settings.decoder is None else settings.decoder,
        decoder_weight=recipe.head.decoder_weight,
    )


def _window_samples(recipe: Recipe, read: TrainingSet) -> int:
    if recipe.clip.window_ms is not None:
        return samples_from_ms(recipe.clip.window_ms)
    return choose_window_samples(
        read.samples[index] for index, clip in enumerate(read.clips) if clip.label in read.labels.keywords
    )


def _default_layers(num_layers: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys((max(1, num_layers // 2), num_layers)))


def _saved(checkpoint: Checkpoint, read: TrainingSet, out: Path, clock: StageClock, progress: Progress) -> Checkpoint:
    """The checkpoint, on disk, with what int8 makes of its clips."""
    with clock.stage("compare int8"):
        checkpoint = with_int8_agreement(checkpoint, read, progress)
    with clock.stage("save"):
        return save_checkpoint(checkpoint, out)


def _facts(
    held_out: OutOfFold, chosen: ChosenThresholds, method: Method, tuned: Tuned | None, started: Checkpoint | None
) -> dict[str, JsonValue]:
    """What was done, and what clips held out in turn say: an estimate before any test clip is heard."""
    point = chosen.point
    facts: dict[str, JsonValue] = {
        "method": method.tuning or "head",
        "cross_fitted": {
            "closed_set_accuracy": closed_set_accuracy(held_out.predictions),
            "detection_rate": point.detection_rate,
            "false_accept_rate": point.false_accept_rate,
        },
    }
    facts["false_accepts_on_talk"] = "not known: no recorded talk" if chosen.talk is None else chosen.talk.as_facts()
    if started is not None:
        facts["started_from"] = started.digest
    if tuned is not None:
        facts["tuning"] = {
            "num_steps": len(tuned.losses),
            "first_loss": tuned.losses[0],
            "last_loss": tuned.losses[-1],
            "best_step": tuned.best_step,
            "best_detection_rate": tuned.best_score,
        }
    return facts


def _notes(held_out: OutOfFold, point: OperatingPoint, method: Method, tuned: Tuned | None) -> tuple[str, ...]:
    notes = [*held_out.notes, *(str(pair) for pair in find_confusions(held_out))]
    notes += [point.note] if point.note else []
    if method.reason is not None:
        notes.append(method.reason)
    if tuned is not None:
        notes.append(
            "thresholds and the estimate come from before the encoder was tuned: since then it has heard every clip"
        )
        if tuned.resumed_at is not None:
            notes.append(f"went on from step {tuned.resumed_at} of an earlier run")
    return tuple(notes)
