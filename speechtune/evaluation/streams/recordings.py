"""Long recordings to listen to: which files, what is said in them, and their audio block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.files import SUFFIXES
from speechtune.audio.mixing import ChannelMixer
from speechtune.audio.opening import opened_sound
from speechtune.audio.stretches import count_samples, read_stretch
from speechtune.audio.timebase import samples_from_ms, seconds_from_samples
from speechtune.data.sets.clips import content_hash
from speechtune.data.sets.walking import files_below
from speechtune.errors import ConfigError, DataError, ManifestError, UnreadableAudioError
from speechtune.evaluation.streams.matching import SpokenWord
from speechtune.evaluation.streams.truth import read_truth
from speechtune.names import readable

BLOCK_SECONDS = 8
"""Audio read at once, whatever the length of the recording."""

_ROUNDING_MS = 10  # a compressed file may be a frame shorter than it says


@dataclass(frozen=True)
class Recording:
    """An audio file and the keywords said in it; `has_truth` is false where no label track tells: then it has none."""

    path: Path
    name: str
    spoken: tuple[SpokenWord, ...]
    has_truth: bool


def find_recordings(source: Path, truth: Path | None = None) -> tuple[Recording, ...]:
    """One file, or every audio file in and below a folder, sorted.

    The label track of `a.flac` is `a.txt` beside it, or where `truth` says: a label track for one file, a folder of
    them (`a.txt`) for a folder.

    Raises:
        ManifestError: nothing there, no audio in the folder, or a label track that cannot be read.
        ConfigError: `truth` is a folder for one file, a file for a folder, or lacks the label track of a recording.
    """
    if source.is_file():
        if truth is not None and not truth.is_file():
            raise ConfigError(f"--truth {truth}: no such file; name the label track of {source}")
        return (_recording(source, readable(source.name), truth or source.with_suffix(".txt")),)
    if not source.is_dir():
        raise ManifestError(f"{source}: no such file or folder")
    if truth is not None and not truth.is_dir():
        raise ConfigError(f"--truth {truth}: no such folder; name a folder with a label track for each recording")
    paths = files_below(source).audio
    if not paths:
        raise ManifestError(f"{source}: holds no audio ({', '.join(sorted(SUFFIXES))})")
    found = []
    for path in paths:
        inside = path.relative_to(source)
        track = (truth or source) / inside.with_suffix(".txt")
        if truth is not None and not track.is_file():
            raise ConfigError(f"--truth {truth}: {track.name} is not there; an empty file says that no keyword occurs")
        found.append(_recording(path, readable(inside.as_posix()), track))
    return tuple(found)


def _recording(path: Path, name: str, track: Path) -> Recording:
    has_truth = track.is_file()
    return Recording(path, name, read_truth(track) if has_truth else (), has_truth)


def check_words(recordings: Sequence[Recording], keywords: Sequence[str]) -> None:
    """Refuse label tracks that do not fit; ask before listening, not after it.

    Raises:
        DataError: a word is not among the keywords, or begins or ends after its recording.
        UnreadableAudioError: a recording cannot be read.
    """
    for recording in recordings:
        for word in recording.spoken:
            if word.label not in keywords:
                raise DataError(
                    f"{recording.name}: {word.label!r} was said but is not among the keywords: {', '.join(keywords)}"
                )
        if not recording.spoken:
            continue
        seconds = length_seconds(recording.path)
        last = seconds_from_samples(max(word.end_sample for word in recording.spoken))
        begins = seconds_from_samples(max(word.start_sample for word in recording.spoken))
        if last > seconds + _ROUNDING_MS / 1_000 or begins >= seconds:
            raise DataError(
                f"{recording.name}: a word ends at {last:.2f} s, the recording at {seconds:.2f} s; do truth and "
                "recording belong together?"
            )


def check_readable(recordings: Sequence[Recording]) -> None:
    """Open every recording: one that is no audio is named before hours are spent on those before it.

    Raises:
        UnreadableAudioError: a recording cannot be read.
    """
    for recording in recordings:
        length_seconds(recording.path)


def words_within(recording: Recording, num_samples: int) -> tuple[SpokenWord, ...]:
    """What is said in a recording of `num_samples` at 16 kHz; a word that ends a rounding after it ends with it."""
    return tuple(
        replace(word, end_sample=num_samples) if _is_rounded(word, num_samples) else word for word in recording.spoken
    )


def _is_rounded(word: SpokenWord, num_samples: int) -> bool:
    # One more, for the recording's length is rounded too.
    reach = num_samples + samples_from_ms(_ROUNDING_MS) + 1
    return word.start_sample < num_samples < word.end_sample <= reach


def fingerprint_recordings(recordings: Sequence[Recording]) -> str:
    """SHA-256 over the content of every recording and the words said in it, in hexadecimal, whatever their names.

    Raises:
        UnreadableAudioError: a recording cannot be read.
    """
    lines = sorted(
        f"{content_hash(one.path)} {[(word.label, word.start_sample, word.end_sample) for word in one.spoken]}\n"
        for one in recordings
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def length_seconds(path: Path) -> float:
    """How long an audio file is, as its header says.

    Raises:
        UnreadableAudioError: it cannot be read.
    """
    with opened_sound(path) as opened:
        return float(opened.sound.frames / opened.sound.samplerate)


@dataclass(frozen=True)
class AudioBlocks:
    """A file's rate and its audio in blocks of `BLOCK_SECONDS`, float32[N] at that rate.

    Channels are mixed as in a live stream. The blocks can be taken once.
    """

    rate_hz: int
    blocks: Iterator[NDArray[np.float32]]


def audio_blocks(path: Path) -> AudioBlocks:
    """Open an audio file of any length.

    Raises:
        UnreadableAudioError: missing, not audio; while blocks are taken: damaged, or shorter than its header says.
    """
    with ExitStack() as stack:
        sound = stack.enter_context(opened_sound(path)).sound
        return AudioBlocks(sound.samplerate, _blocks(sound, path, stack.pop_all()))


def _blocks(sound: soundfile.SoundFile, path: Path, opened: ExitStack) -> Iterator[NDArray[np.float32]]:
    with opened:
        expected, taken = sound.frames, 0
        mixer = ChannelMixer(sound.channels, sound.samplerate)
        while True:
            try:
                frames = sound.read(BLOCK_SECONDS * sound.samplerate, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise UnreadableAudioError(f"{path}: damaged after {taken} samples ({error}); copy it again") from error
            if len(frames) == 0:
                break
            taken += len(frames)
            yield frames[:, 0] if sound.channels == 1 else mixer.mix(frames)
    if taken < expected:
        raise UnreadableAudioError(f"{path}: truncated, {taken} of {expected} samples are there; copy it again")


def read_part(recording: Recording, start_sample: int, end_sample: int) -> NDArray[np.float32]:
    """A stretch of a recording, float32[N] at 16 kHz, counted at 16 kHz; it stops where the recording does.

    Raises:
        UnreadableAudioError: the recording cannot be read, or ends before the stretch begins.
    """
    return read_stretch(recording.path, start_sample, min(end_sample, count_samples(recording.path)))
