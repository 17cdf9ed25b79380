"""What a stream must remember of what it heard in order to go on elsewhere as if it had never been interrupted.

It is taken where nobody speaks and everything before is decided, so that it is small: the voice activity model's memory
and the levels that are followed. The audio that later windows may reach back to is sent again by whoever goes on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from speechtune.errors import ConfigError
from speechtune.streaming.voice.activity import FRAME_SAMPLES, ActivityState
from speechtune.streaming.voice.silero_graph import HEARD_SAMPLES, HIDDEN_SIZE

_VERSION = 1
_NUMBERS = struct.Struct("<BqqBdddd?")
_HIDDEN = 2 * HIDDEN_SIZE
_CONTEXT = HEARD_SAMPLES - FRAME_SAMPLES
_LONGEST_NS = 1 << 60


@dataclass(frozen=True)
class ListeningState:
    """The state at one place of a stream.

    Attributes:
        sample: the place, at 16 kHz from the stream's first sample.
        earliest_start: the sample before which no later speech begins, for it belongs to what has ended.
        activity: of the voice activity model; None: as at the beginning.
        num_quiet: frames in a row that were quiet (`QuietGate`).
        ceiling_dbfs, two_last: of `SpeechGain`.
        background_db: of `BurstGate`; None: nothing was heard yet.
    """

    sample: int
    earliest_start: int
    activity: ActivityState | None
    num_quiet: int
    ceiling_dbfs: float
    two_last: tuple[float, float]
    background_db: float | None

    def to_bytes(self, ns_of_sample: int, origin_ns: int) -> bytes:
        """As bytes in which places are nanoseconds from `origin_ns` on, `ns_of_sample` for each sample."""
        numbers = _NUMBERS.pack(
            _VERSION,
            origin_ns + self.sample * ns_of_sample,
            origin_ns + self.earliest_start * ns_of_sample,
            self.num_quiet,
            self.ceiling_dbfs,
            *self.two_last,
            0.0 if self.background_db is None else self.background_db,
            self.background_db is not None,
        )
        if self.activity is None:
            return numbers
        arrays = np.concatenate([self.activity.hidden.ravel(), self.activity.context])
        return numbers + arrays.astype("<f4").tobytes()


def state_from_bytes(content: bytes, ns_of_sample: int, origin_ns: int) -> ListeningState | None:
    """The state in `content`, its places counted in samples from `origin_ns` on; None: one of another version.

    Raises:
        ConfigError: it is none, or of a place before `origin_ns`.
    """
    if content[:1] != bytes([_VERSION]):
        return None
    if len(content) not in (_NUMBERS.size, _NUMBERS.size + 4 * (_HIDDEN + _CONTEXT)):
        raise ConfigError("it is cut off, or no state")
    arrays = np.frombuffer(content[_NUMBERS.size :], dtype="<f4")
    _, place, earliest, num_quiet, ceiling, one, other, background, has_background = _NUMBERS.unpack_from(content)
    numbers = np.array([ceiling, one, other, background])
    if not (np.isfinite(numbers).all() and np.abs(numbers).max() < 1e6 and np.isfinite(arrays).all()):
        raise ConfigError("it holds what is no number")
    if not origin_ns <= place < _LONGEST_NS or earliest > place:
        raise ConfigError("its place lies before the audio that follows; send it with a resume_offset before it")
    activity = None
    if len(arrays):
        values = arrays.astype(np.float32)
        activity = ActivityState(values[:_HIDDEN].reshape(2, HIDDEN_SIZE), values[_HIDDEN:])
    return ListeningState(
        round((place - origin_ns) / ns_of_sample),
        round((earliest - origin_ns) / ns_of_sample),
        activity,
        num_quiet,
        ceiling,
        (one, other),
        background if has_background else None,
    )
