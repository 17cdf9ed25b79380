"""From a model and labelled clips to figures: every clip is read, placed in its window, scored and let go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.placement import place_by_energy
from speechtune.data.sets.clips import Clip, read_clip, with_stretch
from speechtune.errors import DataError, TrainingDivergedError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.certainty.intervals import NUM_RESAMPLES
from speechtune.evaluation.clips.compute import Provenance, compute_metrics
from speechtune.evaluation.clips.metrics import Metrics
from speechtune.labels import UNKNOWN, LabelSet
from speechtune.names import readable
from speechtune.streaming.config import Scorer

BATCH_CLIPS = 64
"""Audio held at once: 4 MB for windows of one second."""

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class ClipReport:
    """What the model answered, and the figures computed from it."""

    predictions: Predictions
    metrics: Metrics


@dataclass(frozen=True)
class _Scored:
    posteriors: NDArray[np.float32]
    seconds: float


def evaluate_clips(
    scorer: Scorer,
    clips: Sequence[Clip],
    read: Callable[[Clip], NDArray[np.float32]] = read_clip,
    *,
    root: Path | None = None,
    encoder: str | None = None,
    checkpoint_digest: str | None = None,
    progress: Progress | None = None,
    num_resamples: int = NUM_RESAMPLES,
) -> ClipReport:
    """Score clips and measure the answers; memory holds one batch of audio and every clip's posteriors.

    Args:
        scorer: the model.
        clips: the test clips.
        read: gives a clip's samples, float32[N] at 16 kHz of any length.
        root: folder that clip ids are given relative to, or a manifest in it.
        encoder, checkpoint_digest: what the scorer is, for the record.
        progress: told after every batch.
        num_resamples: of the intervals.

    Raises:
        DataError: there are no clips.
        ManifestError: a clip is listed twice.
        UnreadableAudioError, UnsupportedAudioError: a clip cannot be read; the message names the file.
        TrainingDivergedError: the model answers with numbers that are not finite.
    """
    start = time.perf_counter()
    predictions, scoring_seconds = _answered(scorer, clips, read, root, progress)
    provenance = Provenance(encoder, checkpoint_digest, time.perf_counter() - start, scoring_seconds)
    told = progress or _told_to_nobody
    told("intervals", 0, 1)
    metrics = compute_metrics(predictions, provenance, num_resamples)
    told("intervals", 1, 1)
    return ClipReport(predictions, metrics)


def _told_to_nobody(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def answer_clips(
    scorer: Scorer,
    clips: Sequence[Clip],
    read: Callable[[Clip], NDArray[np.float32]] = read_clip,
    *,
    root: Path | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Score clips without measuring; arguments and errors as for `evaluate_clips`."""
    return _answered(scorer, clips, read, root, progress)[0]


def _answered(
    scorer: Scorer,
    clips: Sequence[Clip],
    read: Callable[[Clip], NDArray[np.float32]],
    root: Path | None,
    progress: Progress | None,
) -> tuple[Predictions, float]:
    if not clips:
        raise DataError("there are no clips to evaluate on")
    scored = _score(scorer, clips, read, progress)
    return labelled_predictions(scorer.labels, scored.posteriors, clips, root=root), scored.seconds


def labelled_predictions(
    labels: LabelSet,
    posteriors: NDArray[np.float32],
    clips: Sequence[Clip],
    *,
    root: Path | None = None,
    negatives_known: bool = True,
) -> Predictions:
    """Posteriors float32[N, K] of N clips beside what is known about the clips.

    Args:
        labels: of the columns.
        posteriors: in the clips' order.
        clips: what was answered.
        root: folder that clip ids are given relative to, or a manifest in it.
        negatives_known: whether `labels` tells the words that the system was shown as negatives.

    Raises:
        ManifestError: a clip is listed twice, or a posterior is not within 0 and 1.
    """
    folder = root.parent if root is not None and root.is_file() else root
    return Predictions(
        labels=labels,
        posteriors=posteriors,
        words=tuple(_word(clip, labels) for clip in clips),
        clip_ids=tuple(_clip_id(clip, folder) for clip in clips),
        speakers=tuple(clip.speaker and readable(clip.speaker) for clip in clips),
        devices=tuple(clip.device for clip in clips),
        sessions=tuple(clip.session for clip in clips),
        rooms=tuple(clip.room for clip in clips),
        negatives_known=negatives_known,
    )


def _score(
    scorer: Scorer, clips: Sequence[Clip], read: Callable[[Clip], NDArray[np.float32]], progress: Progress | None
) -> _Scored:
    posteriors = np.empty((len(clips), len(scorer.labels.labels)), dtype=np.float32)
    seconds = 0.0
    for first, batch in _batches(clips):
        windows = np.stack([place_by_energy(read(clip), scorer.window_samples) for clip in batch])
        start = time.perf_counter()
        answers = scorer.score(windows)
        seconds += time.perf_counter() - start
        finite = np.isfinite(answers).all(axis=1)
        if not finite.all():
            raise TrainingDivergedError(
                f"{batch[int(finite.argmin())].path}: the model answers with numbers that are not finite; "
                "its weights are of no use, fine-tune again"
            )
        posteriors[first : first + len(batch)] = answers
        if progress is not None:
            progress("evaluate", first + len(batch), len(clips))
    return _Scored(posteriors, seconds)


def _batches(clips: Sequence[Clip]) -> Iterator[tuple[int, Sequence[Clip]]]:
    for first in range(0, len(clips), BATCH_CLIPS):
        yield first, clips[first : first + BATCH_CLIPS]


def _word(clip: Clip, labels: LabelSet) -> str:
    """What is said, as far as the data tells; the label decides whether that is a keyword."""
    if clip.label == UNKNOWN and clip.word is not None and clip.word not in labels.keywords:
        return clip.word
    return clip.label


def _clip_id(clip: Clip, folder: Path | None) -> str:
    if clip.id is not None:
        return clip.id
    inside = folder is not None and clip.path.is_relative_to(folder)
    name = (clip.path.relative_to(folder) if folder is not None and inside else clip.path).as_posix()
    return readable(with_stretch(name, clip))
