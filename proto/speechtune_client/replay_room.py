"""How much of an endless stream is kept, and how that room is shared out. Sizes are bytes, durations seconds."""

from __future__ import annotations

from speechtune_client.audio_form import bytes_per_second
from speechtune_client.pacing import resume_step
from speechtune_client.settings import StreamSettings

LEAST_REPLAY_SECONDS = 4.0

_LEAD_SECONDS = 1.0
"""Audio before what is undecided, so that a server hears it in the same surroundings as the first time."""
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

    @property
    def lead(self) -> int:
        """Audio that is sent again before what is undecided."""
        return int(_LEAD_SECONDS * self.rate)

    @property
    def open_seconds(self) -> float:
        """Speech that goes on and on must not fill the room: it is decided window by window."""
        return min(self.capacity / 2, self._kept - self.lead) / self.rate

    @property
    def _kept(self) -> float:
        """The room for what a server has heard already."""
        return self.capacity - self.piece - self.step - _UNCONFIRMED_SECONDS * self.rate
