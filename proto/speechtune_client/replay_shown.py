"""What a user is shown of a connection that goes on with another one. No IO, no clock."""

from __future__ import annotations

from collections.abc import Iterable

from speechtune_client.events import Heartbeat, Resumed, Started
from speechtune_client.settings import CommandRule, StreamSettings


def resumed(event: Started, lost_seconds: float) -> Resumed:
    """What the beginning of a later connection is shown as."""
    return Resumed(
        event.resume_offset,
        lost_seconds,
        event.model_digest,
        audio_processed=event.audio_processed,
        session_id=event.session_id,
    )


def refractory_ms(label: str, commands: Iterable[str | CommandRule], default_ms: int) -> int:
    """The refractory time of a keyword by these rules."""
    rules = {rule.label: rule.refractory_ms for rule in commands if isinstance(rule, CommandRule)}
    found = rules.get(label)
    return default_ms if found is None else found


class WantedBeats:
    """The heartbeats that the user asked for, of those that confirm what is decided."""

    def __init__(self, settings: StreamSettings) -> None:
        self._wanted_ms = settings.get("heartbeat_interval_ms")
        self._last = settings.get("resume_offset", 0.0)

    def is_wanted(self, beat: Heartbeat) -> bool:
        """Whether this is one."""
        now = beat.audio_processed or 0.0
        if self._wanted_ms is None or now - self._last < self._wanted_ms / 1000:
            return False
        self._last = now
        return True
