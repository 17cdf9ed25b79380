"""A clip is one labelled stretch of audio on disk; a clip set is what one folder or manifest describes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import MAX_CLIP_SECONDS, Sound, read_sound
from speechtune.audio.stretches import read_stretch
from speechtune.errors import ConfigError, ManifestError, UnreadableAudioError
from speechtune.labels import RESERVED, SILENCE, check_label
from speechtune.names import readable
from speechtune.ordinary_files import open_ordinary

Split = Literal["train", "valid", "test"]

_HASH_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Clip:
    """One labelled stretch of audio; a field that is None is not known.

    Attributes:
        path: the audio file.
        label: a keyword, a negative word, `_unknown_` or `_silence_`.
        speaker: who speaks; one name is one person throughout a data set.
        session: the recording session, for example a day in one room.
        device, room: the microphone and the place.
        split: the split that the manifest declares.
        synthetic: made by a speech synthesiser; such clips never enter valid or test.
        sha256: of the whole file, as the manifest declares it; `content_hash` computes it.
        num_samples: length at 16 kHz, as the manifest declares it.
        start_sample, end_sample: where the clip lies in a longer recording, in samples at 16 kHz.
        source: the recording that the clip's file was cut from; it need not be there any more.
        word: what is said, where the label does not tell (an `_unknown_` clip).
        id: the manifest's name for the clip.
        extra: the manifest's `x_` columns, name and text.
        channel: the one of its file to take, counted from 1.

    Raises:
        ManifestError: a synthetic clip of the valid or test split.
    """

    path: Path
    label: str
    speaker: str | None = None
    session: str | None = None
    split: Split | None = None
    synthetic: bool = False
    sha256: str | None = None
    num_samples: int | None = None
    start_sample: int | None = None
    end_sample: int | None = None
    source: Path | None = None
    word: str | None = None
    device: str | None = None
    room: str | None = None
    id: str | None = None
    extra: tuple[tuple[str, str], ...] = ()
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.synthetic and self.split in ("valid", "test"):
            raise ManifestError(
                f"{self.path}: a synthetic clip cannot be of the {self.split} split, for it judges nothing; declare it "
                "as train, or leave the split out"
            )

    @property
    def stretch(self) -> tuple[int, int | None]:
        """First sample and the one after the last (None: to the end of the file)."""
        return self.start_sample or 0, self.end_sample

    @property
    def may_train(self) -> bool:
        """Whether it is declared as train, or not at all."""
        return self.split in (None, "train")

    @property
    def recording(self) -> Path:
        """The file that the clip was cut from; its own where none is known."""
        return self.source or self.path


@dataclass(frozen=True)
class ClipSet:
    """The clips of one data set, in the order of the folder or the manifest.

    Attributes:
        root: the folder or manifest it was read from.
        noise: background recordings (`_background_noise_`), which are not clips.
        notes: what a reader should know, one sentence each: where speakers come from, what was left out.
    """

    root: Path
    clips: tuple[Clip, ...]
    noise: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels there are, sorted."""
        return tuple(sorted({clip.label for clip in self.clips}))

    @property
    def speakers(self) -> tuple[str, ...]:
        """The known speakers, sorted."""
        return speakers_of(self.clips)

    @property
    def num_without_speaker(self) -> int:
        """How many clips have no known speaker; `_silence_`, where nobody speaks, is not counted."""
        return sum(clip.speaker is None and clip.label != SILENCE for clip in self.clips)

    def with_label(self, label: str) -> tuple[Clip, ...]:
        """The clips of one label, in order; empty if there are none."""
        return tuple(clip for clip in self.clips if clip.label == label)

    def in_split(self, split: Split) -> tuple[Clip, ...]:
        """The clips that the manifest declares for one split, in order; empty if there are none."""
        return tuple(clip for clip in self.clips if clip.split == split)

    def with_clips(self, clips: Iterable[Clip]) -> ClipSet:
        """The same set with other clips."""
        return replace(self, clips=tuple(clips))

    def name_of(self, clip: Clip) -> str:
        """Where a clip lies, relative to the data set if it lies in it; made readable."""
        return name_in(self.root, clip)

    def num_clips_per_label(self) -> dict[str, int]:
        """How many clips each label has, labels sorted."""
        return count_labels(self.clips)


def name_in(root: Path, clip: Clip) -> str:
    """As `ClipSet.name_of`; `root` is the folder or the manifest of the data set."""
    folder = root.parent if root.is_file() else root
    inside = clip.path.relative_to(folder) if clip.path.is_relative_to(folder) else clip.path
    return readable(with_stretch(inside.as_posix(), clip))


def count_labels(clips: Iterable[Clip]) -> dict[str, int]:
    """How many clips each label has, labels sorted."""
    return dict(sorted(Counter(clip.label for clip in clips).items()))


def speakers_of(clips: Iterable[Clip]) -> tuple[str, ...]:
    """The known speakers, sorted."""
    return tuple(sorted({clip.speaker for clip in clips if clip.speaker is not None}))


def check_clip_label(label: str, where: str) -> str:
    """Return `label`, its accents composed, if it can label clips; `where` begins the message.

    Raises:
        ManifestError: it cannot name a folder (such as `../x`), is not Unicode text, or looks reserved and is not
            (`_silent_`).
    """
    try:
        label.encode()
        checked = check_label(label)
    except UnicodeEncodeError as error:
        raise ManifestError(f"{where}: label {label!r} is not Unicode text; rename it") from error
    except ConfigError as error:
        raise ManifestError(f"{where}: {error}") from error
    if checked.startswith("_") and checked.endswith("_") and checked not in RESERVED:
        raise ManifestError(
            f"{where}: label {label!r} looks like a reserved one; those are {', '.join(sorted(RESERVED))}, rename it"
        )
    return checked


def read_clip(clip: Clip, max_seconds: float = MAX_CLIP_SECONDS) -> NDArray[np.float32]:
    """The samples of `read_clip_sound`: float32[N] at 16 kHz, N ≥ 1."""
    return read_clip_sound(clip, max_seconds).samples


def read_clip_sound(clip: Clip, max_seconds: float = MAX_CLIP_SECONDS) -> Sound:
    """A clip, and what is not as its file says.

    Raises:
        UnreadableAudioError, UnsupportedAudioError: as `read_sound`, or the recording ends before the clip does.
    """
    if clip.end_sample is not None:
        return Sound(read_stretch(clip.path, clip.start_sample or 0, clip.end_sample, clip.channel))
    sound = read_sound(clip.path, max_seconds, clip.channel)
    samples = sound.samples
    start = clip.start_sample or 0
    if start >= len(samples):
        raise UnreadableAudioError(
            f"{clip.path}: has {len(samples)} samples at 16 kHz, a clip of it starts at {start}; correct the manifest"
        )
    return replace(sound, samples=samples[start:])


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        UnreadableAudioError: the file cannot be read.
    """
    try:
        digest = hashlib.sha256()
        with open_ordinary(path) as file:
            while block := file.read(_HASH_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()
    except OSError as error:
        raise UnreadableAudioError(f"{path}: cannot be read ({error.strerror or error})") from error


def with_stretch(file: str, clip: Clip) -> str:
    """The name or the hash of a file, with where the clip lies in it and which channel it is."""
    start, end = clip.stretch
    channel = "" if clip.channel is None else f"[channel {clip.channel}]"
    if start == 0 and end is None:
        return file + channel
    return f"{file}[{start}:{'' if end is None else end}]{channel}"


def content_hashes(clips: Sequence[Clip]) -> tuple[str, ...]:
    """One hash per clip, of its file and, in a longer recording, of where it lies; each file is read once.

    Raises:
        UnreadableAudioError: a file cannot be read.
    """
    of_file = {path: content_hash(path) for path in dict.fromkeys(clip.path for clip in clips)}
    return tuple(with_stretch(of_file[clip.path], clip) for clip in clips)


def combined_fingerprint(hashes: Sequence[str], clips: Sequence[Clip]) -> str:
    """SHA-256 over every clip's content hash and label, whatever their order."""
    lines = sorted(f"{digest} {clip.label}\n" for digest, clip in zip(hashes, clips, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fingerprint(clip_set: ClipSet) -> str:
    """The version of a data set: SHA-256 over every clip's content and label, in hexadecimal.

    The order of the clips, the names of the files and the place of the folder do not matter. Declared hashes are not
    trusted: the files are read.

    Raises:
        UnreadableAudioError: a file cannot be read.
    """
    return combined_fingerprint(content_hashes(clip_set.clips), clip_set.clips)
