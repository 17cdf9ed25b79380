"""What a stream sends to its client: what the session found, and what the server says of the stream itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from speechtune.streaming.events import Event
from speechtune.streaming.listening_state import ListeningState
from speechtune.streaming.microphone import Microphone
from speechtune_server.inbox import EndReason


@dataclass
class Statistics:
    """What one stream came to, so far; `notes` say what is not as the audio's form claims, one sentence each."""

    num_detections: int = 0
    num_rejections: int = 0
    num_windows_scored: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Heartbeat:
    """The stream is alive; with a reason: it is going to end, `ends_within_seconds` from now.

    Attributes:
        microphone: how it does; None in a warning.
        state: what another stream needs to go on from the last place where nobody spoke; None where it was sent before.
    """

    ends_within_seconds: float | None = None
    reason: EndReason | None = None
    microphone: Microphone | None = None
    state: ListeningState | None = None


@dataclass(frozen=True)
class StreamEnded:
    """The last event: everything received has been answered."""

    reason: EndReason
    statistics: Statistics


@dataclass(frozen=True)
class Outgoing:
    """An event on its way to the client.

    Attributes:
        samples_processed: how far the audio has been listened to, at 16 kHz from the stream's start.
        latency_seconds: from the arrival of the last audio the event needed until now; None where it needs none.
    """

    event: Event | Heartbeat | StreamEnded
    samples_processed: int
    latency_seconds: float | None
