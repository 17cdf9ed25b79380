"""What the bytes of a stream weigh, and how far a client may run ahead of its server. No IO, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from speechtune_client.events import Heartbeat, Started, StreamEvent
from speechtune_client.settings import StreamSettings
from speechtune_client.wav_header import WavHeader

COMPRESSED_ENCODINGS = frozenset({"FLAC", "OGG_OPUS"})
FILE_ENCODINGS = COMPRESSED_ENCODINGS | {"WAV"}

PACING_INTERVAL_MS = 250
"""Heartbeats are always asked for this often at least: they tell how far the server is."""
_WIDE_INTERVAL_MS = 100
"""Where a second may have so many bytes that the server's limit is less than half of it: the least it takes."""
_WIDE_BYTES_PER_SECOND = 2 << 20

_FILE_BYTES_PER_SECOND = 16_000
_BYTES_PER_VALUE = {"LINEAR16": 2, "FLOAT32": 4, "MULAW": 1, "ALAW": 1}

_FIRST_WINDOW_SECONDS = 0.5
_FIRST_WINDOW_BYTES = 128 * 1024
"""Until Started tells the server's limit, which is a megabyte at least: it may turn every byte into four."""
_WINDOW_SECONDS = 0.45
"""Half of a small limit would be used up before the first heartbeat."""
_LIMIT_SHARE = 0.995
"""A server counts its limit in whole frames: it is not used to the last of them."""
_PIECE_SECONDS = 0.1
_BEAT_SECONDS = 0.38
"""What a server may have before its next heartbeat: a quarter of a second, a frame, what its resampler holds back."""

MODEL_RATE_HZ = 16_000
_FRAME_SAMPLES = 512
_LONGEST_STEP_SECONDS = 0.5


def bytes_per_second(settings: StreamSettings) -> int:
    """Bytes in one second of a stream's audio; of a file, whose header tells, a guess."""
    width = _BYTES_PER_VALUE.get(_encoding(settings))
    if width is None:
        return _FILE_BYTES_PER_SECOND
    return width * settings.get("sample_rate_hertz", 16_000) * (settings.get("channels", 1) or 1)


def pacing_interval_ms(settings: StreamSettings) -> int:
    """How often heartbeats are needed at least; a WAV file may turn out to have many bytes a second."""
    is_wide = _encoding(settings) == "WAV" or bytes_per_second(settings) > _WIDE_BYTES_PER_SECOND
    return _WIDE_INTERVAL_MS if is_wide else PACING_INTERVAL_MS


def _encoding(settings: StreamSettings) -> str:
    return settings.get("encoding", "LINEAR16").upper()


class Pace:
    """Keeps what is sent and not yet processed within half of the server's limit, or more of it where it is small.

    A microphone never comes near it; a file is sent as fast as the server listens. Without this, the server would
    refuse what it cannot keep. How long compressed audio lasts its bytes do not tell: it goes as its sender paces it.
    """

    def __init__(self, settings: StreamSettings) -> None:
        encoding = settings.get("encoding", "LINEAR16").upper()
        self._is_file, self._is_compressed = encoding in FILE_ENCODINGS, encoding in COMPRESSED_ENCODINGS
        self._header = WavHeader() if encoding == "WAV" else None
        self._guessed_bytes_per_second = bytes_per_second(settings)
        self._origin = settings.get("resume_offset", 0.0)
        self._limit_seconds: float | None = None
        self._num_sent = 0
        self._processed_seconds = 0.0
        self._wanted_ms = settings.get("heartbeat_interval_ms")
        self._last_beat = self._origin

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Cut a chunk into messages of a tenth of a second at most; an empty chunk stays one message."""
        num_header = self._header.receive(chunk) if self._header is not None else 0
        place = 0
        while True:
            end = place + self._step()  # looked at anew each time: Started may have come
            if place < num_header:  # samples in its last piece might have to wait, and the header must not
                end = min(end, num_header)
            yield chunk[place:end]
            if end >= len(chunk):
                return
            place = end

    def may_send(self, num_bytes: int) -> bool:
        """Whether so many more bytes stay within the window."""
        if self._is_compressed:
            return True
        num_audio = self._num_sent + num_bytes
        if self._header is not None:  # of which a server must know all before it says anything
            num_audio = max(num_audio - self._header.num_bytes, 0)
            # It does not listen to what follows the samples, and never will.
            num_audio = min(num_audio, self._header.num_sample_bytes or num_audio)
        return num_audio / self._bytes_per_second - self._processed_seconds <= self._window_seconds

    def sent(self, num_bytes: int) -> None:
        """So many bytes were sent."""
        self._num_sent += num_bytes

    def heard(self, event: StreamEvent) -> bool:
        """Take note of an event; tells whether the user wants to see it."""
        if event.audio_processed is not None:
            self._processed_seconds = max(self._processed_seconds, event.audio_processed - self._origin)
        if isinstance(event, Started):
            self._limit_seconds = event.limits.max_in_flight_audio
            if self._is_file:  # only now is it known what its bytes are
                self._guessed_bytes_per_second = bytes_per_second(
                    {
                        "encoding": event.encoding,
                        "sample_rate_hertz": event.sample_rate_hertz,
                        "channels": event.channels,
                    }
                )
        return not isinstance(event, Heartbeat) or self._is_wanted(event)

    @property
    def _bytes_per_second(self) -> int:
        """As its own header tells, for the server's form of a file may be wider or narrower."""
        told = self._header.bytes_per_second if self._header is not None else None
        return told or self._guessed_bytes_per_second

    @property
    def _window_seconds(self) -> float:
        if self._limit_seconds is None:
            return min(_FIRST_WINDOW_SECONDS, _FIRST_WINDOW_BYTES / self._bytes_per_second)
        return min(max(self._limit_seconds / 2, _WINDOW_SECONDS), self._limit_seconds * _LIMIT_SHARE)

    def _step(self) -> int:
        """Bytes of a piece, so few that one more fits while the server waits to send its next heartbeat."""
        window = self._window_seconds
        seconds = min(_PIECE_SECONDS, max(window - _BEAT_SECONDS, window / 10))
        return max(int(self._bytes_per_second * seconds), 1)

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
