"""The last listening state that a server has sent: where a new connection hears on as if none had broken. No IO."""

from __future__ import annotations

from speechtune_client.events import Heartbeat

_STALE_BEATS = 20
"""A server that sends states sends one before so many heartbeats have come while nobody speaks."""


class LastState:
    """Remembers it.

    Attributes:
        content: what the server is given back; empty: there is none.
        seconds: its place, as offsets count.
    """

    def __init__(self) -> None:
        self.content = b""
        self.seconds = 0.0
        self._num_without = 0

    def hear(self, beat: Heartbeat, is_open: bool) -> None:
        """Take note of a heartbeat; `is_open`: speech goes on, in which there are no states."""
        if beat.listening_state and beat.listening_state_offset is not None:
            self.content, self.seconds, self._num_without = beat.listening_state, beat.listening_state_offset, 0
        elif not is_open and beat.ends_within is None:
            self._num_without += 1
            if self._num_without > _STALE_BEATS:
                self.forget()

    def forget(self) -> None:
        """Go on without it: the audio before its place is not held any more, or the server sends none."""
        self.content = b""

    def before(self, seconds: float) -> float:
        """Where a connection must hear on that would otherwise do so at `seconds`."""
        return min(seconds, self.seconds) if self.content else seconds
