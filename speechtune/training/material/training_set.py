"""What a model is to learn from, read into memory and found to be enough."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from speechtune.audio.files import MAX_CLIP_SECONDS, read_audio
from speechtune.audio.timebase import samples_from_ms
from speechtune.data.choice.eligibility import Eligibility, eligible_clips
from speechtune.data.choice.sampling import draw_shots
from speechtune.data.choice.selection import MIN_KEYWORD_CLIPS, choose_labels
from speechtune.data.sets.clips import Clip, ClipSet, combined_fingerprint, content_hashes, count_labels, speakers_of
from speechtune.data.sets.loading import load_clips, load_negatives, load_noise
from speechtune.data.sets.locks import refuse_locked
from speechtune.data.sets.long_clips import cut_long_clips
from speechtune.data.sets.room_recordings import load_room, sound_between
from speechtune.errors import ConfigError, UnsplittableError
from speechtune.labels import PARTS, SILENCE, UNKNOWN, LabelSet
from speechtune.recipe import Recipe
from speechtune.training.material.clip_audio import ChosenAudio, ClipAudio
from speechtune.training.material.clip_check import uneven_notes
from speechtune.training.material.windows import SHORTEST_MS
from speechtune.training.stages import Progress


@dataclass(frozen=True)
class TrainingData:
    """What to learn from.

    Attributes:
        clips: folder or manifest of labelled clips; clips that it declares valid or test are left out.
        keywords: the words to recognise; none: every label of `clips`.
        shots: use so many clips of each keyword, drawn by the seed; none: all.
        negatives: folders or manifests of speech that holds no keyword; long recordings are cut into pieces.
        room: recordings, or folders of them, of the place where the model will listen, without any keyword: speech in
            them is taken as `negatives`, and what lies between as background noise.
        noise: folder of background recordings, beside those that `clips` has.
        speaker_pattern: regular expression that finds the speaker in file names.
        more: further folders or manifests like `clips`.
    """

    clips: Path
    keywords: tuple[str, ...] | None = None
    shots: int | None = None
    negatives: tuple[Path, ...] = ()
    noise: Path | None = None
    speaker_pattern: str | None = None
    more: tuple[Path, ...] = ()
    room: tuple[Path, ...] = ()


@dataclass(frozen=True)
class TrainingSet:
    """The training set, read and checked.

    Attributes:
        labels: what is learnt.
        clips: to learn from, in pieces where they are long; `samples` are theirs.
        recordings: background noises, each float32[any].
        facts: what a checkpoint says of it, the version of the data among them.
        notes: what a reader should know, one sentence each.
        identity: changes with anything here that can change what is learnt, as far as the recipe does not say it.
        standing_for_all: numbers of the negative clips that a rate may be counted on; none: all.
        spare: negative clips that are not learnt from, and their samples float32[any]; with those that stand for all
            they are a fair draw of the negatives that the data has.
    """

    labels: LabelSet
    clips: tuple[Clip, ...]
    samples: Sequence[NDArray[np.float32]]
    recordings: list[NDArray[np.float32]]
    facts: dict[str, JsonValue]
    notes: tuple[str, ...]
    identity: str
    standing_for_all: frozenset[int] | None = None
    spare: tuple[tuple[Clip, NDArray[np.float32]], ...] = ()

    @cached_property
    def targets(self) -> list[int]:
        """The class of every clip."""
        return [self.labels.classes.index(clip.label) for clip in self.clips]

    @cached_property
    def judging(self) -> Eligibility:
        """Which clips may judge a model."""
        return eligible_clips(self.clips, self.labels)

    def take(self, indices: Sequence[int]) -> TrainingSet:
        """The clips at `indices`, in that order, with their samples."""
        clips = tuple(self.clips[index] for index in indices)
        return replace(self, clips=clips, samples=ChosenAudio(self.samples, indices))


def read_training_set(data: TrainingData, recipe: Recipe, progress: Progress) -> TrainingSet:
    """Read labels, clips and recordings.

    Raises:
        DataError, AudioError: the data cannot be read or learnt from, or some of it is a locked test clip; the message
            names folder, file and line.
        ConfigError: a setting for a keyword that there is not.
    """
    clip_set = _load_all(data)
    rooms = tuple(load_room(path) for path in data.room)
    negatives = _joined([*(load_negatives(path) for path in data.negatives), *rooms])
    labels, clips = choose_labels(clip_set, data.keywords, negatives)
    _check_names(recipe, labels)
    given = [clip for clip in (*clip_set.clips, *(negatives.clips if negatives else ())) if clip.may_train]
    given_as = dict(zip(clips, given, strict=True))
    if data.shots is not None:
        clips = draw_shots(clips, data.shots, recipe.seed, labels.keywords)
    whole = clips
    clips = _cut_speech(whole, labels, recipe)
    _check_enough(clips, labels, data.clips, has_background=recipe.head.background_speech > 0)
    noise = clip_set.noise + (load_noise(data.noise) if data.noise is not None else ())
    # Cut, a locked clip is not known again; whole, a long clip that holds a copy of one is not.
    refuse_locked(tuple(dict.fromkeys((*whole, *clips))))
    samples = ClipAudio(clips, progress)
    samples.check.refuse(labels.keywords, data.clips)
    hashes = content_hashes(whole)
    sounds = (sound_between(room, clips) for room in rooms)
    recordings = [*(read_audio(path, MAX_CLIP_SECONDS) for path in noise), *(one for one in sounds if one is not None)]
    facts: dict[str, JsonValue] = {
        # As `inspect` and `evaluate` see the same clips: whole, under the labels that the data gives them.
        "data_fingerprint": combined_fingerprint(hashes, [given_as[clip] for clip in whole]),
        "num_clips": dict(count_labels(clips)),
        "num_speakers": len(speakers_of(clips)) or None,
        "num_synthetic_clips": sum(clip.synthetic for clip in clips),
        "num_noise_recordings": len(recordings),
    }
    labels = with_added_classes(labels, recipe)
    identity = _identity(labels, whole, hashes, recordings)
    notes = clip_set.notes + samples.check.notes() + uneven_notes(count_labels(clips), labels)
    return TrainingSet(labels, clips, samples, recordings, facts, notes, identity)


def with_added_classes(labels: LabelSet, recipe: Recipe) -> LabelSet:
    """The labels with the classes of the windows that the recipe adds."""
    added = []
    if UNKNOWN not in labels.negatives and (recipe.head.running_speech or recipe.head.background_speech):
        added.append(UNKNOWN)
    if PARTS not in labels.negatives and recipe.head.command_parts:
        added.append(PARTS)
    return LabelSet(labels.keywords, (*added, *labels.negatives)) if added else labels


def _identity(
    labels: LabelSet, clips: Sequence[Clip], hashes: Sequence[str], recordings: Sequence[NDArray[np.float32]]
) -> str:
    """A digest of the labels, of every clip's content and who judges and is held out with it, and of the noise."""
    known = [
        (content, clip.path.name, clip.label, clip.speaker, clip.synthetic)
        for content, clip in zip(hashes, clips, strict=True)
    ]
    noise = [hashlib.sha256(recording.tobytes()).hexdigest() for recording in recordings]
    parts = json.dumps([labels.keywords, labels.negatives, known, noise])
    return hashlib.sha256(parts.encode()).hexdigest()


def _cut_speech(clips: Sequence[Clip], labels: LabelSet, recipe: Recipe) -> tuple[Clip, ...]:
    """The same clips, other speech that is longer than two windows as pieces of about a word."""
    window_samples = samples_from_ms(recipe.clip.window_ms or SHORTEST_MS)
    whole = {*labels.keywords, SILENCE}
    pieces = ((clip,) if clip.label in whole else cut_long_clips((clip,), window_samples) for clip in clips)
    return tuple(itertools.chain.from_iterable(pieces))


def _load_all(data: TrainingData) -> ClipSet:
    sets = [load_clips(path, data.speaker_pattern) for path in (data.clips, *data.more)]
    return ClipSet(
        data.clips,
        tuple(clip for one in sets for clip in one.clips),
        tuple(dict.fromkeys(path for one in sets for path in one.noise)),
        tuple(note for one in sets for note in one.notes),
    )


def _joined(sets: Sequence[ClipSet]) -> ClipSet | None:
    if not sets:
        return None
    named = Path(", ".join(str(one.root) for one in sets))
    return ClipSet(named, tuple(clip for one in sets for clip in one.clips), (), ())


def _check_names(recipe: Recipe, labels: LabelSet) -> None:
    """Refuse settings for what is no keyword, which would be left out of account."""
    if unknown := sorted(set(recipe.detector.refractory_ms_of or ()) - set(labels.keywords)):
        known = ", ".join(labels.keywords)
        raise ConfigError(f"detector.refractory_ms_of: {', '.join(unknown)}: no keyword; the keywords are {known}")


def _check_enough(clips: Sequence[Clip], labels: LabelSet, where: Path, *, has_background: bool) -> None:
    counts = count_labels(clips)
    if empty := [keyword for keyword in labels.keywords if not counts.get(keyword)]:
        raise UnsplittableError(f"{where}: no clip to train on for {', '.join(empty)}; record some")
    if sum(counts[keyword] for keyword in labels.keywords) < MIN_KEYWORD_CLIPS:
        raise UnsplittableError(
            f"{where}: one clip of one keyword is all there is; record at least {MIN_KEYWORD_CLIPS} clips, better 5 of "
            "each command, and some other words as negatives"
        )
    if len(labels.keywords) == 1 and not has_background and not any(counts.get(word) for word in labels.negatives):
        raise UnsplittableError(
            f"{where}: one keyword and nothing to tell it from; add other words as folders, or --negatives FOLDER"
        )
