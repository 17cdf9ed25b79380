"""The samples of an open file as one channel, a block at a time: many channels need no more memory than one."""

from __future__ import annotations

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.mixing import ChannelPowers
from speechtune.audio.pcm import amplitude_fault
from speechtune.audio.true_rate import NeighbourWatch
from speechtune.errors import UnreadableAudioError, UnsupportedAudioError

_BLOCK_FRAMES = 1 << 16


def check_channel(name: str, channels: int, channel: int | None) -> None:
    """Let `channel` through if a file of so many has it.

    Raises:
        UnsupportedAudioError: it has not.
    """
    if channel is not None and not 1 <= channel <= channels:
        raise UnsupportedAudioError(f"{name}: channel {channel} is not there; 1 to {channels} are")


def read_mono(
    sound: soundfile.SoundFile, name: str, num_frames: int, channel: int | None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The next `num_frames`, or as many as there are: float32[N] at the file's rate, and what was done about them.

    Args:
        sound: an open file; where its channels cancel each other it is read twice.
        name: stands for it in errors.
        num_frames: 0 or more.
        channel: the one to take, counted from 1; None: the mean of all, or the loudest where they cancel each other.

    Raises:
        UnreadableAudioError: it holds values that are no amplitudes.
    """
    start = sound.tell() if sound.channels > 1 else 0
    mono, powers = _read(sound, name, num_frames, channel)
    if powers is None or not powers.cancel():
        neighbours = NeighbourWatch()
        if sound.channels == 1:
            neighbours.hear(mono)
        return mono, neighbours.notes
    sound.seek(start)
    return _read(sound, name, num_frames, powers.loudest)[0], (powers.note,)


def _read(
    sound: soundfile.SoundFile, name: str, num_left: int, channel: int | None
) -> tuple[NDArray[np.float32], ChannelPowers | None]:
    powers = ChannelPowers(sound.channels) if channel is None and sound.channels > 1 else None
    mono = [np.zeros(0, dtype=np.float32)]
    # Of some codecs libsndfile cannot seek in, the number must be said.
    while num_left > 0 and len(frames := sound.read(min(num_left, _BLOCK_FRAMES), dtype="float32", always_2d=True)):
        if (fault := amplitude_fault(frames)) is not None:
            raise UnreadableAudioError(f"{name}: holds {fault}")
        block = frames.mean(axis=1, dtype=np.float32) if channel is None else frames[:, channel - 1].copy()
        if powers is not None:
            powers.hear(frames, block)
        mono.append(block)
        num_left -= len(frames)
    return np.concatenate(mono), powers
