import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AudioEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_ENCODING_UNSPECIFIED: _ClassVar[AudioEncoding]
    LINEAR16: _ClassVar[AudioEncoding]
    FLOAT32: _ClassVar[AudioEncoding]
    MULAW: _ClassVar[AudioEncoding]
    ALAW: _ClassVar[AudioEncoding]
    FLAC: _ClassVar[AudioEncoding]
    OGG_OPUS: _ClassVar[AudioEncoding]
    WAV: _ClassVar[AudioEncoding]
AUDIO_ENCODING_UNSPECIFIED: AudioEncoding
LINEAR16: AudioEncoding
FLOAT32: AudioEncoding
MULAW: AudioEncoding
ALAW: AudioEncoding
FLAC: AudioEncoding
OGG_OPUS: AudioEncoding
WAV: AudioEncoding

class AudioSpec(_message.Message):
    __slots__ = ("encoding", "sample_rate_hertz", "channels", "channel")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    encoding: AudioEncoding
    sample_rate_hertz: int
    channels: int
    channel: int
    def __init__(self, encoding: _Optional[_Union[AudioEncoding, str]] = ..., sample_rate_hertz: _Optional[int] = ..., channels: _Optional[int] = ..., channel: _Optional[int] = ...) -> None: ...

class CommandRule(_message.Message):
    __slots__ = ("label", "threshold", "refractory_ms")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    REFRACTORY_MS_FIELD_NUMBER: _ClassVar[int]
    label: str
    threshold: float
    refractory_ms: int
    def __init__(self, label: _Optional[str] = ..., threshold: _Optional[float] = ..., refractory_ms: _Optional[int] = ...) -> None: ...

class RecognizeRequest(_message.Message):
    __slots__ = ("audio", "model", "commands", "content")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    audio: AudioSpec
    model: str
    commands: _containers.RepeatedCompositeFieldContainer[CommandRule]
    content: bytes
    def __init__(self, audio: _Optional[_Union[AudioSpec, _Mapping]] = ..., model: _Optional[str] = ..., commands: _Optional[_Iterable[_Union[CommandRule, _Mapping]]] = ..., content: _Optional[bytes] = ...) -> None: ...

class RecognizeResponse(_message.Message):
    __slots__ = ("detections", "scores", "model_digest", "notes")
    DETECTIONS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    detections: _containers.RepeatedCompositeFieldContainer[Detection]
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    model_digest: str
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, detections: _Optional[_Iterable[_Union[Detection, _Mapping]]] = ..., scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ..., model_digest: _Optional[str] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class StreamingRecognizeRequest(_message.Message):
    __slots__ = ("config", "audio", "control")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    config: StreamingConfig
    audio: AudioChunk
    control: Control
    def __init__(self, config: _Optional[_Union[StreamingConfig, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ..., control: _Optional[_Union[Control, _Mapping]] = ...) -> None: ...

class StreamingConfig(_message.Message):
    __slots__ = ("audio", "model", "commands", "detector", "endpointing", "events", "session_id", "resume_offset", "resume_state")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTING_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RESUME_STATE_FIELD_NUMBER: _ClassVar[int]
    audio: AudioSpec
    model: str
    commands: _containers.RepeatedCompositeFieldContainer[CommandRule]
    detector: DetectorSettings
    endpointing: Endpointing
    events: EventSelection
    session_id: str
    resume_offset: _duration_pb2.Duration
    resume_state: bytes
    def __init__(self, audio: _Optional[_Union[AudioSpec, _Mapping]] = ..., model: _Optional[str] = ..., commands: _Optional[_Iterable[_Union[CommandRule, _Mapping]]] = ..., detector: _Optional[_Union[DetectorSettings, _Mapping]] = ..., endpointing: _Optional[_Union[Endpointing, _Mapping]] = ..., events: _Optional[_Union[EventSelection, _Mapping]] = ..., session_id: _Optional[str] = ..., resume_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., resume_state: _Optional[bytes] = ...) -> None: ...

class DetectorSettings(_message.Message):
    __slots__ = ("hop_ms", "smoothing_windows", "refractory_ms", "threshold", "long_speech_caution")
    HOP_MS_FIELD_NUMBER: _ClassVar[int]
    SMOOTHING_WINDOWS_FIELD_NUMBER: _ClassVar[int]
    REFRACTORY_MS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LONG_SPEECH_CAUTION_FIELD_NUMBER: _ClassVar[int]
    hop_ms: int
    smoothing_windows: int
    refractory_ms: int
    threshold: float
    long_speech_caution: float
    def __init__(self, hop_ms: _Optional[int] = ..., smoothing_windows: _Optional[int] = ..., refractory_ms: _Optional[int] = ..., threshold: _Optional[float] = ..., long_speech_caution: _Optional[float] = ...) -> None: ...

class Endpointing(_message.Message):
    __slots__ = ("onset_probability", "offset_probability", "min_speech_ms", "hangover_ms", "preroll_ms", "max_speech_ms", "burst_db", "burst_probability")
    ONSET_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    OFFSET_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    MIN_SPEECH_MS_FIELD_NUMBER: _ClassVar[int]
    HANGOVER_MS_FIELD_NUMBER: _ClassVar[int]
    PREROLL_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEECH_MS_FIELD_NUMBER: _ClassVar[int]
    BURST_DB_FIELD_NUMBER: _ClassVar[int]
    BURST_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    onset_probability: float
    offset_probability: float
    min_speech_ms: int
    hangover_ms: int
    preroll_ms: int
    max_speech_ms: int
    burst_db: float
    burst_probability: float
    def __init__(self, onset_probability: _Optional[float] = ..., offset_probability: _Optional[float] = ..., min_speech_ms: _Optional[int] = ..., hangover_ms: _Optional[int] = ..., preroll_ms: _Optional[int] = ..., max_speech_ms: _Optional[int] = ..., burst_db: _Optional[float] = ..., burst_probability: _Optional[float] = ...) -> None: ...

class EventSelection(_message.Message):
    __slots__ = ("interims", "rejections", "speech_activity", "heartbeat_interval_ms", "listening_states")
    INTERIMS_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    LISTENING_STATES_FIELD_NUMBER: _ClassVar[int]
    interims: bool
    rejections: bool
    speech_activity: bool
    heartbeat_interval_ms: int
    listening_states: bool
    def __init__(self, interims: _Optional[bool] = ..., rejections: _Optional[bool] = ..., speech_activity: _Optional[bool] = ..., heartbeat_interval_ms: _Optional[int] = ..., listening_states: _Optional[bool] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: _Optional[bytes] = ...) -> None: ...

class Control(_message.Message):
    __slots__ = ("flush", "update_commands", "reset", "end")
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    UPDATE_COMMANDS_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    flush: Flush
    update_commands: UpdateCommands
    reset: Reset
    end: End
    def __init__(self, flush: _Optional[_Union[Flush, _Mapping]] = ..., update_commands: _Optional[_Union[UpdateCommands, _Mapping]] = ..., reset: _Optional[_Union[Reset, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ...) -> None: ...

class Flush(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UpdateCommands(_message.Message):
    __slots__ = ("commands",)
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    commands: _containers.RepeatedCompositeFieldContainer[CommandRule]
    def __init__(self, commands: _Optional[_Iterable[_Union[CommandRule, _Mapping]]] = ...) -> None: ...

class Reset(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class End(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamingRecognizeResponse(_message.Message):
    __slots__ = ("started", "interim", "detection", "rejected", "activity", "heartbeat", "ended", "audio_processed", "processing_latency", "session_id")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    INTERIM_FIELD_NUMBER: _ClassVar[int]
    DETECTION_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_PROCESSED_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_LATENCY_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    started: Started
    interim: Interim
    detection: Detection
    rejected: Rejected
    activity: SpeechActivity
    heartbeat: Heartbeat
    ended: Ended
    audio_processed: _duration_pb2.Duration
    processing_latency: _duration_pb2.Duration
    session_id: str
    def __init__(self, started: _Optional[_Union[Started, _Mapping]] = ..., interim: _Optional[_Union[Interim, _Mapping]] = ..., detection: _Optional[_Union[Detection, _Mapping]] = ..., rejected: _Optional[_Union[Rejected, _Mapping]] = ..., activity: _Optional[_Union[SpeechActivity, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., audio_processed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., processing_latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., session_id: _Optional[str] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("audio", "model_sample_rate_hertz", "model", "model_digest", "commands", "detector", "endpointing", "events", "resume_offset", "window", "limits")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    MODEL_SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTING_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RESUME_OFFSET_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    audio: AudioSpec
    model_sample_rate_hertz: int
    model: str
    model_digest: str
    commands: _containers.RepeatedCompositeFieldContainer[CommandRule]
    detector: DetectorSettings
    endpointing: Endpointing
    events: EventSelection
    resume_offset: _duration_pb2.Duration
    window: _duration_pb2.Duration
    limits: Limits
    def __init__(self, audio: _Optional[_Union[AudioSpec, _Mapping]] = ..., model_sample_rate_hertz: _Optional[int] = ..., model: _Optional[str] = ..., model_digest: _Optional[str] = ..., commands: _Optional[_Iterable[_Union[CommandRule, _Mapping]]] = ..., detector: _Optional[_Union[DetectorSettings, _Mapping]] = ..., endpointing: _Optional[_Union[Endpointing, _Mapping]] = ..., events: _Optional[_Union[EventSelection, _Mapping]] = ..., resume_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Interim(_message.Message):
    __slots__ = ("end_offset", "scores")
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    end_offset: _duration_pb2.Duration
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    def __init__(self, end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ...) -> None: ...

class Detection(_message.Message):
    __slots__ = ("event_id", "label", "confidence", "threshold", "runner_up_margin", "start_offset", "end_offset", "decision_offset", "alternatives", "model_digest")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    RUNNER_UP_MARGIN_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DECISION_OFFSET_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    label: str
    confidence: float
    threshold: float
    runner_up_margin: float
    start_offset: _duration_pb2.Duration
    end_offset: _duration_pb2.Duration
    decision_offset: _duration_pb2.Duration
    alternatives: _containers.RepeatedCompositeFieldContainer[Score]
    model_digest: str
    def __init__(self, event_id: _Optional[str] = ..., label: _Optional[str] = ..., confidence: _Optional[float] = ..., threshold: _Optional[float] = ..., runner_up_margin: _Optional[float] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., decision_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., alternatives: _Optional[_Iterable[_Union[Score, _Mapping]]] = ..., model_digest: _Optional[str] = ...) -> None: ...

class Rejected(_message.Message):
    __slots__ = ("label", "confidence", "threshold", "start_offset", "end_offset", "decision_offset", "model_digest")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DECISION_OFFSET_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    label: str
    confidence: float
    threshold: float
    start_offset: _duration_pb2.Duration
    end_offset: _duration_pb2.Duration
    decision_offset: _duration_pb2.Duration
    model_digest: str
    def __init__(self, label: _Optional[str] = ..., confidence: _Optional[float] = ..., threshold: _Optional[float] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., decision_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., model_digest: _Optional[str] = ...) -> None: ...

class SpeechActivity(_message.Message):
    __slots__ = ("kind", "start_offset", "end_offset", "decision_offset")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[SpeechActivity.Kind]
        SPEECH_STARTED: _ClassVar[SpeechActivity.Kind]
        SPEECH_ENDED: _ClassVar[SpeechActivity.Kind]
    KIND_UNSPECIFIED: SpeechActivity.Kind
    SPEECH_STARTED: SpeechActivity.Kind
    SPEECH_ENDED: SpeechActivity.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DECISION_OFFSET_FIELD_NUMBER: _ClassVar[int]
    kind: SpeechActivity.Kind
    start_offset: _duration_pb2.Duration
    end_offset: _duration_pb2.Duration
    decision_offset: _duration_pb2.Duration
    def __init__(self, kind: _Optional[_Union[SpeechActivity.Kind, str]] = ..., start_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., end_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., decision_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("ends_within", "ends_because", "microphone", "listening_state", "listening_state_offset")
    ENDS_WITHIN_FIELD_NUMBER: _ClassVar[int]
    ENDS_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    MICROPHONE_FIELD_NUMBER: _ClassVar[int]
    LISTENING_STATE_FIELD_NUMBER: _ClassVar[int]
    LISTENING_STATE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    ends_within: _duration_pb2.Duration
    ends_because: Ended.Reason
    microphone: Microphone
    listening_state: bytes
    listening_state_offset: _duration_pb2.Duration
    def __init__(self, ends_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ends_because: _Optional[_Union[Ended.Reason, str]] = ..., microphone: _Optional[_Union[Microphone, _Mapping]] = ..., listening_state: _Optional[bytes] = ..., listening_state_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Microphone(_message.Message):
    __slots__ = ("state", "level_dbfs", "speech_dbfs")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Microphone.State]
        OK: _ClassVar[Microphone.State]
        QUIET: _ClassVar[Microphone.State]
        DEAD: _ClassVar[Microphone.State]
    STATE_UNSPECIFIED: Microphone.State
    OK: Microphone.State
    QUIET: Microphone.State
    DEAD: Microphone.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_DBFS_FIELD_NUMBER: _ClassVar[int]
    SPEECH_DBFS_FIELD_NUMBER: _ClassVar[int]
    state: Microphone.State
    level_dbfs: float
    speech_dbfs: float
    def __init__(self, state: _Optional[_Union[Microphone.State, str]] = ..., level_dbfs: _Optional[float] = ..., speech_dbfs: _Optional[float] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("reason", "statistics")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[Ended.Reason]
        CLIENT_FINISHED: _ClassVar[Ended.Reason]
        DRAINING: _ClassVar[Ended.Reason]
        MAX_DURATION: _ClassVar[Ended.Reason]
        IDLE: _ClassVar[Ended.Reason]
    REASON_UNSPECIFIED: Ended.Reason
    CLIENT_FINISHED: Ended.Reason
    DRAINING: Ended.Reason
    MAX_DURATION: Ended.Reason
    IDLE: Ended.Reason
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    reason: Ended.Reason
    statistics: Statistics
    def __init__(self, reason: _Optional[_Union[Ended.Reason, str]] = ..., statistics: _Optional[_Union[Statistics, _Mapping]] = ...) -> None: ...

class Statistics(_message.Message):
    __slots__ = ("audio_processed", "num_detections", "num_rejections", "num_windows_scored", "notes")
    AUDIO_PROCESSED_FIELD_NUMBER: _ClassVar[int]
    NUM_DETECTIONS_FIELD_NUMBER: _ClassVar[int]
    NUM_REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    NUM_WINDOWS_SCORED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    audio_processed: _duration_pb2.Duration
    num_detections: int
    num_rejections: int
    num_windows_scored: int
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, audio_processed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., num_detections: _Optional[int] = ..., num_rejections: _Optional[int] = ..., num_windows_scored: _Optional[int] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("label", "confidence")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    label: str
    confidence: float
    def __init__(self, label: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelInfo]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelInfo, _Mapping]]] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ("name", "digest", "is_default", "commands", "window", "backend", "backend_reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BACKEND_REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    is_default: bool
    commands: _containers.RepeatedCompositeFieldContainer[CommandRule]
    window: _duration_pb2.Duration
    backend: str
    backend_reason: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., is_default: _Optional[bool] = ..., commands: _Optional[_Iterable[_Union[CommandRule, _Mapping]]] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., backend: _Optional[str] = ..., backend_reason: _Optional[str] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "default_model", "stream_encodings", "clip_encodings", "limits", "num_active_streams", "backend", "backend_reason")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MODEL_FIELD_NUMBER: _ClassVar[int]
    STREAM_ENCODINGS_FIELD_NUMBER: _ClassVar[int]
    CLIP_ENCODINGS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    NUM_ACTIVE_STREAMS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BACKEND_REASON_FIELD_NUMBER: _ClassVar[int]
    version: str
    default_model: str
    stream_encodings: _containers.RepeatedScalarFieldContainer[AudioEncoding]
    clip_encodings: _containers.RepeatedScalarFieldContainer[AudioEncoding]
    limits: Limits
    num_active_streams: int
    backend: str
    backend_reason: str
    def __init__(self, version: _Optional[str] = ..., default_model: _Optional[str] = ..., stream_encodings: _Optional[_Iterable[_Union[AudioEncoding, str]]] = ..., clip_encodings: _Optional[_Iterable[_Union[AudioEncoding, str]]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., num_active_streams: _Optional[int] = ..., backend: _Optional[str] = ..., backend_reason: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_streams", "max_stream_duration", "max_in_flight_audio", "max_clip_duration", "max_content_bytes", "min_sample_rate_hertz", "max_sample_rate_hertz", "max_channels", "min_ping_interval", "max_streams_per_client", "max_idle", "max_in_flight_bytes", "max_clips", "max_clips_per_client", "max_body")
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAM_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_AUDIO_FIELD_NUMBER: _ClassVar[int]
    MAX_CLIP_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MIN_SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MAX_SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MAX_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    MIN_PING_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_PER_CLIENT_FIELD_NUMBER: _ClassVar[int]
    MAX_IDLE_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CLIPS_FIELD_NUMBER: _ClassVar[int]
    MAX_CLIPS_PER_CLIENT_FIELD_NUMBER: _ClassVar[int]
    MAX_BODY_FIELD_NUMBER: _ClassVar[int]
    max_streams: int
    max_stream_duration: _duration_pb2.Duration
    max_in_flight_audio: _duration_pb2.Duration
    max_clip_duration: _duration_pb2.Duration
    max_content_bytes: int
    min_sample_rate_hertz: int
    max_sample_rate_hertz: int
    max_channels: int
    min_ping_interval: _duration_pb2.Duration
    max_streams_per_client: int
    max_idle: _duration_pb2.Duration
    max_in_flight_bytes: int
    max_clips: int
    max_clips_per_client: int
    max_body: _duration_pb2.Duration
    def __init__(self, max_streams: _Optional[int] = ..., max_stream_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_in_flight_audio: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_clip_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_content_bytes: _Optional[int] = ..., min_sample_rate_hertz: _Optional[int] = ..., max_sample_rate_hertz: _Optional[int] = ..., max_channels: _Optional[int] = ..., min_ping_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_streams_per_client: _Optional[int] = ..., max_idle: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_in_flight_bytes: _Optional[int] = ..., max_clips: _Optional[int] = ..., max_clips_per_client: _Optional[int] = ..., max_body: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
