"""The main job: a few clips of each command become a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue

from speechtune.audio.files import MAX_CLIP_SECONDS, read_audio
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.clips import Clip, ClipSet, count_labels, fingerprint, read_clip, speakers_of
from speechtune.data.loading import load_clips, load_negatives, load_noise
from speechtune.data.sampling import draw_shots
from speechtune.data.selection import choose_labels
from speechtune.errors import UnsplittableError
from speechtune.evaluation.confusion import closed_set_accuracy
from speechtune.evaluation.operating_point import OperatingPoint, choose_thresholds
from speechtune.labels import LabelSet
from speechtune.models.checkpoint import Checkpoint, save_checkpoint
from speechtune.models.classifier import KeywordClassifier
from speechtune.models.registry import load_encoder
from speechtune.recipe import Recipe
from speechtune.training.cross_fitting import OutOfFold, cross_fit
from speechtune.training.embedding_cache import EmbeddedClips, embed_clips
from speechtune.training.head_phase import train_head
from speechtune.training.stages import Progress, StageClock, silent
from speechtune.training.window_length import choose_window_samples

MIN_KEYWORD_CLIPS = 2
"""Fewer clips in all leave nothing to check a model on."""


@dataclass(frozen=True)
class TrainingData:
    """What to learn from.

    Attributes:
        clips: folder or manifest of labelled clips; clips that it declares valid or test are left out.
        keywords: the words to recognise; none: every label of `clips`.
        shots: use so many clips of each keyword, drawn by the seed; none: all.
        negatives: folder or manifest of speech that holds no keyword.
        noise: folder of background recordings, beside those that `clips` has.
        speaker_pattern: regular expression that finds the speaker in file names.
    """

    clips: Path
    keywords: tuple[str, ...] | None = None
    shots: int | None = None
    negatives: Path | None = None
    noise: Path | None = None
    speaker_pattern: str | None = None


@dataclass(frozen=True)
class FinetuneResult:
    """What came out, beside the checkpoint on disk.

    Attributes:
        checkpoint: as saved.
        operating_point: the thresholds, and what they do on rows that heads were not trained on.
        num_clips: clips learnt from, per label.
        notes: what a reader should know of data and thresholds, one sentence each.
        seconds: wall time of every stage.
    """

    checkpoint: Checkpoint
    operating_point: OperatingPoint
    num_clips: dict[str, int]
    notes: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Read:
    """The training set in memory."""

    labels: LabelSet
    clips: tuple[Clip, ...]
    samples: list[NDArray[np.float32]]
    recordings: list[NDArray[np.float32]]
    facts: dict[str, JsonValue]
    notes: tuple[str, ...]


def finetune(data: TrainingData, out: Path, recipe: Recipe, progress: Progress = silent) -> FinetuneResult:
    """Fine-tune a keyword head on the frozen encoder and save the checkpoint to the folder `out`.

    Deterministic: the same data, recipe, versions and number of threads give the same weights.

    Raises:
        DataError, AudioError: the data cannot be read or learnt from; the message names folder, file and line.
        ModelError: the encoder cannot be had, or `out` cannot be replaced.
        TrainingDivergedError: the weights did not stay finite.
    """
    clock = StageClock()
    with clock.stage("read clips"):
        read = _read(data, recipe, progress)
    with clock.stage("load encoder"):
        progress("load encoder", 0, 1)
        classifier = _build(recipe, read)
        progress("load encoder", 1, 1)
    with clock.stage("embed"):
        classes = read.labels.classes
        targets = [classes.index(clip.label) for clip in read.clips]
        embedded = embed_clips(classifier, read.samples, targets, read.recordings, recipe, progress)
    with clock.stage("cross-fit"):
        held_out = cross_fit(classifier.head, embedded, read.clips, read.labels, recipe, progress)
        point = choose_thresholds(held_out.predictions, recipe.calibration.false_accept_rate)
    with clock.stage("train head"):
        _train(classifier, embedded, recipe, progress)
        classifier.head.set_temperature(held_out.temperature)
    with clock.stage("save"):
        facts = read.facts | _cross_fit_facts(held_out, point)
        checkpoint = save_checkpoint(Checkpoint(classifier, point.thresholds, recipe, facts), out)
    notes = read.notes + held_out.notes + ((point.note,) if point.note else ())
    return FinetuneResult(checkpoint, point, count_labels(read.clips), notes, clock.seconds)


def _read(data: TrainingData, recipe: Recipe, progress: Progress) -> _Read:
    clip_set = load_clips(data.clips, data.speaker_pattern)
    negatives = load_negatives(data.negatives) if data.negatives is not None else None
    labels, clips = choose_labels(clip_set, data.keywords, negatives)
    clips = tuple(clip for clip in clips if clip.split in (None, "train"))
    if data.shots is not None:
        clips = draw_shots(clips, data.shots, recipe.seed, labels.keywords)
    _check_enough(clips, labels, data.clips)
    noise = clip_set.noise + (load_noise(data.noise) if data.noise is not None else ())
    samples = []
    for index, clip in enumerate(clips):
        progress("read clips", index, len(clips))
        samples.append(read_clip(clip))
    progress("read clips", len(clips), len(clips))
    facts: dict[str, JsonValue] = {
        "data_fingerprint": fingerprint(ClipSet(data.clips, clips)),
        "num_clips": dict(count_labels(clips)),
        "num_speakers": len(speakers_of(clips)) or None,
        "num_noise_recordings": len(noise),
    }
    recordings = [read_audio(path, MAX_CLIP_SECONDS) for path in noise]
    return _Read(labels, clips, samples, recordings, facts, clip_set.notes)


def _check_enough(clips: Sequence[Clip], labels: LabelSet, where: Path) -> None:
    counts = count_labels(clips)
    if empty := [keyword for keyword in labels.keywords if not counts.get(keyword)]:
        raise UnsplittableError(f"{where}: no clip to train on for {', '.join(empty)}; record some")
    if sum(counts[keyword] for keyword in labels.keywords) < MIN_KEYWORD_CLIPS:
        raise UnsplittableError(
            f"{where}: one clip of one keyword is all there is; record at least {MIN_KEYWORD_CLIPS} clips, better 5 of "
            "each command, and some other words as negatives"
        )
    if len(labels.keywords) == 1 and not labels.negatives:
        raise UnsplittableError(
            f"{where}: one keyword and nothing to tell it from; add other words as folders, or --negatives FOLDER"
        )


def _build(recipe: Recipe, read: _Read) -> KeywordClassifier:
    keyword_clips = [s for s, clip in zip(read.samples, read.clips, strict=True) if clip.label in read.labels.keywords]
    window_ms = recipe.clip.window_ms
    window_samples = choose_window_samples(keyword_clips) if window_ms is None else samples_from_ms(window_ms)
    torch.manual_seed(recipe.seed)
    encoder = load_encoder(recipe.encoder.name)
    settings = recipe.encoder
    return KeywordClassifier(
        encoder,
        read.labels,
        window_samples,
        layers=_default_layers(encoder.num_layers) if settings.layers is None else settings.layers,
        num_segments=settings.num_segments,
        uses_decoder=encoder.has_state if settings.decoder is None else settings.decoder,
        decoder_weight=recipe.head.decoder_weight,
    )


def _default_layers(num_layers: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys((max(1, num_layers // 2), num_layers)))


def _train(classifier: KeywordClassifier, embedded: EmbeddedClips, recipe: Recipe, progress: Progress) -> None:
    progress("train head", 0, 1)
    train_head(classifier.head, embedded.embeddings, embedded.targets, recipe.head)
    progress("train head", 1, 1)


def _cross_fit_facts(held_out: OutOfFold, point: OperatingPoint) -> dict[str, JsonValue]:
    """What clips held out in turn say: an estimate before any test clip is heard."""
    return {
        "cross_fitted": {
            "closed_set_accuracy": closed_set_accuracy(held_out.predictions),
            "detection_rate": point.detection_rate,
            "false_accept_rate": point.false_accept_rate,
        }
    }
