"""What a stream's own level tells of its microphone: well, quiet, or dead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.streaming.voice.activity import FRAME_SAMPLES
from speechtune.streaming.voice.quiet_gate import QUIET_PEAK

QUIET_SPEECH_DBFS = -35.0
"""Speech whose peaks lie below this comes from a microphone that is turned down or far away: it is usually 20 dB up."""
DEAD_SECONDS = 10.0
"""So long without any sound but digital silence and its dither: no microphone that is switched on is that quiet."""

_FRAMES_A_SECOND = SAMPLE_RATE_HZ / FRAME_SAMPLES
_LEVEL_FALL_DB = 3.0 / _FRAMES_A_SECOND
_SPEECH_FALL_DB = 6.0 / _FRAMES_A_SECOND
"""A word at another level counts after some seconds of speech, however long the pauses between."""
_SILENCE_DBFS = 20.0 * math.log10(QUIET_PEAK)


class MicrophoneState(Enum):
    """What can be said of a microphone."""

    UNKNOWN = "unknown"
    """Nobody has spoken yet."""
    OK = "ok"
    QUIET = "quiet"
    """Speech is far below its usual level; it is still heard, with less room for noise."""
    DEAD = "dead"
    """Nothing but digital silence for `DEAD_SECONDS`."""


@dataclass(frozen=True)
class Microphone:
    """How a stream's microphone does.

    Attributes:
        state: what can be said of it.
        level_dbfs: peak of the loudest sound of late, whatever it is, which counts for 3 dB a second less; None where
            there was none but digital silence.
        speech_dbfs: the same of the speech heard so far, which counts for less while speech is heard; None: there was
            none.
    """

    state: MicrophoneState
    level_dbfs: float | None
    speech_dbfs: float | None


class MicrophoneMeter:
    """Follows the level of one stream; let it hear every frame once, in order."""

    def __init__(self) -> None:
        self._level_dbfs = _SILENCE_DBFS
        self._speech_dbfs: float | None = None
        self._num_dead = 0

    @property
    def microphone(self) -> Microphone:
        """How the microphone does now."""
        level_dbfs = self._level_dbfs if self._level_dbfs > _SILENCE_DBFS else None
        return Microphone(self._state, level_dbfs, self._speech_dbfs)

    def hear(self, peak: float, *, is_speech: bool) -> None:
        """Take the largest amplitude of the next frame, and whether voice activity has heard speech in it."""
        self._num_dead = self._num_dead + 1 if peak < QUIET_PEAK else 0
        if not is_speech and self._num_dead:
            self._level_dbfs = max(self._level_dbfs - _LEVEL_FALL_DB, _SILENCE_DBFS)
            return
        peak_dbfs = 20.0 * math.log10(max(peak, QUIET_PEAK))
        self._level_dbfs = max(peak_dbfs, self._level_dbfs - _LEVEL_FALL_DB)
        if is_speech:
            before_dbfs = peak_dbfs if self._speech_dbfs is None else self._speech_dbfs - _SPEECH_FALL_DB
            self._speech_dbfs = max(peak_dbfs, before_dbfs)

    @property
    def _state(self) -> MicrophoneState:
        if self._num_dead >= DEAD_SECONDS * _FRAMES_A_SECOND:
            return MicrophoneState.DEAD
        if self._speech_dbfs is None:
            return MicrophoneState.UNKNOWN
        return MicrophoneState.QUIET if self._speech_dbfs < QUIET_SPEECH_DBFS else MicrophoneState.OK
