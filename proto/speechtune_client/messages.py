"""Plain Python to protobuf and back; shared by both clients."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.duration_pb2 import Duration

from speechtune_client import events
from speechtune_client.errors import ClientError
from speechtune_client.file_forms import encoding_of
from speechtune_client.pacing import FILE_ENCODINGS, pacing_interval_ms
from speechtune_client.settings import CommandRule, DetectorSettings, Endpointing, Flush, Order, Reset, StreamSettings
from speechtune_client.v1 import command_recognition_pb2 as pb

_NS_PER_SECOND = 1_000_000_000
_SETTINGS_AT: dict[str, Any] = {"config": pb.StreamingConfig, "config.events": pb.EventSelection}
"""By path: the messages that hold settings which older servers do not know."""
_UNKNOWN_FIELD = re.compile(r"field number (\d+) is not known")


def audio_spec(encoding: str, sample_rate_hertz: int, channels: int, channel: int = 0) -> pb.AudioSpec:
    """The form of the audio.

    Raises:
        ValueError: no such encoding in the contract.
    """
    names = [name for name, code in pb.AudioEncoding.items() if code != pb.AUDIO_ENCODING_UNSPECIFIED]
    name = encoding.upper()
    if name not in names:
        raise ValueError(f"encoding {encoding!r}: use one of {', '.join(names)}")
    return pb.AudioSpec(encoding=name, sample_rate_hertz=sample_rate_hertz, channels=channels, channel=channel)


def command_rules(commands: Iterable[str | CommandRule]) -> list[pb.CommandRule]:
    """Words or rules as protobuf."""
    rules = [CommandRule(command) if isinstance(command, str) else command for command in commands]
    return [pb.CommandRule(**_set_fields(rule)) for rule in rules]


def recognize_request(
    content: bytes,
    encoding: str,
    *,
    sample_rate_hertz: int,
    channels: int,
    model: str,
    commands: Iterable[str | CommandRule],
) -> pb.RecognizeRequest:
    """A whole clip; with "" for its encoding, the first bytes tell.

    Raises:
        ValueError: no such encoding in the contract.
    """
    known = encoding or encoding_of(content)
    # What is not known here a newer server may know.
    form = pb.AudioSpec(sample_rate_hertz=sample_rate_hertz, channels=channels)
    return pb.RecognizeRequest(
        audio=audio_spec(known, sample_rate_hertz, channels) if known else form,
        model=model,
        commands=command_rules(commands),
        content=content,
    )


def stream_config(settings: StreamSettings) -> pb.StreamingConfig:
    """The first message of a stream.

    Raises:
        TypeError: an unknown setting.
        ValueError: no such encoding in the contract.
    """
    # A typing mistake must not pass silently, and Python does not check a TypedDict.
    if unknown := settings.keys() - StreamSettings.__annotations__.keys():
        raise TypeError(f"unknown settings: {', '.join(sorted(unknown))}")
    encoding = settings.get("encoding", "LINEAR16")
    is_file = encoding.upper() in FILE_ENCODINGS  # which carries its own rate and channels
    interval_ms = pacing_interval_ms(settings)
    config = pb.StreamingConfig(
        audio=audio_spec(
            encoding,
            settings.get("sample_rate_hertz", 0 if is_file else 16_000),
            settings.get("channels", 0 if is_file else 1),
            settings.get("channel", 0),
        ),
        model=settings.get("model", ""),
        commands=command_rules(settings.get("commands", ())),
        detector=pb.DetectorSettings(**_set_fields(settings.get("detector", DetectorSettings()))),
        endpointing=pb.Endpointing(**_set_fields(settings.get("endpointing", Endpointing()))),
        events=pb.EventSelection(
            interims=settings.get("interims", False),
            rejections=settings.get("rejections", False),
            speech_activity=settings.get("speech_activity", False),
            listening_states=settings.get("listening_states", False),
            heartbeat_interval_ms=min(settings.get("heartbeat_interval_ms") or interval_ms, interval_ms),
        ),
        session_id=settings.get("session_id", ""),
        resume_state=settings.get("resume_state", b""),
    )
    seconds, nanos = divmod(round(settings.get("resume_offset", 0.0) * _NS_PER_SECOND), _NS_PER_SECOND)
    config.resume_offset.CopyFrom(Duration(seconds=seconds, nanos=nanos))
    return config


def unknown_settings(refusal: ClientError) -> frozenset[str]:
    """The settings of a stream that a server refused because it does not know them: it is older than this client."""
    names = set()
    for violation in refusal.violations:
        message = _SETTINGS_AT.get(violation.field)
        number = _UNKNOWN_FIELD.match(violation.description)
        field = message.DESCRIPTOR.fields_by_number.get(int(number[1])) if message and number else None
        if field is not None:
            names.add(field.name)
    return frozenset(names)


def order_request(order: Order) -> pb.StreamingRecognizeRequest:
    """An order inside a stream."""
    if isinstance(order, Flush):
        control = pb.Control(flush=pb.Flush())
    elif isinstance(order, Reset):
        control = pb.Control(reset=pb.Reset())
    else:
        control = pb.Control(update_commands=pb.UpdateCommands(commands=command_rules(order.commands)))
    return pb.StreamingRecognizeRequest(control=control)


def stream_event(response: pb.StreamingRecognizeResponse) -> events.StreamEvent | None:
    """The event in a response; None for one of a kind that only newer clients know."""
    kind = response.WhichOneof("event")
    if kind is None:
        return None
    stamp = {
        "audio_processed": seconds(response.audio_processed),
        "processing_latency": _optional_seconds(response, "processing_latency"),
        "session_id": response.session_id,
    }
    return _READERS[kind](getattr(response, kind), stamp)


def recognition(response: pb.RecognizeResponse) -> events.Recognition:
    """The outcome of a clip."""
    detections = tuple(_detection(detection, {}) for detection in response.detections)
    return events.Recognition(detections, _scores(response.scores), response.model_digest, tuple(response.notes))


def model_info(model: pb.ModelInfo) -> events.ModelInfo:
    """One model of the list."""
    return events.ModelInfo(
        model.name,
        model.digest,
        model.is_default,
        _rules(model.commands),
        seconds(model.window),
        model.backend,
        model.backend_reason,
    )


def server_info(response: pb.GetServerInfoResponse) -> events.ServerInfo:
    """What the server takes."""
    return events.ServerInfo(
        response.version,
        response.default_model,
        tuple(pb.AudioEncoding.Name(code) for code in response.stream_encodings),
        tuple(pb.AudioEncoding.Name(code) for code in response.clip_encodings),
        _limits(response.limits),
        response.num_active_streams,
        response.backend,
        response.backend_reason,
    )


def seconds(duration: Duration) -> float:
    """A duration in seconds."""
    return (duration.seconds * _NS_PER_SECOND + duration.nanos) / _NS_PER_SECOND


def _started(message: pb.Started, stamp: dict[str, Any]) -> events.Started:
    return events.Started(
        encoding=pb.AudioEncoding.Name(message.audio.encoding),
        sample_rate_hertz=message.audio.sample_rate_hertz,
        channels=message.audio.channels,
        model_sample_rate_hertz=message.model_sample_rate_hertz,
        model=message.model,
        model_digest=message.model_digest,
        commands=_rules(message.commands),
        detector=DetectorSettings(**_present(message.detector)),
        endpointing=Endpointing(**_present(message.endpointing)),
        resume_offset=seconds(message.resume_offset),
        window=seconds(message.window),
        limits=_limits(message.limits),
        **stamp,
    )


def _interim(message: pb.Interim, stamp: dict[str, Any]) -> events.Interim:
    return events.Interim(seconds(message.end_offset), _scores(message.scores), **stamp)


def _detection(message: pb.Detection, stamp: dict[str, Any]) -> events.Detection:
    return events.Detection(
        event_id=message.event_id,
        label=message.label,
        confidence=_number(message.confidence),
        threshold=_number(message.threshold),
        runner_up_margin=_number(message.runner_up_margin),
        start_offset=seconds(message.start_offset),
        end_offset=seconds(message.end_offset),
        decision_offset=seconds(message.decision_offset),
        alternatives=_scores(message.alternatives),
        model_digest=message.model_digest,
        **stamp,
    )


def _rejected(message: pb.Rejected, stamp: dict[str, Any]) -> events.Rejected:
    return events.Rejected(
        label=message.label,
        confidence=_number(message.confidence),
        threshold=_number(message.threshold),
        start_offset=seconds(message.start_offset),
        end_offset=seconds(message.end_offset),
        decision_offset=seconds(message.decision_offset),
        model_digest=message.model_digest,
        **stamp,
    )


def _activity(message: pb.SpeechActivity, stamp: dict[str, Any]) -> events.SpeechActivity:
    return events.SpeechActivity(
        kind=pb.SpeechActivity.Kind.Name(message.kind),
        start_offset=seconds(message.start_offset),
        end_offset=_optional_seconds(message, "end_offset"),
        decision_offset=_optional_seconds(message, "decision_offset"),
        **stamp,
    )


def _heartbeat(message: pb.Heartbeat, stamp: dict[str, Any]) -> events.Heartbeat:
    ends_within = _optional_seconds(message, "ends_within")
    reason = None if ends_within is None else pb.Ended.Reason.Name(message.ends_because)
    microphone = _microphone(message.microphone) if message.HasField("microphone") else None
    state = (message.listening_state, _optional_seconds(message, "listening_state_offset"))
    return events.Heartbeat(ends_within, reason, microphone, *state, **stamp)


def _microphone(message: pb.Microphone) -> events.Microphone:
    # Enumerations of protobuf are open: a newer server may send a state that has no name here.
    names = {code: name for name, code in pb.Microphone.State.items()}
    return events.Microphone(
        names.get(message.state, str(message.state)),
        _number(message.level_dbfs) if message.HasField("level_dbfs") else None,
        _number(message.speech_dbfs) if message.HasField("speech_dbfs") else None,
    )


def _ended(message: pb.Ended, stamp: dict[str, Any]) -> events.Ended:
    statistics = message.statistics
    return events.Ended(
        pb.Ended.Reason.Name(message.reason),
        events.Statistics(
            seconds(statistics.audio_processed),
            statistics.num_detections,
            statistics.num_rejections,
            statistics.num_windows_scored,
            tuple(statistics.notes),
        ),
        **stamp,
    )


_READERS: dict[str, Callable[[Any, dict[str, Any]], events.StreamEvent]] = {
    "started": _started,
    "interim": _interim,
    "detection": _detection,
    "rejected": _rejected,
    "activity": _activity,
    "heartbeat": _heartbeat,
    "ended": _ended,
}


def _limits(message: pb.Limits) -> events.Limits:
    return events.Limits(
        max_streams=message.max_streams,
        max_stream_duration=_optional_seconds(message, "max_stream_duration"),
        max_in_flight_audio=seconds(message.max_in_flight_audio),
        max_in_flight_bytes=message.max_in_flight_bytes,
        max_clip_duration=seconds(message.max_clip_duration),
        max_content_bytes=message.max_content_bytes,
        min_sample_rate_hertz=message.min_sample_rate_hertz,
        max_sample_rate_hertz=message.max_sample_rate_hertz,
        max_channels=message.max_channels,
        min_ping_interval=seconds(message.min_ping_interval),
    )


def _rules(rules: Iterable[pb.CommandRule]) -> tuple[CommandRule, ...]:
    return tuple(CommandRule(**_present(rule)) for rule in rules)


def _scores(scores: Iterable[pb.Score]) -> tuple[events.Score, ...]:
    return tuple(events.Score(score.label, _number(score.confidence)) for score in scores)


def _number(value: float) -> float:
    """A float32 of the wire without the digits that only its widening made: 0.8, not 0.800000011920929."""
    return float(f"{value:.7g}")


def _present(message: Any) -> dict[str, Any]:
    """The fields of a message that are set."""
    return {field.name: _number(value) if isinstance(value, float) else value for field, value in message.ListFields()}


def _set_fields(settings: Any) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(settings).items() if value is not None}


def _optional_seconds(message: Any, name: str) -> float | None:
    return seconds(getattr(message, name)) if message.HasField(name) else None
