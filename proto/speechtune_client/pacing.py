"""How far a client may run ahead of the server, and which heartbeats its user asked for. No IO, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from speechtune_client.events import Heartbeat, Started, StreamEvent
from speechtune_client.messages import COMPRESSED_ENCODINGS, FILE_ENCODINGS, PACING_INTERVAL_MS, bytes_per_second
from speechtune_client.settings import StreamSettings

_FIRST_WINDOW_SECONDS = 0.5
"""Until Started tells the server's limit."""
_PIECE_SECONDS = 0.1

MODEL_RATE_HZ = 16_000
_FRAME_SAMPLES = 512
_LONGEST_STEP_SECONDS = 0.5


class Pace:
    """Keeps what is sent and not yet processed within half of the server's limit.

    A microphone never comes near it; a file is sent as fast as the server listens. Without this, the server would
    refuse what it cannot keep. How long compressed audio lasts its bytes do not tell: it goes as its sender paces it.
    """

    def __init__(self, settings: StreamSettings) -> None:
        self._bytes_per_second = bytes_per_second(settings)
        self._origin = settings.get("resume_offset", 0.0)
        self._window_seconds = _FIRST_WINDOW_SECONDS
        encoding = settings.get("encoding", "LINEAR16").upper()
        self._is_file, self._is_compressed = encoding in FILE_ENCODINGS, encoding in COMPRESSED_ENCODINGS
        self._num_sent = 0
        self._processed_seconds = 0.0
        self._wanted_ms = settings.get("heartbeat_interval_ms")
        self._last_beat = self._origin

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Cut a chunk into messages of a tenth of a second at most; an empty chunk stays one message."""
        step = max(int(self._bytes_per_second * _PIECE_SECONDS), 1)
        for start in range(0, max(len(chunk), 1), step):
            yield chunk[start : start + step]

    def may_send(self, num_bytes: int) -> bool:
        """Whether so many more bytes stay within the window."""
        if self._is_compressed:
            return True
        ahead_seconds = (self._num_sent + num_bytes) / self._bytes_per_second - self._processed_seconds
        return ahead_seconds <= self._window_seconds

    def sent(self, num_bytes: int) -> None:
        """So many bytes were sent."""
        self._num_sent += num_bytes

    def heard(self, event: StreamEvent) -> bool:
        """Take note of an event; tells whether the user wants to see it."""
        if event.audio_processed is not None:
            self._processed_seconds = max(self._processed_seconds, event.audio_processed - self._origin)
        if isinstance(event, Started):
            self._window_seconds = event.limits.max_in_flight_audio / 2
            if self._is_file:  # only now is it known what its bytes are
                self._bytes_per_second = bytes_per_second(
                    {
                        "encoding": event.encoding,
                        "sample_rate_hertz": event.sample_rate_hertz,
                        "channels": event.channels,
                    }
                )
        return not isinstance(event, Heartbeat) or self._is_wanted(event)

    def _is_wanted(self, beat: Heartbeat) -> bool:
        if beat.ends_within is not None:
            return True
        now = beat.audio_processed or 0.0
        if self._wanted_ms is None or now - self._last_beat < max(self._wanted_ms, PACING_INTERVAL_MS) / 1000:
            return False
        self._last_beat = now
        return True


def resume_step(settings: StreamSettings) -> int:
    """Bytes between places where a connection may begin: whole frames of the model, where the rate has such places."""
    rate_hz = settings.get("sample_rate_hertz", 16_000)
    frame_bytes = bytes_per_second(settings) // rate_hz or 1
    step = Fraction(_FRAME_SAMPLES * rate_hz, MODEL_RATE_HZ)
    samples = step.numerator  # of as many frames of the model as make a whole number of them
    return frame_bytes * (samples if samples <= rate_hz * _LONGEST_STEP_SECONDS else 1)
