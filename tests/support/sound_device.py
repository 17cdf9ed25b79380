"""A stand-in for the package `sounddevice` with one microphone that hears what a test says; all else is ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from speechtune.cli.terminal import microphone

Block = tuple[NDArray[np.float32], bool]
"""What one read gives: float32[N], and whether samples were lost before it."""


class PulledOutError(Exception):
    """In place of `sounddevice.PortAudioError`."""


class SoundDevice:
    """The microphone, and what was asked of it.

    Attributes:
        requested: the settings that its stream was opened with.
        num_open: how many streams are open.
    """

    PortAudioError = PulledOutError

    def __init__(self, rate_hz: int, hear: Callable[[int, int], Block]) -> None:
        """Hear by `hear(number of the read from 1 on, number of samples)`."""
        self._rate_hz, self._hear = rate_hz, hear
        self.requested: dict[str, Any] = {}
        self.num_open = 0

    def query_devices(self, device: str | int | None = None, kind: str | None = None) -> Any:
        """The one device, or a list of it."""
        described = {"name": "stand-in", "default_samplerate": float(self._rate_hz), "max_input_channels": 1}
        if device == "missing":
            raise ValueError("No input device matching 'missing'")
        return [described] if kind is None else described

    def InputStream(self, **settings: Any) -> _Stream:
        """Open a stream."""
        self.requested = settings
        self.num_open += 1
        return _Stream(self, self._hear)


class _Stream:
    def __init__(self, device: SoundDevice, hear: Callable[[int, int], Block]) -> None:
        self._device, self._hear = device, hear
        self._num_read = 0

    def start(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def close(self) -> None:
        self._device.num_open -= 1

    def read(self, num_samples: int) -> tuple[NDArray[np.float32], bool]:
        self._num_read += 1
        samples, has_lost = self._hear(self._num_read, num_samples)
        return samples[:, None], has_lost


def plug_in(
    monkeypatch: pytest.MonkeyPatch, hear: Callable[[int, int], Block], *, rate_hz: int = 16_000
) -> SoundDevice:
    """Let `sounddevice` be a stand-in until the end of the test."""
    device = SoundDevice(rate_hz, hear)
    monkeypatch.setattr(microphone, "import_sounddevice", lambda: device)
    return device


def playing(samples: NDArray[np.float32], then: Callable[[], None]) -> Callable[[int, int], Block]:
    """A microphone that hears float32[N] once, and quiet after it; `then` is called before every quiet read."""
    left = samples

    def hear(_: int, num_samples: int) -> Block:
        nonlocal left
        if not len(left):
            then()
        block, left = left[:num_samples], left[num_samples:]
        return np.pad(block, (0, num_samples - len(block))), False

    return hear
