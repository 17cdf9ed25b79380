"""Scripted stand-ins for the models of a stream, and drivers that cut audio in odd ways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.audio.stretches import read_stretch
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.labels import LabelSet
from speechtune.streaming.config import Scorer, SessionConfig
from speechtune.streaming.driver import run_session
from speechtune.streaming.events import Event
from speechtune.streaming.session import Session
from speechtune.streaming.voice.activity import (
    FRAME_SAMPLES,
    ActivityAnswer,
    ActivityModel,
    ActivityRequest,
    ActivityState,
)
from tests.support.speech import REPOSITORY

_SPEECH = REPOSITORY / "speechtune" / "data" / "variation" / "background" / "speech.ogg"
LINEAR16 = PcmFormat(PcmEncoding.LINEAR16, SAMPLE_RATE_HZ)


class LoudnessActivity:
    """Takes a frame for speech when it is loud; remembers nothing."""

    def probabilities(self, request: ActivityRequest) -> ActivityAnswer:
        loud = np.sqrt(np.square(request.frames).mean(axis=1)) > 0.01
        nothing = ActivityState(np.zeros((2, 128), np.float32), np.zeros(64, np.float32))
        return ActivityAnswer(loud.astype(np.float32), nothing)

    def probabilities_together(self, requests: Sequence[ActivityRequest]) -> list[ActivityAnswer]:
        return [self.probabilities(request) for request in requests]


@dataclass
class PitchScorer:
    """Hears `low` in a tone of 250 Hz, `high` in one of 1000 Hz, else `_unknown_`; certain of a pure tone."""

    labels: LabelSet = field(default_factory=lambda: LabelSet(("low", "high"), ("_unknown_",)))
    thresholds: dict[str, float] = field(default_factory=lambda: {"low": 0.5, "high": 0.5})
    window_samples: int = SAMPLE_RATE_HZ
    num_windows: int = 0

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        self.num_windows += len(windows)
        spectrum = np.abs(np.fft.rfft(windows, axis=1)) ** 2
        total = spectrum.sum(axis=1) + 1e-9
        hz = SAMPLE_RATE_HZ / windows.shape[1]
        shares = [
            spectrum[:, int((tone - 60) / hz) : int((tone + 60) / hz)].sum(axis=1) / total for tone in (250, 1000)
        ]
        low, high = (0.98 * share for share in shares)
        rest = 1.0 - low - high
        return np.stack([low, high, rest, np.zeros_like(rest)], axis=1).astype(np.float32)


def tone(hz: float, num_samples: int, amplitude: float = 0.3) -> NDArray[np.float32]:
    """A pure tone, float32[num_samples]."""
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(num_samples) / SAMPLE_RATE_HZ)).astype(np.float32)


def quiet(num_samples: int) -> NDArray[np.float32]:
    """Silence, float32[num_samples]."""
    return np.zeros(num_samples, dtype=np.float32)


def linear16(samples: NDArray[np.float32]) -> bytes:
    """Samples as little-endian int16 bytes."""
    return np.round(samples * 32767).astype("<i2").tobytes()


def cut(content: bytes, lengths: Iterable[int]) -> list[bytes]:
    """`content` in chunks of these lengths, the rest in one."""
    chunks, start = [], 0
    for length in lengths:
        chunks.append(content[start : start + length])
        start += length
    return [*chunks, content[start:]]


def open_session(scorer: Scorer, config: SessionConfig | None = None) -> Session:
    """A session of LINEAR16 at 16 kHz, unless told otherwise."""
    return Session(config or SessionConfig(LINEAR16), scorer.labels, scorer.thresholds, scorer.window_samples)


def events_of(
    chunks: Iterable[bytes | NDArray[np.float32]],
    config: SessionConfig | None = None,
    scorer: Scorer | None = None,
    activity: ActivityModel | None = None,
) -> list[Event]:
    """All events of these chunks, through the scripted models unless told otherwise."""
    scorer = scorer or PitchScorer()
    return list(run_session(open_session(scorer, config), scorer, activity or LoudnessActivity(), chunks))


FRAME = FRAME_SAMPLES


def talk(num_seconds: int) -> NDArray[np.float32]:
    """Real speech of the background of the package, cut into phrases with pauses and noise: float32[N]."""
    spoken = read_stretch(_SPEECH, 0, 2 * num_seconds * SAMPLE_RATE_HZ)
    rng = np.random.default_rng(5)
    pieces: list[NDArray[np.float32]] = []
    num_samples, place = 0, 0
    while num_samples < num_seconds * SAMPLE_RATE_HZ:
        size, pause = int(rng.integers(4_000, 40_000)), int(rng.integers(3_000, 16_000))
        pieces += [spoken[place : place + size] * float(rng.uniform(0.05, 1.0)), np.zeros(pause, dtype=np.float32)]
        num_samples, place = num_samples + size + pause, place + size
    joined = np.concatenate(pieces)[: num_seconds * SAMPLE_RATE_HZ]
    noisy: NDArray[np.float32] = np.clip(joined + 0.003 * rng.standard_normal(len(joined)), -1, 1).astype(np.float32)
    return noisy
