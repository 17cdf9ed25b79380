"""Events as a client reads them, with what a test does not look at filled in."""

from __future__ import annotations

from speechtune_client.events import Detection, Heartbeat, SpeechActivity, Started
from speechtune_client.settings import CommandRule, DetectorSettings, Endpointing


def detection(label: str, start: float, end: float, decision: float) -> Detection:
    return Detection("x", label, 0.9, 0.5, 0.8, start, end, decision, (), "d1", audio_processed=decision)


def speech(start: float, end: float | None = None) -> SpeechActivity:
    kind = "SPEECH_STARTED" if end is None else "SPEECH_ENDED"
    return SpeechActivity(kind, start, end, end, audio_processed=end or start + 0.1)


def started(*rules: CommandRule, refractory_ms: int = 500, **endpointing: int) -> Started:
    settings = DetectorSettings(refractory_ms=refractory_ms), Endpointing(**endpointing)
    return Started("LINEAR16", 16_000, 1, 16_000, "home", "d1", rules, *settings, 0.0, 1.0, None)


def beat(seconds: float) -> Heartbeat:
    return Heartbeat(None, None, audio_processed=seconds)
