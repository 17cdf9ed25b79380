"""What a server says, as plain Python: names as in `command_recognition.proto`, durations as float seconds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from speechtune_client.settings import CommandRule, DetectorSettings, Endpointing


@dataclass(frozen=True)
class Score:
    """A label and its calibrated posterior, 0 to 1."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Limits:
    """What the server refuses when exceeded. None: no limit."""

    max_streams: int
    max_stream_duration: float | None
    max_in_flight_audio: float
    max_in_flight_bytes: int
    max_clip_duration: float
    max_content_bytes: int
    min_sample_rate_hertz: int
    max_sample_rate_hertz: int
    max_channels: int
    min_ping_interval: float


@dataclass(frozen=True)
class Statistics:
    """What one stream came to; `notes` say what is not as the audio's form claims, one sentence each."""

    audio_processed: float
    num_detections: int
    num_rejections: int
    num_windows_scored: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StreamEvent:
    """What every event of a stream has.

    Attributes:
        audio_processed: how far the audio has been listened to, `resume_offset` included.
        processing_latency: from the arrival of the last audio the event needed to its dispatch; None: it needs none.
        session_id: of the stream.
    """

    event: ClassVar[str] = "event"

    audio_processed: float | None = dataclasses.field(default=None, kw_only=True)
    processing_latency: float | None = dataclasses.field(default=None, kw_only=True)
    session_id: str = dataclasses.field(default="", kw_only=True)


@dataclass(frozen=True)
class Started(StreamEvent):
    """The first event: the settings in force, with everything filled in."""

    event: ClassVar[str] = "started"

    encoding: str
    sample_rate_hertz: int
    channels: int
    model_sample_rate_hertz: int
    model: str
    model_digest: str
    commands: tuple[CommandRule, ...]
    detector: DetectorSettings
    endpointing: Endpointing
    resume_offset: float
    window: float
    limits: Limits


@dataclass(frozen=True)
class Disconnected(StreamEvent):
    """The connection of a `listen` broke or was refused; another attempt comes `retry_in` seconds later."""

    event: ClassVar[str] = "disconnected"

    code: str
    message: str
    retry_in: float


@dataclass(frozen=True)
class Resumed(StreamEvent):
    """The connection of a `listen` is back.

    Attributes:
        resume_offset: the audio from here on was sent again.
        lost: seconds of audio that no server has heard, because the break outlasted what is kept.
        model_digest: of the model that goes on, which may be another than before.
    """

    event: ClassVar[str] = "resumed"

    resume_offset: float
    lost: float
    model_digest: str


@dataclass(frozen=True)
class Interim(StreamEvent):
    """Scores of one window while speech goes on, best first."""

    event: ClassVar[str] = "interim"

    end_offset: float
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Detection(StreamEvent):
    """A keyword was heard. Sent once, never taken back."""

    event: ClassVar[str] = "detection"

    event_id: str
    label: str
    confidence: float
    threshold: float
    runner_up_margin: float
    start_offset: float
    end_offset: float
    decision_offset: float
    alternatives: tuple[Score, ...]
    model_digest: str


@dataclass(frozen=True)
class Rejected(StreamEvent):
    """Speech was heard and no keyword reached its threshold."""

    event: ClassVar[str] = "rejected"

    label: str
    confidence: float
    threshold: float
    start_offset: float
    end_offset: float
    decision_offset: float
    model_digest: str


@dataclass(frozen=True)
class SpeechActivity(StreamEvent):
    """Speech began or ended; `kind` is "SPEECH_STARTED" or "SPEECH_ENDED"."""

    event: ClassVar[str] = "activity"

    kind: str
    start_offset: float
    end_offset: float | None
    decision_offset: float | None


@dataclass(frozen=True)
class Microphone:
    """What the level of the audio tells of the microphone.

    Attributes:
        state: "STATE_UNSPECIFIED" (nobody has spoken yet), "OK", "QUIET" (still heard; turn it up, or go nearer),
            "DEAD" (digital silence for ten seconds: muted or not connected), or the number of one that only newer
            servers know.
        level_dbfs: peak of the loudest sound of late; None: digital silence.
        speech_dbfs: the same of speech; None: nobody has spoken yet.
    """

    state: str
    level_dbfs: float | None
    speech_dbfs: float | None


@dataclass(frozen=True)
class Heartbeat(StreamEvent):
    """The stream is alive; with `ends_within` the server is going to end it, and `ends_because` says why.

    Attributes:
        microphone: how it does; None in a warning, and from servers that do not tell.
        listening_state: what another stream hears on from at `listening_state_offset`; empty where there is none.
    """

    event: ClassVar[str] = "heartbeat"

    ends_within: float | None
    ends_because: str | None
    microphone: Microphone | None = None
    listening_state: bytes = b""
    listening_state_offset: float | None = None


@dataclass(frozen=True)
class Ended(StreamEvent):
    """The last event; `reason` is "CLIENT_FINISHED", "DRAINING", "MAX_DURATION" or "IDLE"."""

    event: ClassVar[str] = "ended"

    reason: str
    statistics: Statistics


@dataclass(frozen=True)
class Recognition:
    """What was found in one clip: its detections, the posterior of every label, and what is not as its file says."""

    detections: tuple[Detection, ...]
    scores: tuple[Score, ...]
    model_digest: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be asked for; `backend` is what runs it, and why. "": the server is older than that."""

    name: str
    digest: str
    is_default: bool
    commands: tuple[CommandRule, ...]
    window: float
    backend: str = ""
    backend_reason: str = ""


@dataclass(frozen=True)
class ServerInfo:
    """What the server takes; `backend` is what runs the default model, as for `ModelInfo`."""

    version: str
    default_model: str
    stream_encodings: tuple[str, ...]
    clip_encodings: tuple[str, ...]
    limits: Limits
    num_active_streams: int
    backend: str = ""
    backend_reason: str = ""


def as_json(event: StreamEvent) -> dict[str, Any]:
    """An event as plain data, for a line of JSON: "event" says which it is; fields that are None are left out."""
    told = dataclasses.asdict(event).items()
    # A listening state means nothing to who reads JSON.
    fields = {name: value for name, value in told if value is not None and not isinstance(value, bytes)}
    return {"event": event.event, **fields}
