"""The takes of a studio: what the data folder lists, and what is set aside. Several threads may use it at once."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import read_audio
from speechtune.audio.timebase import seconds_from_samples
from speechtune.data.sets.clips import Clip, ClipSet, name_in, read_clip
from speechtune.data.sets.growing import GrowingSet
from speechtune.errors import ManifestError
from speechtune.labels import BACKGROUND_NOISE, UNKNOWN
from speechtune.record.takes import Take
from speechtune.studio.aside import Aside, AsideFault, AsideTake, new_id


@dataclass(frozen=True)
class Origin:
    """Who was recorded, when, with what and where; None: not known."""

    speaker: str | None = None
    session: str | None = None
    device: str | None = None
    room: str | None = None

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return re.sub(r"[^\w-]+", "-", f"{self.speaker or 'take'}_{self.session or 'studio'}")


@dataclass(frozen=True)
class ListedTake:
    """A take of the data folder.

    Attributes:
        name: its place in the folder, which is its name here.
        label: a command, `_unknown_`, `_background_noise_`, or another word.
        word: what is said, where the label does not tell.
        seconds: its length; None: the manifest does not say.
        is_test: whether it is held back for the test.
        version: changes with its sound.
    """

    name: str
    label: str
    word: str | None
    speaker: str | None
    seconds: float | None
    is_test: bool
    version: str


class Takes:
    """The data folder and what is set aside beside it."""

    def __init__(self, clips: Path, aside: Path) -> None:
        """Open both; nobody else may be writing to `clips`.

        Raises:
            ManifestError: as for `GrowingSet`.
        """
        self._lock = RLock()
        self._folder = clips
        self._growing = GrowingSet(clips)
        self._aside = Aside(aside)

    @property
    def clip_set(self) -> ClipSet:
        """What the data folder lists."""
        return self._growing.clip_set

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """For as long as it lasts somebody else may write to the data folder, which is read again after it."""
        with self._lock:
            try:
                yield
            finally:
                self._growing = GrowingSet(self._folder)

    def listed(self) -> list[ListedTake]:
        """Every take of the data folder, in its order; background last."""
        clips = self.clip_set
        return [_listed(clips, clip) for clip in _all_clips(clips)]

    def aside(self) -> list[AsideTake]:
        """Every take that is set aside, oldest first.

        Raises:
            ManifestError: one cannot be read.
        """
        return self._aside.takes()

    def num_takes(self, speaker: str | None) -> dict[tuple[str, str | None], int]:
        """As `GrowingSet.num_takes`."""
        return self._growing.num_takes(speaker)

    def num_training_clips(self) -> dict[str, int]:
        """How many clips of each label there are to learn from."""
        return dict(Counter(clip.label for clip in self.clip_set.clips if clip.may_train))

    def version(self) -> str:
        """Changes with anything in the data folder that a training may learn from or be tested on."""
        rows = sorted((one.version, one.label, one.speaker or "", one.is_test) for one in self.listed())
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def add(self, take: Take, origin: Origin) -> str:
        """Put a take into the data folder; gives its name. It is on disk, whole, when this returns.

        Raises:
            ManifestError: it cannot be written.
        """
        prompt = take.prompt
        with self._lock:
            clip = self._growing.add(
                Clip(
                    Path(origin.stem),
                    prompt.label,
                    speaker=origin.speaker if prompt.is_speech else None,
                    session=origin.session,
                    device=origin.device,
                    room=origin.room,
                    word=prompt.text if prompt.label == UNKNOWN and prompt.text else None,
                ),
                take.samples,
            )
            return self.clip_set.name_of(clip)

    def set_aside(self, take: Take, origin: Origin) -> AsideTake:
        """Keep a faulty take beside the data folder; it is on disk, whole, when this returns.

        Raises:
            ManifestError: it cannot be written.
        """
        prompt = take.prompt
        kept = AsideTake(
            id=new_id(),
            reason="faulty",
            label=prompt.label,
            word=prompt.text if prompt.label == UNKNOWN and prompt.text else None,
            speaker=origin.speaker if prompt.is_speech else None,
            session=origin.session,
            device=origin.device,
            room=origin.room,
            seconds=seconds_from_samples(len(take.samples)),
            faults=tuple(AsideFault(kind=fault.kind, detail=fault.detail) for fault in take.faults),
        )
        self._aside.put(kept, take.samples)
        return kept

    def remove(self, name: str) -> AsideTake:
        """Take one out of the data folder, and set it aside.

        Raises:
            ManifestError: there is none of that name, or the folder cannot be changed.
            AudioError: its file cannot be read.
        """
        with self._lock:
            clip = self._find(name)
            samples = read_clip(clip)
            kept = AsideTake(
                id=new_id(),
                reason="removed",
                label=clip.label,
                word=clip.word,
                speaker=clip.speaker,
                session=clip.session,
                device=clip.device,
                room=clip.room,
                synthetic=clip.synthetic,
                extra=clip.extra,
                seconds=seconds_from_samples(len(samples)),
            )
            self._aside.put(kept, samples)
            self._growing.remove(clip)
            return kept

    def restore(self, take_id: str) -> str:
        """Put one that is set aside into the data folder, faults or not; gives its name.

        Raises:
            ManifestError: it is not there, or the folder cannot be changed.
            AudioError: its file cannot be read.
        """
        with self._lock:
            take = self._aside.find(take_id)
            origin = Origin(take.speaker, take.session, take.device, take.room)
            clip = self._growing.add(
                Clip(
                    Path(origin.stem),
                    take.label,
                    speaker=take.speaker,
                    session=take.session,
                    device=take.device,
                    room=take.room,
                    synthetic=take.synthetic,
                    word=take.word,
                    extra=take.extra,
                ),
                read_audio(self._aside.audio(take)),
            )
            self._aside.forget(take)
            return self.clip_set.name_of(clip)

    def forget(self, take_id: str) -> None:
        """Delete one that is set aside.

        Raises:
            ManifestError: it is not there, or cannot be deleted.
        """
        with self._lock:
            self._aside.forget(self._aside.find(take_id))

    def hold_back(self, name: str, is_test: bool) -> None:
        """Hold a take back for the test, or learn from it again.

        Raises:
            ManifestError: there is none of that name, it cannot judge, or the folder cannot be changed.
        """
        with self._lock:
            self._growing.declare(self._find(name), "test" if is_test else None)

    def samples(self, name: str) -> NDArray[np.float32]:
        """Its sound: float32[N] at 16 kHz, N ≥ 1; `name` as listed, or the id of one that is set aside.

        Raises:
            ManifestError: there is none of that name.
            AudioError: its file cannot be read.
        """
        for clip in _all_clips(self.clip_set):
            if self.clip_set.name_of(clip) == name:
                return read_clip(clip)
        return read_audio(self._aside.audio(self._aside.find(name)))

    def _find(self, name: str) -> Clip:
        for clip in _all_clips(self.clip_set):
            if self.clip_set.name_of(clip) == name:
                return clip
        raise ManifestError(f"take {name!r}: is not in the data folder; it may have been removed already")


def _all_clips(clips: ClipSet) -> list[Clip]:
    return [*clips.clips, *(Clip(path, BACKGROUND_NOISE) for path in clips.noise)]


def _listed(clips: ClipSet, clip: Clip) -> ListedTake:
    name = name_in(clips.root, clip)
    return ListedTake(
        name=name,
        label=clip.label,
        word=clip.word,
        speaker=clip.speaker,
        seconds=None if clip.num_samples is None else round(seconds_from_samples(clip.num_samples), 3),
        is_test=clip.split == "test",
        version=(clip.sha256 or hashlib.sha256(name.encode()).hexdigest())[:16],
    )
