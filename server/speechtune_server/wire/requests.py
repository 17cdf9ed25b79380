"""Requests as protobuf to our own types; `replies` is the way back.

What cannot be done as asked is refused here, by the name of its field: every refusal is an `InvalidRequestError`, and
field paths start at the request's root.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from pydantic import BaseModel, ValidationError

from speechtune.audio.pcm import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ, PcmEncoding, PcmFormat
from speechtune.audio.timebase import SAMPLES_PER_MS
from speechtune.errors import InvalidRequestError, SpeechTuneError
from speechtune.names import composed
from speechtune.streaming.config import CommandRule
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.decoding.forms import FileEncoding, stream_file_encodings
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.live.clip import ClipRequest
from speechtune_server.live.messages import (
    ConversationRequest,
    FileForm,
    FindModel,
    Flush,
    Order,
    Reset,
    UpdateCommands,
    WantedEvents,
)
from speechtune_server.wire import resuming

RAW_ENCODINGS = {
    pb.LINEAR16: PcmEncoding.LINEAR16,
    pb.FLOAT32: PcmEncoding.FLOAT32,
    pb.MULAW: PcmEncoding.MULAW,
    pb.ALAW: PcmEncoding.ALAW,
}
FILE_ENCODINGS = {pb.WAV: FileEncoding.WAV, pb.FLAC: FileEncoding.FLAC, pb.OGG_OPUS: FileEncoding.OGG_OPUS}


_HEARTBEAT_MS = range(100, 60_001)

Settings = TypeVar("Settings", bound=BaseModel)


def stream_encodings() -> tuple[pb.AudioEncoding, ...]:
    """The files that are taken in streams here."""
    taken = stream_file_encodings()
    return tuple(code for code, encoding in FILE_ENCODINGS.items() if encoding in taken)


def conversation_request(config: pb.StreamingConfig, model: ServedModel) -> ConversationRequest:
    """What a stream's configuration asks of `model`.

    Raises:
        InvalidRequestError: it cannot be done as asked.
    """
    events = config.events
    return ConversationRequest(
        model=model,
        audio=audio_form(config.audio, "config.audio", stream_encodings()),
        commands=command_rules(config.commands, model, "config.commands"),
        detector=_settings(config.detector, model.detector, "config.detector"),
        endpointing=_settings(config.endpointing, model.endpointing, "config.endpointing"),
        wanted=WantedEvents(
            interims=events.interims,
            rejections=events.rejections,
            speech_activity=events.speech_activity,
            heartbeat_samples=_heartbeat_samples(events),
            listening_states=events.listening_states,
        ),
        session_id=config.session_id,
        origin_ns=resuming.resume_ns(config),
        state=resuming.resume_state(config),
    )


def clip_request(request: pb.RecognizeRequest, find_model: FindModel) -> ClipRequest:
    """What is asked of a clip.

    Raises:
        InvalidRequestError: it cannot be done as asked.
        ModelUnavailableError: there is no such model.
    """
    refuse_unknown_fields(request, "")
    model = find_model(request.model)
    commands = command_rules(request.commands, model, "commands")
    audio = audio_form(request.audio, "audio", FILE_ENCODINGS)
    return ClipRequest(model, audio, request.content, commands)


def audio_form(audio: pb.AudioSpec, where: str, files: Collection[pb.AudioEncoding]) -> PcmFormat | FileForm:
    """The form of raw audio, or of a file that carries its own rate and channels, one of the encodings `files`.

    Without an encoding it is a file whose first bytes tell.

    Raises:
        InvalidRequestError: an encoding, a rate or channels that are not taken, or a rate or channels beside a file.
    """
    if audio.encoding in RAW_ENCODINGS:
        return pcm_format(audio, where)
    check_file(audio, where, files)
    return FileForm(FILE_ENCODINGS.get(audio.encoding), audio.channel or None)


def audio_spec(form: PcmFormat) -> pb.AudioSpec:
    """The form of raw audio as a client would have given it."""
    code = next(code for code, encoding in RAW_ENCODINGS.items() if encoding is form.encoding)
    return pb.AudioSpec(
        encoding=code,
        sample_rate_hertz=form.rate_hz,
        channels=form.channels,
        channel=form.channel or 0,
    )


def pcm_format(audio: pb.AudioSpec, where: str) -> PcmFormat:
    """The form of raw audio, whose encoding is one of `RAW_ENCODINGS`.

    Raises:
        InvalidRequestError: a rate, a number of channels or a channel that is not taken.
    """
    encoding = RAW_ENCODINGS[audio.encoding]
    if not MIN_RATE_HZ <= audio.sample_rate_hertz <= MAX_RATE_HZ:
        raise InvalidRequestError(
            f"{where}.sample_rate_hertz",
            f"{audio.sample_rate_hertz} Hz is not taken; raw audio must have {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz",
        )
    if not 0 <= audio.channels <= MAX_CHANNELS:
        raise InvalidRequestError(f"{where}.channels", f"{audio.channels} are not taken; 1 to {MAX_CHANNELS} are")
    channels = audio.channels or 1
    if not 0 <= audio.channel <= channels:
        raise InvalidRequestError(
            f"{where}.channel", f"{audio.channel} is not there; 1 to {channels} are, 0: their mean"
        )
    return PcmFormat(encoding, audio.sample_rate_hertz, channels, audio.channel or None)


def check_file(audio: pb.AudioSpec, where: str, taken: Collection[pb.AudioEncoding]) -> None:
    """Let a file through that is of an encoding among `taken`, or whose first bytes tell.

    Raises:
        InvalidRequestError: it is not, or a rate or channels are given beside it.
    """
    is_told = audio.encoding != pb.AUDIO_ENCODING_UNSPECIFIED
    if audio.encoding not in taken and (is_told or audio.sample_rate_hertz or audio.channels):
        raise _not_taken(audio, where, taken)
    for name in ("sample_rate_hertz", "channels"):
        if getattr(audio, name):
            raise InvalidRequestError(f"{where}.{name}", f"{_encoding_name(audio)} carries its own; leave this unset")
    if not 0 <= audio.channel <= MAX_CHANNELS:
        raise InvalidRequestError(f"{where}.channel", f"{audio.channel} is not taken; 1 to {MAX_CHANNELS} are")


def command_rules(rules: Iterable[pb.CommandRule], model: ServedModel, where: str) -> tuple[CommandRule, ...]:
    """The keywords to report.

    Raises:
        InvalidRequestError: an unknown keyword (the message lists those there are), a repeated one, a bad value.
    """
    taken: list[CommandRule] = []
    keywords = model.scorer.labels.keywords
    for index, rule in enumerate(rules):
        here = f"{where}[{index}]"
        label = composed(rule.label)
        if label not in keywords:
            raise InvalidRequestError(
                f"{here}.label", f"{rule.label!r} is not a keyword of this model; it has: {', '.join(keywords)}"
            )
        if any(label == other.label for other in taken):
            raise InvalidRequestError(f"{here}.label", f"{rule.label!r} is named twice")
        threshold = rule.threshold if rule.HasField("threshold") else None
        refractory_ms = rule.refractory_ms if rule.HasField("refractory_ms") else None
        try:
            taken.append(CommandRule(label, threshold, refractory_ms))
        except SpeechTuneError as error:
            raise InvalidRequestError(here, str(error)) from error
    return tuple(taken)


def order(control: pb.Control, model: ServedModel) -> Order:
    """An order inside a stream of `model`.

    Raises:
        InvalidRequestError: it holds none, or commands that cannot be reported.
    """
    kind = control.WhichOneof("op")
    if kind == "flush":
        return Flush()
    if kind == "reset":
        return Reset()
    if kind == "update_commands":
        where = "control.update_commands.commands"
        return UpdateCommands(command_rules(control.update_commands.commands, model, where))
    raise InvalidRequestError("control", "holds no order known to this server; flush, update_commands, reset, end are")


def refuse_unknown_fields(message: Message, where: str) -> None:
    """Refuse what a newer client sends and this server does not know: ignoring it could change the meaning.

    Raises:
        InvalidRequestError: there is such a field, here or further in.
    """
    unknown = UnknownFieldSet(message)
    if len(unknown):
        raise InvalidRequestError(
            where or "request", f"field number {unknown[0].field_number} is not known to this server"
        )
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        inner = value if descriptor.is_repeated else [value]
        for index, item in enumerate(inner):
            suffix = f"[{index}]" if descriptor.is_repeated else ""
            refuse_unknown_fields(item, f"{where}.{descriptor.name}{suffix}" if where else descriptor.name + suffix)


def _settings(message: Message, defaults: Settings, where: str) -> Settings:
    """The model's settings with what the client set put in their place."""
    changes = {descriptor.name: value for descriptor, value in message.ListFields()}
    if "refractory_ms" in changes:
        changes["refractory_ms_of"] = None  # the client's, of all its commands, goes before the model's of some
    try:
        return type(defaults).model_validate({**defaults.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join([where, *(str(part) for part in first["loc"])])
        raise InvalidRequestError(name, f"{first['msg']} (got {first['input']!r})") from error


def _heartbeat_samples(events: pb.EventSelection) -> int | None:
    if not events.HasField("heartbeat_interval_ms"):
        return None
    if events.heartbeat_interval_ms not in _HEARTBEAT_MS:
        raise InvalidRequestError(
            "config.events.heartbeat_interval_ms",
            f"{events.heartbeat_interval_ms} is not within {_HEARTBEAT_MS[0]} and {_HEARTBEAT_MS[-1]}",
        )
    return events.heartbeat_interval_ms * SAMPLES_PER_MS


def _not_taken(audio: pb.AudioSpec, where: str, files: Iterable[pb.AudioEncoding]) -> InvalidRequestError:
    names = ", ".join(pb.AudioEncoding.Name(code) for code in [*RAW_ENCODINGS, *files])
    refusal = f"{_encoding_name(audio)} is not taken here; {names} are"
    if audio.encoding == pb.AUDIO_ENCODING_UNSPECIFIED:
        refusal = f"is not set, and files carry their own rate and channels; for raw audio say one of {names}"
    return InvalidRequestError(f"{where}.encoding", refusal)


def _encoding_name(audio: pb.AudioSpec) -> str:
    known = pb.AudioEncoding.values()
    return pb.AudioEncoding.Name(audio.encoding) if audio.encoding in known else f"encoding {int(audio.encoding)}"
