"""Finds the end of a take by the voice activity model of live streams; fills `record.ports.SpeechFinder`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechtune.recipe import EndpointingSettings
from speechtune.record.takes import Stretch
from speechtune.streaming.endpointer import Ended, Endpointer
from speechtune.streaming.voice.activity import FRAME_SAMPLES, ActivityModel, ActivityRequest, ActivityState
from speechtune.streaming.voice.speech_gain import SpeechGain, amplified

_HANGOVER_MS = 600
"""Quiet that ends a take: longer than in a live stream, for nobody waits and a command may hold a pause."""


class ActivitySpeechFinder:
    """Gives the first stretch of speech of every take."""

    def __init__(self, model: ActivityModel, settings: EndpointingSettings | None = None) -> None:
        """Ask `model` of every frame of 32 ms; without `settings` those of live streams, but 600 ms of hangover."""
        self._model = model
        self._settings = settings or EndpointingSettings(hangover_ms=_HANGOVER_MS, preroll_ms=0)
        self.restart()

    def restart(self) -> None:
        """A new take begins."""
        self._endpointer = Endpointer(self._settings)
        self._gain = SpeechGain()
        self._state: ActivityState | None = None
        self._pending = np.zeros(0, dtype=np.float32)

    def receive(self, samples: NDArray[np.float32]) -> Stretch | None:
        """Take the next float32[N] at 16 kHz; give the first stretch of speech once its hangover has passed."""
        pending = np.concatenate([self._pending, samples])
        num_frames = len(pending) // FRAME_SAMPLES
        self._pending = pending[num_frames * FRAME_SAMPLES :]
        if num_frames == 0:
            return None
        frames = pending[: num_frames * FRAME_SAMPLES].reshape(num_frames, FRAME_SAMPLES)
        gains_db = self._gain.follow(np.abs(frames).max(axis=1).tolist())
        answer = self._model.probabilities(ActivityRequest(amplified(frames, gains_db), self._state))
        self._state = answer.state
        for probability in answer.probabilities:
            event = self._endpointer.step(float(probability))
            if isinstance(event, Ended):
                return Stretch(event.start_sample, event.end_sample)
        return None

    def end(self) -> Stretch | None:
        """No more samples: the stretch that is going on, if any."""
        event = self._endpointer.end()
        return None if event is None else Stretch(event.start_sample, event.end_sample)
