"""Commands planted inside sentences and noise: a long recording of which it is known what is said where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.levels import FLOOR_DBFS, active_range, active_speech_dbfs, rms_dbfs
from speechtune.audio.timebase import samples_from_ms
from speechtune.errors import ConfigError

_FADE_MS = 5  # joints do not click


@dataclass(frozen=True)
class Planted:
    """A command in a recording: its first active sample and the one after its last, at 16 kHz."""

    label: str
    start_sample: int
    end_sample: int


def plant_commands(
    commands: Sequence[tuple[str, NDArray[np.float32]]],
    sentences: Sequence[NDArray[np.float32]],
    seed: int,
    *,
    pause_ms: tuple[int, int] = (300, 700),
    level_dbfs: float = -25.0,
    noise: NDArray[np.float32] | None = None,
    noise_snr_db: float = 25.0,
) -> tuple[NDArray[np.float32], tuple[Planted, ...]]:
    """Lay sentences and commands one after the other, each command inside a sentence, at one level.

    Each command takes the next sentence (they come round again), which is cut at its quietest place near the middle;
    the command goes there between two pauses.

    Args:
        commands: label and float32[N] at 16 kHz, in the order in which they are planted.
        sentences: float32[N] at 16 kHz without any command.
        seed: decides the pauses and the part of the noise.
        pause_ms: shortest and longest pause, before and after a command and between sentences.
        level_dbfs: active level that every piece is brought to.
        noise: float32[N] laid under everything, repeated as needed; none: digital silence.
        noise_snr_db: level of the speech over the noise.

    Returns:
        The recording, float32[N] at 16 kHz, and the truth in the order of time.

    Raises:
        ConfigError: no sentences.
    """
    if not sentences:
        raise ConfigError("no sentences to plant commands in; give at least one recording without commands")
    rng = np.random.default_rng(seed)
    tape = _Tape(rng, pause_ms)
    tape.pause()
    truth = tuple(
        _plant(tape, label, _levelled(command, level_dbfs), _levelled(sentences[index % len(sentences)], level_dbfs))
        for index, (label, command) in enumerate(commands)
    )
    mixed = np.concatenate(tape.pieces)
    if noise is not None:
        mixed = mixed + _laid_under(noise, len(mixed), level_dbfs - noise_snr_db, rng)
    return np.clip(mixed, -1.0, 1.0).astype(np.float32), truth


def _plant(tape: _Tape, label: str, command: NDArray[np.float32], sentence: NDArray[np.float32]) -> Planted:
    cut = quietest_place(sentence)
    tape.lay(sentence[:cut])
    tape.pause()
    first, last = active_range(command) or (0, len(command))
    planted = Planted(label, tape.num_samples + first, tape.num_samples + last)
    tape.lay(command)
    tape.pause()
    tape.lay(sentence[cut:])
    tape.pause()
    return planted


class _Tape:
    """What has been laid so far, piece after piece."""

    def __init__(self, rng: np.random.Generator, pause_ms: tuple[int, int]) -> None:
        self.pieces: list[NDArray[np.float32]] = []
        self.num_samples = 0
        self._rng = rng
        self._pause_ms = pause_ms

    def lay(self, piece: NDArray[np.float32]) -> None:
        """Add a piece, faded at both ends."""
        self.pieces.append(_faded(piece))
        self.num_samples += len(piece)

    def pause(self) -> None:
        """Add silence of a random length."""
        shortest, longest = self._pause_ms
        self.lay(np.zeros(samples_from_ms(int(self._rng.integers(shortest, longest + 1))), dtype=np.float32))


def quietest_place(samples: NDArray[np.float32]) -> int:
    """Middle of the quietest 60 ms in the middle third of float32[N]: likely between two words."""
    width = samples_from_ms(60)
    first, last = len(samples) // 3, 2 * len(samples) // 3
    if last - first <= width:
        return len(samples) // 2
    energy = np.cumsum(np.square(samples[first:last], dtype=np.float64))
    return first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2


def _levelled(samples: NDArray[np.float32], level_dbfs: float) -> NDArray[np.float32]:
    """At `level_dbfs`, or as loud as it goes without clipping."""
    active = active_speech_dbfs(samples)
    now = rms_dbfs(samples) if active is None else active
    if now <= FLOOR_DBFS:
        return samples
    gain = 10.0 ** ((level_dbfs - now) / 20.0)
    levelled: NDArray[np.float32] = samples * np.float32(min(gain, 0.99 / float(np.max(np.abs(samples)))))
    return levelled


def _faded(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    width = min(samples_from_ms(_FADE_MS), len(samples) // 2)
    faded = samples.copy()
    if width:
        ramp = np.linspace(0.0, 1.0, width, dtype=np.float32)
        faded[:width] *= ramp
        faded[-width:] *= ramp[::-1]
    return faded


def _laid_under(
    noise: NDArray[np.float32], num_samples: int, level_dbfs: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    gain = np.float32(10.0 ** ((level_dbfs - rms_dbfs(noise)) / 20.0))
    laid: NDArray[np.float32] = gain * np.resize(np.roll(noise, -int(rng.integers(len(noise)))), num_samples)
    return laid
