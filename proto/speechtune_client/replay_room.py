"""How much of an endless stream is kept, and how that room is shared out. Sizes are bytes, durations seconds."""

from __future__ import annotations

from speechtune_client.audio_form import bytes_per_second
from speechtune_client.events import Started
from speechtune_client.pacing import resume_step
from speechtune_client.settings import StreamSettings

LEAST_REPLAY_SECONDS = 4.0

_LEAD_SECONDS = 1.0
"""At least, before what is undecided, so that a server hears it in the same surroundings as the first time."""
_FRAMES_SECONDS = 0.064
"""Two frames of the model: one that a voice begins in, one that is not heard to its end."""
_PIECE_SECONDS = 0.5
_UNCONFIRMED_SECONDS = 0.75
"""How far the source may run ahead of a heartbeat: three times their interval, for they tell of whole frames only."""


class ReplayRoom:
    """The room of one stream: the audio that leads to what is undecided, open speech, and what is not confirmed yet.

    The first two must leave room for the last, or the source would wait for a server that waits for it.

    Args:
        settings: of the stream.
        replay_seconds: audio kept at most.

    Raises:
        ValueError: less than four seconds.

    Attributes:
        capacity: of all that is kept.
        piece: what is taken from the source at once, and kept together.
        step: between places where a connection may begin.
    """

    def __init__(self, settings: StreamSettings, replay_seconds: float) -> None:
        if not replay_seconds >= LEAST_REPLAY_SECONDS:
            raise ValueError(f"replay_seconds {replay_seconds!r}: give at least {LEAST_REPLAY_SECONDS:g}")
        self.rate = bytes_per_second(settings)
        self.step = resume_step(settings)
        self.capacity = int(replay_seconds * self.rate)
        self.piece = max(int(self.rate * _PIECE_SECONDS), 1)
        self._lead_seconds = _LEAD_SECONDS

    def follow(self, started: Started) -> None:
        """Take over what the server does with its settings.

        Speech it has not told of yet may have begun so long ago as it takes to be speech, and begins earlier by the
        preroll; its window may reach half of its length before that.
        """
        endpointing = started.endpointing
        unheard_ms = (endpointing.min_speech_ms or 0) + (endpointing.preroll_ms or 0)
        self._lead_seconds = max(_LEAD_SECONDS, unheard_ms / 1000 + started.window / 2 + _FRAMES_SECONDS)

    @property
    def lead(self) -> int:
        """Audio that is sent again before what is undecided; open speech has as much room."""
        return int(min(self._lead_seconds * self.rate, self._kept / 2))

    @property
    def open_seconds(self) -> float:
        """Speech that goes on and on must not fill the room: it is decided window by window."""
        return min(self.capacity / 2, self._kept - self.lead) / self.rate

    @property
    def _kept(self) -> float:
        """The room for what a server has heard already."""
        return self.capacity - self.piece - self.step - _UNCONFIRMED_SECONDS * self.rate
