"""Audio files and their bytes: WAV, FLAC, OGG and whatever else libsndfile reads, at any rate, to mono 16 kHz."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.containers import CONTAINER_SUFFIXES, has_decoder
from speechtune.audio.mono import check_channel, read_mono
from speechtune.audio.opening import opened_sound
from speechtune.audio.resample import resample
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import UnreadableAudioError, UnsupportedAudioError
from speechtune.whole_files import PUBLIC, writing_whole

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64"}) | (
    CONTAINER_SUFFIXES if has_decoder() else frozenset()
)
"""File name endings taken as audio when a folder is searched."""

MAX_CLIP_SECONDS = 600.0
"""Longest file read whole; longer recordings are streamed block by block."""

_MIN_FILE_RATE_HZ = 4_000
_MAX_FILE_RATE_HZ = 384_000


@dataclass(frozen=True)
class Sound:
    """What an audio file holds.

    Attributes:
        samples: float32[N] at 16 kHz, nominal range -1 to 1, N ≥ 1.
        notes: what is not as the file says, or was done about its channels, one sentence each.
    """

    samples: NDArray[np.float32]
    notes: tuple[str, ...] = ()


def read_sound(path: Path, max_seconds: float = MAX_CLIP_SECONDS, channel: int | None = None) -> Sound:
    """Read a whole file: one channel, counted from 1; None: the mean of all, or the loudest where they cancel.

    Of a WAV file all samples are read that are there, whatever its header claims.

    Raises:
        UnreadableAudioError: missing, no ordinary file, not audio, damaged, empty, or beyond amplitudes.
        UnsupportedAudioError: a rate we do not resample, longer than `max_seconds`, or no such channel.
    """
    return _decode(path, str(path), max_seconds, channel)


def read_audio(path: Path, max_seconds: float = MAX_CLIP_SECONDS) -> NDArray[np.float32]:
    """The samples of `read_sound`: float32[N] at 16 kHz, channels mixed, N ≥ 1."""
    return read_sound(path, max_seconds).samples


def decode_sound(content: bytes, name: str, max_seconds: float = MAX_CLIP_SECONDS, channel: int | None = None) -> Sound:
    """Decode a whole file held in memory; `name` stands for it in errors. Otherwise as `read_sound`."""
    return _decode(io.BytesIO(content), name, max_seconds, channel)


def decode_audio(content: bytes, name: str, max_seconds: float = MAX_CLIP_SECONDS) -> NDArray[np.float32]:
    """The samples of `decode_sound`: float32[N] at 16 kHz, channels mixed, N ≥ 1."""
    return decode_sound(content, name, max_seconds).samples


def write_flac(path: Path, samples: NDArray[np.float32], rate_hz: int = SAMPLE_RATE_HZ, mode: int = PUBLIC) -> None:
    """Write float32[N] as 16-bit FLAC; values beyond ±1 are clipped. The file appears whole or not at all.

    Nobody may do more with it than `mode` says.
    """
    # Encoded in memory, for what libsndfile's own writes fail with, a full disk, goes past us to stderr.
    encoded = io.BytesIO()
    soundfile.write(encoded, np.clip(samples, -1.0, 1.0), rate_hz, format="FLAC", subtype="PCM_16")
    with writing_whole(path, mode) as file:
        file.write(encoded.getbuffer())


def _decode(source: Path | BinaryIO, name: str, max_seconds: float, channel: int | None) -> Sound:
    with opened_sound(source, name, max_seconds) as opened:
        sound = opened.sound
        rate_hz, num_frames = sound.samplerate, sound.frames
        _check_header(name, rate_hz, num_frames, max_seconds)
        check_channel(name, sound.channels, channel)
        mono, notes = read_mono(opened.sound, name, num_frames, channel)
        notes = (*opened.notes, *notes)
    if len(mono) < num_frames:
        raise UnreadableAudioError(
            f"{name}: truncated, {len(mono)} of {num_frames} samples are there; copy or record it again"
        )
    samples = resample(mono, rate_hz)
    if not len(samples):
        raise UnreadableAudioError(f"{name}: holds no samples; record it again")
    return Sound(samples, notes)


def _check_header(name: str, rate_hz: int, num_frames: int, max_seconds: float) -> None:
    if not _MIN_FILE_RATE_HZ <= rate_hz <= _MAX_FILE_RATE_HZ:
        raise UnsupportedAudioError(
            f"{name}: {rate_hz} Hz; {_MIN_FILE_RATE_HZ} to {_MAX_FILE_RATE_HZ} Hz are taken, convert it first"
        )
    if num_frames > max_seconds * rate_hz:
        raise UnsupportedAudioError(
            f"{name}: {num_frames / rate_hz:.0f} s long, at most {max_seconds:.0f} s are read whole; cut it into clips"
        )
