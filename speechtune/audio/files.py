"""Audio files and their bytes: WAV, FLAC, OGG and whatever else libsndfile reads, at any rate, to mono 16 kHz."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.pcm import amplitude_fault
from speechtune.audio.resample import resample
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import UnreadableAudioError, UnsupportedAudioError
from speechtune.whole_files import PUBLIC, writing_whole

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64"})
"""File name endings taken as audio when a folder is searched."""

MAX_CLIP_SECONDS = 600.0
"""Longest file read whole; longer recordings are streamed block by block."""

_MIN_FILE_RATE_HZ = 4_000
_MAX_FILE_RATE_HZ = 384_000
_BLOCK_FRAMES = 1 << 16


def read_audio(path: Path, max_seconds: float = MAX_CLIP_SECONDS) -> NDArray[np.float32]:
    """Read a whole file: float32[N] at 16 kHz, channels averaged, nominal range -1 to 1, N ≥ 1.

    Raises:
        UnreadableAudioError: missing, not audio, damaged, shorter than its header says, empty, or beyond amplitudes.
        UnsupportedAudioError: a rate we do not resample, or longer than `max_seconds`.
    """
    try:
        with path.open("rb") as file:
            return _decode(file, str(path), max_seconds)
    except OSError as error:
        raise UnreadableAudioError(f"{path}: cannot be opened ({error.strerror or error})") from error


def decode_audio(
    content: bytes, name: str, max_seconds: float = MAX_CLIP_SECONDS, channel: int | None = None
) -> NDArray[np.float32]:
    """Decode a whole file held in memory; `name` stands for it in errors. Otherwise as `read_audio`.

    `channel` is the one that is taken, counted from 1; None: all, averaged.
    """
    return _decode(io.BytesIO(content), name, max_seconds, channel)


def write_flac(path: Path, samples: NDArray[np.float32], rate_hz: int = SAMPLE_RATE_HZ, mode: int = PUBLIC) -> None:
    """Write float32[N] as 16-bit FLAC; values beyond ±1 are clipped. The file appears whole or not at all.

    Nobody may do more with it than `mode` says.
    """
    # Encoded in memory, for what libsndfile's own writes fail with, a full disk, goes past us to stderr.
    encoded = io.BytesIO()
    soundfile.write(encoded, np.clip(samples, -1.0, 1.0), rate_hz, format="FLAC", subtype="PCM_16")
    with writing_whole(path, mode) as file:
        file.write(encoded.getbuffer())


def _decode(file: BinaryIO, name: str, max_seconds: float, channel: int | None = None) -> NDArray[np.float32]:
    try:
        with soundfile.SoundFile(file) as sound:
            rate_hz, num_frames = sound.samplerate, sound.frames
            _check_header(name, rate_hz, num_frames, max_seconds)
            if channel is not None and channel > sound.channels:
                raise UnsupportedAudioError(f"{name}: channel {channel} is not there; 1 to {sound.channels} are")
            mono = _read_mono(sound, name, channel)
    except soundfile.LibsndfileError as error:
        raise UnreadableAudioError(
            f"{name}: not readable as audio ({error.error_string}); record or convert it again"
        ) from error
    if len(mono) < num_frames:
        raise UnreadableAudioError(
            f"{name}: truncated, {len(mono)} of {num_frames} samples are there; copy or record it again"
        )
    samples = resample(mono, rate_hz)
    if not len(samples):
        raise UnreadableAudioError(f"{name}: holds no samples; record it again")
    return samples


def _read_mono(sound: soundfile.SoundFile, name: str, channel: int | None) -> NDArray[np.float32]:
    """All samples of one channel, or the mean of all, a block at a time: many channels need no more memory than one."""
    mono = [np.zeros(0, dtype=np.float32)]
    num_left = sound.frames
    # Of some codecs libsndfile cannot seek in, the number must be said.
    while num_left > 0 and len(frames := sound.read(min(num_left, _BLOCK_FRAMES), dtype="float32", always_2d=True)):
        if (fault := amplitude_fault(frames)) is not None:
            raise UnreadableAudioError(f"{name}: holds {fault}")
        mono.append(frames.mean(axis=1, dtype=np.float32) if channel is None else frames[:, channel - 1].copy())
        num_left -= len(frames)
    return np.concatenate(mono)


def _check_header(name: str, rate_hz: int, num_frames: int, max_seconds: float) -> None:
    if not _MIN_FILE_RATE_HZ <= rate_hz <= _MAX_FILE_RATE_HZ:
        raise UnsupportedAudioError(
            f"{name}: {rate_hz} Hz; {_MIN_FILE_RATE_HZ} to {_MAX_FILE_RATE_HZ} Hz are taken, convert it first"
        )
    if num_frames > max_seconds * rate_hz:
        raise UnsupportedAudioError(
            f"{name}: {num_frames / rate_hz:.0f} s long, at most {max_seconds:.0f} s are read whole; cut it into clips"
        )
