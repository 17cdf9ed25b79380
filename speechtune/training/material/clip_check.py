"""What no head should learn from, found while the clips are read: silence, flat tops, one recording many times over."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from speechtune.audio.files import Sound
from speechtune.audio.levels import clipped_fraction, peak_dbfs
from speechtune.audio.sound_faults import SoundLimits
from speechtune.data.sets.clips import Clip
from speechtune.errors import UnsplittableError
from speechtune.labels import RESERVED, SILENCE, LabelSet

_CLIPPED_THROUGH = 0.1
"""Share of flat tops, fifty times that of a recording that is clipped here and there."""
_UNEVEN_KEYWORDS, _UNEVEN_NEGATIVES = 5, 20
"""Times as many clips as another command has, and as the usual command has, from which on that is said."""


class ClipCheck:
    """Hears every clip once."""

    def __init__(self) -> None:
        self._num_clips: Counter[str] = Counter()
        self._silent: dict[str, list[Clip]] = defaultdict(list)
        self._clipped: list[Clip] = []
        self._noted: dict[str, list[Clip]] = defaultdict(list)
        self._of_content: dict[bytes, list[Clip]] = defaultdict(list)

    def hear(self, clip: Clip, sound: Sound) -> None:
        """Take one clip."""
        self._num_clips[clip.label] += 1
        for note in sound.notes:
            self._noted[note.partition(":")[0]].append(clip)
        if clip.label == SILENCE:
            return
        self._of_content[hashlib.sha256(sound.samples.tobytes()).digest()].append(clip)
        if peak_dbfs(sound.samples) < SoundLimits.silent_peak_dbfs:
            self._silent[clip.label].append(clip)
        elif clipped_fraction(sound.samples) >= _CLIPPED_THROUGH:
            self._clipped.append(clip)

    def refuse(self, keywords: Sequence[str], where: Path) -> None:
        """Refuse what nothing can be learnt from.

        Raises:
            UnsplittableError: all clips of a keyword are silent, or all clips of all keywords are one recording.
        """
        for label in keywords:
            if self._num_clips[label] and len(self._silent[label]) == self._num_clips[label]:
                raise UnsplittableError(
                    f"{where}: all {self._num_clips[label]} clips of {label!r} are silent, such as "
                    f"{self._silent[label][0].path}; run `speechtune inspect`, and record it again"
                )
        contents = {content for content, clips in self._of_content.items() if clips[0].label in keywords}
        labels = {clip.label for content in contents for clip in self._of_content[content]}
        if len(contents) == 1 and len(labels) > 1:
            raise UnsplittableError(
                f"{where}: all clips of {', '.join(sorted(labels))} hold the same recording; record each command"
            )

    def notes(self) -> tuple[str, ...]:
        """What a reader should know, one sentence each, with an example."""
        notes = [_about(clips, said) for said, clips in self._noted.items()]
        silent = [clip for clips in self._silent.values() for clip in clips]
        notes += [_about(silent, "silent; record it again or leave it out")] if silent else []
        if self._clipped:
            notes.append(
                _about(self._clipped, "clipped through, so that little of the voice is left; record it softer")
            )
        return (*notes, *self._alike())

    def _alike(self) -> list[str]:
        notes = []
        for clips in self._of_content.values():
            labels = sorted({clip.label for clip in clips})
            if len(labels) > 1:
                notes.append(
                    f"one recording is there as {' and as '.join(labels)}: {clips[0].path} and {clips[-1].path}"
                )
            elif len(clips) > 1 and len(clips) == self._num_clips[labels[0]]:
                notes.append(
                    f"all {len(clips)} clips of {labels[0]!r} are one and the same recording: what is learnt from them "
                    "knows no other; record more"
                )
        return notes


def _about(clips: Sequence[Clip], said: str) -> str:
    number = "1 clip" if len(clips) == 1 else f"{len(clips)} clips"
    return f"{number} ({clips[0].path}{'' if len(clips) == 1 else ' and others'}): {said}"


def uneven_notes(num_clips: Mapping[str, int], labels: LabelSet) -> tuple[str, ...]:
    """Which labels have many times as many clips as others: what a reader should know, one sentence each."""
    notes = []
    of_keyword = {keyword: num_clips[keyword] for keyword in labels.keywords if num_clips.get(keyword)}
    most = max(of_keyword, key=of_keyword.__getitem__)
    rare = [keyword for keyword, number in of_keyword.items() if number * _UNEVEN_KEYWORDS <= of_keyword[most]]
    if rare:
        fewest = min(of_keyword[keyword] for keyword in rare)
        notes.append(
            f"{_counted(rare, num_clips)} beside {of_keyword[most]} of {most!r} ({of_keyword[most] / fewest:.0f} : 1): "
            "rare commands are missed more often; record more of them"
        )
    usual = float(np.median(list(of_keyword.values())))
    many = [
        word
        for word in labels.negatives
        if word not in RESERVED and num_clips.get(word, 0) >= _UNEVEN_NEGATIVES * usual
    ]
    if many:
        largest = max(num_clips[word] for word in many)
        notes.append(
            f"{_counted(many, num_clips)} beside {usual:g} of the usual command ({largest / usual:.0f} : 1): record "
            "more of the commands"
        )
    return tuple(notes)


def _counted(words: Sequence[str], num_clips: Mapping[str, int]) -> str:
    named = [f"{num_clips[word]} {'clip' if num_clips[word] == 1 else 'clips'} of {word!r}" for word in words[:3]]
    return ", ".join([*named, *([f"and {len(words) - 3} labels more"] if len(words) > 3 else [])])
