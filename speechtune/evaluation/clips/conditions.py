"""How a model fares when the same clips are noisier, farther, faster or softer: scored again, paired clip by clip.

Every condition hears the same clips with the same random numbers, so that only the condition differs.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.placement import place_by_energy
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.data.variation.augment import add_noise, change_gain, change_speed, coloured_noise
from speechtune.errors import DataError
from speechtune.evaluation.certainty.intervals import groups_of
from speechtune.evaluation.certainty.resampling import share_intervals
from speechtune.evaluation.clips.metrics import ConditionMetrics
from speechtune.evaluation.clips.scoring import BATCH_CLIPS, Progress
from speechtune.evaluation.figures.confusion import ratio
from speechtune.labels import UNKNOWN
from speechtune.streaming.config import Scorer

MAX_CLIPS_PER_LABEL = 30
"""Clips of each label that are scored in every condition."""

_NUM_RESAMPLES = 500
_DECAY = np.log(1000.0)  # an amplitude has fallen by 60 dB

Change = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
"""A clip's window, and numbers that depend on the clip alone, to what is heard."""


@dataclass(frozen=True)
class _Condition:
    kind: str
    value: float
    name: str
    change: Change


def score_conditions(
    scorer: Scorer,
    clips: Sequence[Clip],
    noises: Sequence[NDArray[np.float32]] = (),
    read: Callable[[Clip], NDArray[np.float32]] = read_clip,
    progress: Progress | None = None,
) -> list[ConditionMetrics]:
    """Score a part of the clips in every condition; memory holds one batch of audio.

    Args:
        scorer: the model; its own thresholds decide.
        clips: the test clips, of which `MAX_CLIPS_PER_LABEL` of each label are taken, evenly spread over their order.
        noises: background recordings, float32[any] each; none: synthetic noise of random colour.
        read: gives a clip's samples.
        progress: told after every condition.

    Raises:
        DataError: there are no clips.
    """
    chosen = _chosen(clips, scorer)
    if not chosen:
        raise DataError("there are no clips to score under other conditions")
    conditions = _conditions(noises)
    found = []
    for index, condition in enumerate(conditions):
        found.append(_metrics(condition, _posteriors(scorer, chosen, read, condition), scorer, chosen))
        if progress is not None:
            progress("conditions", index + 1, len(conditions))
    return found


def _chosen(clips: Sequence[Clip], scorer: Scorer) -> list[Clip]:
    of_label: dict[str, list[Clip]] = {}
    for clip in clips:
        of_label.setdefault(scorer.labels.label_for(clip.label), []).append(clip)
    chosen = []
    for label, group in of_label.items():
        num = MAX_CLIPS_PER_LABEL * (4 if label == UNKNOWN else 1)
        step = max(1.0, len(group) / num)
        chosen += [group[int(place * step)] for place in range(min(num, len(group)))]
    return chosen


def _conditions(noises: Sequence[NDArray[np.float32]]) -> list[_Condition]:
    def unchanged(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:  # noqa: ARG001
        return samples

    found = [_Condition("clean", 0.0, "as recorded", unchanged)]
    found += [_Condition("noise", snr, f"{snr:g} dB over noise", _noisy(noises, snr)) for snr in (20.0, 10.0, 5.0, 0.0)]
    found += [
        _Condition("room", seconds, f"room, {seconds:g} s, {name}", _in_room(seconds, direct))
        for seconds, direct, name in ((0.3, 1.0, "near"), (0.5, 0.5, "across a table"), (0.7, 0.25, "across the room"))
    ]
    found += [_Condition("speed", factor, f"{factor:g} × speed", _faster(factor)) for factor in (0.8, 0.9, 1.1, 1.25)]
    found += [_Condition("level", gain, f"{gain:+g} dB", _louder(gain)) for gain in (-30.0, -15.0, 10.0)]
    return found


def _noisy(noises: Sequence[NDArray[np.float32]], snr_db: float) -> Change:
    def change(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        if not noises:
            return add_noise(samples, coloured_noise(len(samples), rng), snr_db)
        noise = noises[int(rng.integers(len(noises)))]
        start = int(rng.integers(max(len(noise) - len(samples), 0) + 1))
        return add_noise(samples, np.resize(noise[start:], len(samples)), snr_db)

    return change


def _in_room(seconds: float, direct: float) -> Change:
    """A tail of decaying noise that holds 1 part of the energy, behind a direct sound that holds `direct` parts."""

    def change(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        length = round(seconds * SAMPLE_RATE_HZ)
        tail = rng.standard_normal(length) * np.exp(-_DECAY * np.arange(length) / length)
        tail /= np.sqrt(np.square(tail).sum())
        tail[0] += np.sqrt(direct)
        size = len(samples) + length
        heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
        loudest = float(np.abs(heard).max()) or 1.0
        same_peak: NDArray[np.float32] = (heard * (float(np.abs(samples).max()) / loudest)).astype(np.float32)
        return same_peak

    return change


def _faster(factor: float) -> Change:
    return lambda samples, rng: change_speed(samples, factor)  # noqa: ARG005


def _louder(gain_db: float) -> Change:
    # As a recorder would: what is too loud is clipped.
    return lambda samples, rng: np.clip(change_gain(samples, gain_db), -1.0, 1.0)  # noqa: ARG005


def _posteriors(
    scorer: Scorer, clips: Sequence[Clip], read: Callable[[Clip], NDArray[np.float32]], condition: _Condition
) -> NDArray[np.float32]:
    return np.concatenate([scorer.score(batch) for batch in _windows(scorer, clips, read, condition)])


def _windows(
    scorer: Scorer, clips: Sequence[Clip], read: Callable[[Clip], NDArray[np.float32]], condition: _Condition
) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(clips), BATCH_CLIPS):
        yield np.stack(
            [
                place_by_energy(condition.change(read(clip), _rng(clip)), scorer.window_samples)
                for clip in clips[first : first + BATCH_CLIPS]
            ]
        )


def _rng(clip: Clip) -> np.random.Generator:
    # From the name, so that a clip meets the same noise whatever other clips there are.
    return np.random.default_rng(zlib.crc32(f"{clip.path.name}{clip.stretch}".encode()))


def _metrics(
    condition: _Condition, posteriors: NDArray[np.float32], scorer: Scorer, clips: Sequence[Clip]
) -> ConditionMetrics:
    labels = scorer.labels
    num_keywords = len(labels.keywords)
    truth = np.array([labels.index(labels.label_for(clip.label)) for clip in clips])
    scores = posteriors[:, :num_keywords]
    levels = np.array([scorer.thresholds[keyword] for keyword in labels.keywords])
    passed = np.where(scores >= levels, scores, -1.0)
    reported = np.where(passed.max(axis=1) >= 0.0, passed.argmax(axis=1), -1)
    keywords, unknown = truth < num_keywords, truth == labels.unknown_index
    named = (scores.argmax(axis=1) == truth) & keywords
    detected, accepted = (reported == truth) & keywords, (reported >= 0) & unknown
    groups = groups_of([clip.speaker for clip in clips])
    intervals = share_intervals([named, detected, accepted], [keywords, keywords, unknown], groups, _NUM_RESAMPLES)
    of_named, of_detected, of_accepted = (None if found is None else found.ends for found in intervals)
    return ConditionMetrics(
        kind=condition.kind,
        value=condition.value,
        name=condition.name,
        num_clips=len(clips),
        closed_set_accuracy=ratio(float(named.sum()), float(keywords.sum())),
        closed_set_interval=of_named,
        detection_rate=ratio(float(detected.sum()), float(keywords.sum())),
        detection_interval=of_detected,
        false_accept_rate=ratio(float(accepted.sum()), float(unknown.sum())),
        false_accept_interval=of_accepted,
    )
