"""What a user is shown of a connection that goes on with another one, and what was shown before. No IO, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from speechtune_client.events import Detection, Heartbeat, Resumed, Started
from speechtune_client.settings import CommandRule, StreamSettings

_SAME_SECONDS = 0.1
_NUM_REMEMBERED = 64
_SAMPLES_PER_MS = 16


@dataclass(frozen=True)
class _Shown:
    """A detection that was shown; `muted_until` is where its keyword may be heard again, as the server counts."""

    detection: Detection
    connection: int
    sample: int
    muted_until: int


class Repeats:
    """Remembers what was shown. Places are samples of the model, counted from the stream's first.

    Within a connection the server itself sees to it that nothing comes twice, so only earlier ones count. What they
    gave is looked for once in every connection: it is heard once in each.
    """

    def __init__(self) -> None:
        self._connection = 0
        self._shown: deque[_Shown] = deque(maxlen=_NUM_REMEMBERED)
        self._latest: dict[str, _Shown] = {}
        self._resets: deque[int] = deque(maxlen=_NUM_REMEMBERED)
        self._found: list[_Shown] = []

    def connect(self) -> None:
        """Another connection begins."""
        self._connection += 1
        self._found = []

    def reset(self, sample: int) -> None:
        """From `sample` on the server forgets what it heard before, refractory times too."""
        self._resets.append(sample)

    def is_new(self, detection: Detection, sample: int) -> bool:
        """Whether a detection that was decided at `sample` is to be shown."""
        earlier = [
            shown
            for shown in self._shown
            if shown.connection < self._connection and shown not in self._found and _is_same(detection, shown.detection)
        ]
        if earlier:
            self._found.append(min(earlier, key=lambda shown: abs(shown.sample - sample)))
            return False
        return not self._is_muted(detection.label, sample)

    def show(self, detection: Detection, sample: int, refractory_ms: int) -> None:
        """Remember one that is shown."""
        shown = _Shown(detection, self._connection, sample, sample + refractory_ms * _SAMPLES_PER_MS)
        self._shown.append(shown)
        self._latest[detection.label] = shown

    def _is_muted(self, label: str, sample: int) -> bool:
        """Whether one unbroken connection would still be in the keyword's refractory time."""
        latest = self._latest.get(label)
        if latest is None or latest.connection == self._connection or sample >= latest.muted_until:
            return False
        return not any(latest.sample <= reset < sample for reset in self._resets)


def _is_same(one: Detection, other: Detection) -> bool:
    overlaps = one.start_offset < other.end_offset and other.start_offset < one.end_offset
    return one.label == other.label and (overlaps or abs(one.decision_offset - other.decision_offset) <= _SAME_SECONDS)


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


def models_refractory_ms(event: Started, commands: Iterable[str | CommandRule]) -> dict[str, int]:
    """The refractory time of every keyword that the client's own rules do not set: the server's own of each."""
    own = {rule.label for rule in commands if isinstance(rule, CommandRule) and rule.refractory_ms is not None}
    return {
        rule.label: rule.refractory_ms
        for rule in event.commands
        if rule.refractory_ms is not None and rule.label not in own
    }


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
