"""What a conversation takes and gives, in words that belong to no door: what a client asks, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from speechtune.audio.pcm import PcmFormat
from speechtune.recipe import DetectorSettings, EndpointingSettings
from speechtune.streaming.config import CommandRule, EffectiveRule, SessionConfig
from speechtune.streaming.events import Event, Interim, Rejected, SpeechEnded, SpeechStarted
from speechtune.streaming.listening_state import ListeningState
from speechtune.streaming.microphone import Microphone
from speechtune_server.decoding.forms import FileEncoding
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.live.inbox import EndReason


@dataclass(frozen=True)
class Flush:
    """An order to decide now on the audio before it."""


@dataclass(frozen=True)
class Reset:
    """An order to forget the audio before it."""


@dataclass(frozen=True)
class UpdateCommands:
    """An order to report these keywords in the audio after it; where there are none, all keywords are reported."""

    commands: tuple[CommandRule, ...]


Order: TypeAlias = Flush | Reset | UpdateCommands


@dataclass(frozen=True)
class FileForm:
    """The form of audio that is a file, whose header tells the rest.

    Attributes:
        encoding: the kind of file; None: its first bytes tell.
        channel: the one that is listened to, counted from 1; None: the mean of all.
    """

    encoding: FileEncoding | None
    channel: int | None = None


@dataclass(frozen=True)
class WantedEvents:
    """Which events a client wants beside detections, warnings and the end.

    Attributes:
        heartbeat_samples: a heartbeat comes after so much processed audio, in samples at 16 kHz; None: none comes.
        listening_states: whether heartbeats bring what another stream needs to go on from there.
    """

    interims: bool = False
    rejections: bool = False
    speech_activity: bool = False
    heartbeat_samples: int | None = None
    listening_states: bool = False

    def includes(self, event: Event | Heartbeat | StreamEnded) -> bool:
        """Whether the client is told of this event."""
        if isinstance(event, Rejected):
            return self.rejections
        if isinstance(event, Interim):
            return self.interims
        return self.speech_activity or not isinstance(event, SpeechStarted | SpeechEnded)


@dataclass(frozen=True)
class ConversationRequest:
    """What a client asks for when its stream begins.

    Attributes:
        model: finds the keywords.
        audio: the form of the bytes that follow.
        commands: the keywords to report; where there are none, all are reported.
        detector, endpointing: settings in place of the model's own; None: the model's.
        wanted: which events are sent.
        session_id: at most 64 printable ASCII characters, which name the stream in logs; "": the server finds a name.
        origin_ns: where the stream begins in the time of its client, in nanoseconds; doors add it to every place.
        state: of an earlier stream, which this one goes on with.
    """

    model: ServedModel
    audio: PcmFormat | FileForm
    commands: tuple[CommandRule, ...] = ()
    detector: DetectorSettings | None = None
    endpointing: EndpointingSettings | None = None
    wanted: WantedEvents = field(default_factory=WantedEvents)
    session_id: str = ""
    origin_ns: int = 0
    state: ListeningState | None = None


@dataclass(frozen=True)
class Started:
    """The conversation has begun.

    Attributes:
        request: what was asked for, its session named.
        settings: that are in force, the form of raw audio or of a file's samples among them.
        rules: of every keyword that is reported.
    """

    request: ConversationRequest
    settings: SessionConfig
    rules: tuple[EffectiveRule, ...]


@dataclass
class Statistics:
    """What one stream came to, so far.

    Attributes:
        notes: what is not as the form of the audio claims, one sentence each.
    """

    num_detections: int = 0
    num_rejections: int = 0
    num_windows_scored: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Heartbeat:
    """The stream is alive; with a reason, it is going to end.

    Attributes:
        ends_within_seconds: when it ends at the latest; None: nobody is going to end it.
        reason: why it ends.
        microphone: how the microphone does; None in a warning.
        state: what another stream needs to go on from the last place where nobody spoke; None where it was sent before.
    """

    ends_within_seconds: float | None = None
    reason: EndReason | None = None
    microphone: Microphone | None = None
    state: ListeningState | None = None


@dataclass(frozen=True)
class StreamEnded:
    """The last event: everything that was received has been answered."""

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


FindModel: TypeAlias = Callable[[str], ServedModel]
"""Finds a model by "", its name, or name@digest; raises ModelUnavailableError where there is none."""
