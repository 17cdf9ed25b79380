"""A whole evaluation: which clips may judge, what makes the figures flatter, and every figure of them.

`speechtune evaluate` and a notebook call the same function. What a person reads of it, in a terminal, as a page and as
files for machines, is made by `evaluation.reports`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speechtune.errors import ConfigError
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.clips.metrics import ConditionMetrics, Metrics
from speechtune.evaluation.streams.metrics import StreamMetrics

if TYPE_CHECKING:
    from pydantic import JsonValue

    from speechtune.data.sets.clips import Clip, ClipSet
    from speechtune.evaluation.clips.scoring import Progress
    from speechtune.evaluation.streams.recordings import Recording
    from speechtune.evaluation.systems import System

NO_STREAMS = (
    "no long recordings were listened to: how often an hour it fires when nobody speaks to it cannot be told from "
    "clips; measure it with: speechtune evaluate CKPT DATA --stream RECORDINGS --out DIR"
)
"""What an evaluation on clips alone says last; label tracks are wanted only where commands are said."""

ReadClip = Callable[[int], NDArray[np.float32]]
"""Row of the predictions -> the clip's samples, float32[N] at 16 kHz."""
ReadStretch = Callable[[str, int, int], NDArray[np.float32]]
"""Name of a recording, first sample and the one after the last -> its samples, float32[N] at 16 kHz."""


@dataclass(frozen=True)
class TestClips:
    """Clips to judge a system by.

    Attributes:
        data: a folder per label, or a manifest. Where it declares a test split, that alone is used.
        speaker_pattern: a regular expression that finds the speaker in file names. Defaults to what the data says.
        train: the training clips, to look for leaks. Defaults to looking for none.
        conditions: score a part of the clips again in noise, in rooms, and at other speeds and levels.
        noise: a folder of background recordings for the conditions. Defaults to synthetic noise.
        synthetic: take synthetic clips too, which say nothing of people.
    """

    __test__ = False

    data: Path
    speaker_pattern: str | None = None
    train: Path | None = None
    conditions: bool = False
    noise: Path | None = None
    synthetic: bool = False


@dataclass(frozen=True)
class TestRecordings:
    """Long recordings to judge a system by.

    Attributes:
        recordings: a recording, or a folder of them.
        truth: the label track or the folder of label tracks. Defaults to those beside the recordings.
    """

    __test__ = False

    recordings: Path
    truth: Path | None = None


@dataclass(frozen=True)
class ClipPart:
    """An evaluation on clips.

    Attributes:
        metrics, predictions: as measured.
        read: gives the audio of a clip.
        leaks: what training and test share, one sentence each; None: not looked for.
    """

    metrics: Metrics
    predictions: Predictions
    read: ReadClip
    leaks: Sequence[str] | None = None


@dataclass(frozen=True)
class StreamPart:
    """An evaluation on long recordings; `read` gives the audio of a stretch."""

    metrics: StreamMetrics
    read: ReadStretch


@dataclass(frozen=True)
class Evaluation:
    """What was found out about a system.

    Attributes:
        title: one line: the system and what it was judged by.
        facts: name -> value: the system, the data, and the fingerprint of both.
        clips, streams: the parts that were measured.
    """

    title: str
    facts: Mapping[str, JsonValue]
    clips: ClipPart | None = None
    streams: StreamPart | None = None


def evaluate(
    system: System,
    clips: TestClips | Path | None = None,
    recordings: TestRecordings | Path | None = None,
    *,
    progress: Progress | None = None,
    measured: Callable[[ClipPart | StreamPart], None] | None = None,
) -> Evaluation:
    """Judge a system by held-out clips, by long recordings, or by both.

    Args:
        system: what is judged.
        clips: the clips; a path stands for `TestClips` of it.
        recordings: the long recordings; a path stands for `TestRecordings` of it.
        progress: told the stage, how much of it is done, and how much there is.
        measured: given each part as soon as it is there, for recordings take long.

    Raises:
        ConfigError: neither clips nor recordings were given.
        DataError: no clip may judge, or a label track names a word that is not a keyword.
        ManifestError, AudioError: the data cannot be read.
        TrainingDivergedError: the model answers with numbers that are not finite.
    """
    if clips is None and recordings is None:
        raise ConfigError("evaluate: name test clips, long recordings, or both")
    clips = TestClips(clips) if isinstance(clips, Path) else clips
    recordings = TestRecordings(recordings) if isinstance(recordings, Path) else recordings
    judged_by = [source.name for source in (clips and clips.data, recordings and recordings.recordings) if source]
    told, finished = progress or _told_to_nobody, measured or _given_to_nobody
    # Whatever may be wrong with the recordings is known before the clips are scored, which takes minutes.
    found = None if recordings is None else _found_recordings(system, recordings)
    facts = dict(system.facts)
    clip_part = stream_part = None
    if clips is not None:
        clip_part = _judged_by_clips(system, clips, recordings is not None, facts, told)
        finished(clip_part)
    if recordings is not None and found is not None:
        stream_part = _judged_by_recordings(system, recordings, found, facts, told)
        finished(stream_part)
    return Evaluation(f"{system.name} on {' and '.join(judged_by)}", facts, clip_part, stream_part)


def _told_to_nobody(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def _given_to_nobody(part: ClipPart | StreamPart) -> None:
    """A part that nobody waits for."""


def _judged_by_clips(
    system: System, asked: TestClips, has_recordings: bool, facts: dict[str, JsonValue], progress: Progress
) -> ClipPart:
    from speechtune.audio.files import read_audio
    from speechtune.data.choice.eligibility import clips_to_test_on
    from speechtune.data.sets.clips import fingerprint, read_clip
    from speechtune.data.sets.loading import load_clips, load_noise
    from speechtune.evaluation.clips.conditions import score_conditions

    clip_set: ClipSet = load_clips(asked.data, asked.speaker_pattern)
    clips, note = clips_to_test_on(clip_set, with_synthetic=asked.synthetic)
    # Whatever may be wrong is read before the clips are scored, which takes minutes.
    noises = [] if asked.noise is None else [read_audio(path) for path in load_noise(asked.noise)]
    leaks = None if asked.train is None else _leaks(asked.train, asked.speaker_pattern, clips)
    version = fingerprint(clip_set.with_clips(clips))
    facts["test clips"] = str(asked.data)
    facts["test clips: fingerprint"] = version
    report = system.answer_clips(clips, clip_set.root, progress)
    notes = [] if note is None else [note]
    untried = [] if has_recordings else [NO_STREAMS]
    conditions: list[ConditionMetrics] = []
    if asked.conditions or asked.noise is not None:
        conditions = score_conditions(system.scorer, clips, noises, progress=progress)
    metrics = report.metrics.model_copy(
        update={
            "data_fingerprint": version,
            "conditions": conditions,
            "findings": [*notes, *_warnings(facts, leaks), *report.metrics.findings, *untried],
            "not_measured": {key: why for key, why in report.metrics.not_measured.items() if key != "data_fingerprint"},
        }
    )
    return ClipPart(metrics, report.predictions, lambda row: read_clip(clips[row]), leaks)


def _leaks(train: Path, speaker_pattern: str | None, tested: tuple[Clip, ...]) -> list[str]:
    from speechtune.data.inspection.leaks import find_leaks
    from speechtune.data.sets.loading import load_clips

    learnt = [clip for clip in load_clips(train, speaker_pattern).clips if clip.may_train]
    return [
        f"The {leak.kind} {leak.what} is in {len(leak.train)} training clips and {len(leak.test)} test clips."
        for leak in find_leaks(learnt, tested)
    ]


def _warnings(facts: Mapping[str, JsonValue], leaks: Sequence[str] | None) -> list[str]:
    """What makes the figures flatter, as far as the checkpoint and the training data tell."""
    warnings = []
    if facts["test clips: fingerprint"] == facts.get("training: data_fingerprint"):
        warnings.append("these are the very clips that the model was trained on: the figures say nothing about others")
    if leaks:
        warnings.append(
            f"{len(leaks)} speakers, sessions or recordings are in training and test, so that the figures flatter; "
            f"the first: {leaks[0].rstrip('.')}"
        )
    return warnings


def _found_recordings(system: System, asked: TestRecordings) -> Sequence[Recording]:
    from speechtune.evaluation.streams.recordings import check_words, find_recordings

    recordings = find_recordings(asked.recordings, asked.truth)
    check_words(recordings, system.scorer.labels.keywords)
    return recordings


def _judged_by_recordings(
    system: System,
    asked: TestRecordings,
    recordings: Sequence[Recording],
    facts: dict[str, JsonValue],
    progress: Progress,
) -> StreamPart:
    from speechtune.evaluation.streams.recordings import fingerprint_recordings, read_part

    facts["recordings"] = str(asked.recordings)
    facts["recordings: fingerprint"] = fingerprint_recordings(recordings)
    listening, metrics = system.answer_streams(recordings, progress)
    recording_of = {played.recording.name: played.recording for played in listening.heard}
    return StreamPart(metrics, lambda name, start, end: read_part(recording_of[name], start, end))
