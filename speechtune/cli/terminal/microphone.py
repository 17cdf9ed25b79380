"""The microphone of this machine, or audio files in its place: takes of a recording, or an endless stream."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import SUFFIXES, read_audio
from speechtune.audio.levels import clipped_seconds
from speechtune.audio.resample import StreamResampler
from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms, seconds_from_samples
from speechtune.errors import ConfigError
from speechtune.ordinary_files import odd_kind

_BLOCK_MS = 32
_PLAY_LATENCY_SECONDS = 0.5  # nobody waits for a take to be played, and a busy machine plays gaps with less
_UNHEARD_MS = 800
_MAX_TAKE_BLOCKS = 12_000 // _BLOCK_MS  # a stream that is read for ever must not be kept
_MAX_LATE_BLOCKS = 2_000 // _BLOCK_MS
_PAUSE_MS = 800  # after each file, so that the end of its speech is certain
_GIVE_BACK_SECONDS = 1.0
_LOSSES_APART_SAMPLES = 10 * SAMPLE_RATE_HZ  # a machine that is too busy loses samples many times a second


class Microphone:
    """A sound device through PortAudio, read at the device's own rate and resampled to 16 kHz here.

    Fills `record.ports.AudioSource`; `MicrophoneStream` reads it for ever.

    Raises:
        ConfigError: PortAudio or the device cannot be used; the message says what to install or to name.
    """

    def __init__(self, device: str | int | None = None) -> None:
        self._sounddevice = import_sounddevice()
        self._device = device
        try:
            described: Any = self._sounddevice.query_devices(device, "input")
            self._rate_hz = int(described["default_samplerate"])
            self.name: str = str(described["name"])
            self._stream = self._sounddevice.InputStream(
                samplerate=self._rate_hz, device=device, channels=1, dtype="float32"
            )
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise self._refused(error) from error
        self._resampler = StreamResampler(self._rate_hz)
        self._has_lost = False
        self._first: NDArray[np.float32] | None = None
        self._latest: deque[NDArray[np.float32]] = deque(maxlen=_MAX_TAKE_BLOCKS)

    def start(self) -> bool:
        """Hear from now on; a microphone never runs out.

        A wireless one gives nothing but zeros at first: they are waited for, for two seconds at most.
        """
        self._resampler = StreamResampler(self._rate_hz)
        self._has_lost = False
        try:
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise self._refused(error) from error
        self._latest.clear()
        self._pass_late_start()
        return True

    def read(self) -> NDArray[np.float32] | None:
        """The next samples, about 32 ms of them."""
        while True:
            block = self._read_block() if self._first is None else self._first
            self._first = None
            self._latest.append(block)
            samples = self._resampler.process(block)
            if len(samples):
                return samples

    def _read_block(self) -> NDArray[np.float32]:
        try:
            frames, overflowed = self._stream.read(self._rate_hz * _BLOCK_MS // 1000)
        except self._sounddevice.PortAudioError as error:
            raise self._refused(error) from error
        self._has_lost |= bool(overflowed)
        return np.ascontiguousarray(frames[:, 0], dtype=np.float32)

    def _pass_late_start(self) -> None:
        """Read on until sound comes, which is the first of the take."""
        for _ in range(_MAX_LATE_BLOCKS):
            self._has_lost = False
            self._first = self._read_block()
            if self._first.any():
                break

    def stop(self) -> bool:
        """Hear no more until the next `start`; whether samples were lost since then, or since `take_loss`."""
        self._stream.abort()
        return self._has_lost

    @property
    def clipped_seconds(self) -> float:
        """How long the tops of the take that is over were flat."""
        return clipped_seconds(self._latest, self._rate_hz)

    def take_loss(self) -> bool:
        """Whether samples were lost, because nobody took them in time, since the start or since this was asked."""
        has_lost, self._has_lost = self._has_lost, False
        return has_lost

    def play(self, samples: NDArray[np.float32]) -> None:
        """Play on the system's default output and wait for the end."""
        # PortAudio is closed while its last buffer is still to be played: silence is lost there in place of the word.
        unheard = np.zeros(samples_from_ms(_UNHEARD_MS), dtype=np.float32)
        samples = np.concatenate([samples, unheard])
        try:
            self._sounddevice.play(samples, SAMPLE_RATE_HZ, blocking=True, latency=_PLAY_LATENCY_SECONDS)
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise ConfigError(f"playing: {error}; choose an output device in the system's settings") from error

    def close(self) -> None:
        """Give the device back."""
        self._stream.close()

    def _refused(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"microphone {self._device if self._device is not None else 'of the system'}: {error}; "
            f"name one of these with --device:{_listed(self._sounddevice)}"
        )


class FilesInPlaceOfMicrophone:
    """Audio files one after the other, each one take, as if spoken into a microphone."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Hear these files; in place of a folder those in it, by name.

        Raises:
            ConfigError: no such file, or a folder without audio.
        """
        self._files = [file for path in paths for file in _audio_files(path)]
        self._next_file = 0
        self._samples = np.zeros(0, dtype=np.float32)
        self.name = "files"

    def start(self) -> bool:
        """Open the next file; False after the last one."""
        if self._next_file >= len(self._files):
            return False
        pause = np.zeros(samples_from_ms(_PAUSE_MS), dtype=np.float32)
        self._samples = np.concatenate([read_audio(self._files[self._next_file]), pause])
        self._next_file += 1
        return True

    def read(self) -> NDArray[np.float32] | None:
        """The next 32 ms; None at the file's end."""
        step = samples_from_ms(_BLOCK_MS)
        block, self._samples = self._samples[:step], self._samples[step:]
        return block if len(block) else None

    def stop(self) -> bool:
        """Drop the rest of the file; nothing is ever lost."""
        self._samples = self._samples[:0]
        return False

    @property
    def clipped_seconds(self) -> float:
        """Not known of a file, whose samples are resampled when it is read."""
        return 0.0

    def play(self, samples: NDArray[np.float32]) -> None:
        """Files are played by nobody."""

    def close(self) -> None:
        """Nothing to give back."""


class MicrophoneStream:
    """What a microphone hears, for ever: raw 16-bit samples at 16 kHz, about 32 ms at a time.

    Iterate it in one thread, and `close` it in any. Iterating raises a `ConfigError` when the microphone cannot be read
    any more.
    """

    def __init__(self, microphone: Microphone, tell: Callable[[str], None]) -> None:
        """Read `microphone`, which is given back at the end.

        Args:
            microphone: is started with the first chunk.
            tell: is called with one sentence when samples were lost, at most once in ten seconds of audio.
        """
        self._microphone, self._tell = microphone, tell
        self._is_over, self._is_given_back = threading.Event(), threading.Event()
        self._is_given_back.set()

    def __iter__(self) -> Iterator[bytes]:
        """Hear, from now on."""
        self._is_given_back.clear()
        try:
            self._microphone.start()
            yield from self._chunks()
        finally:
            self._microphone.close()
            self._is_given_back.set()

    def close(self) -> None:
        """Hear no more; a thread that is reading gives the device back after that read, which is waited for."""
        self._is_over.set()
        self._is_given_back.wait(_GIVE_BACK_SECONDS)

    def _chunks(self) -> Iterator[bytes]:
        num_losses, position, last_told = 0, 0, -_LOSSES_APART_SAMPLES
        while not self._is_over.is_set() and (samples := self._microphone.read()) is not None:
            num_losses += self._microphone.take_loss()
            if num_losses and position - last_told >= _LOSSES_APART_SAMPLES:
                self._tell(_lost(position, num_losses))
                num_losses, last_told = 0, position
            position += len(samples)
            yield np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def _lost(position: int, num_losses: int) -> str:
    times = "" if num_losses == 1 else f", {num_losses} times"
    return (
        f"note: audio of the microphone was lost at {seconds_from_samples(position):.1f} s{times}: "
        "this machine was too busy to take it; close other programs"
    )


def import_sounddevice() -> ModuleType:
    """The package `sounddevice`.

    Raises:
        ConfigError: it, or the PortAudio library under it, is not installed.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"microphone: cannot be opened ({error}); install PortAudio (on Debian and Ubuntu: apt install "
            "libportaudio2)"
        ) from error
    module: ModuleType = sounddevice
    return module


def device_from(text: str | None) -> str | int | None:
    """The device that an option names: a number, or a part of its name; None: that of the system."""
    return int(text) if text is not None and text.isdecimal() else text


def _listed(sounddevice: ModuleType) -> str:
    inputs = [
        f" {index}: {device['name']}"
        for index, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]
    return ";".join(inputs) or " there is none, connect a microphone"


def _audio_files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and odd_kind(file) is None)
        if not files:
            raise ConfigError(f"--from-files {path}: holds no audio files")
        return files
    if not path.is_file():
        raise ConfigError(f"--from-files {path}: is not there")
    return [path]
