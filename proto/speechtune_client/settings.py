"""What a call can be told: names, ranges and meaning as in `command_recognition.proto`; None: the server decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypedDict


@dataclass(frozen=True)
class CommandRule:
    """A keyword to report, with its own threshold (0 to 1) and refractory time; 0 reports it each time it is heard."""

    label: str
    threshold: float | None = None
    refractory_ms: int | None = None


@dataclass(frozen=True)
class DetectorSettings:
    """How scored windows become detections."""

    hop_ms: int | None = None
    smoothing_windows: int | None = None
    refractory_ms: int | None = None
    threshold: float | None = None
    long_speech_caution: float | None = None


@dataclass(frozen=True)
class Endpointing:
    """When speech is taken to have begun and ended."""

    onset_probability: float | None = None
    offset_probability: float | None = None
    min_speech_ms: int | None = None
    hangover_ms: int | None = None
    preroll_ms: int | None = None
    max_speech_ms: int | None = None
    burst_db: float | None = None
    burst_probability: float | None = None


@dataclass(frozen=True)
class Flush:
    """An order among the audio: decide now on all before it, as if it ended there, then go on."""


@dataclass(frozen=True)
class Reset:
    """An order among the audio: forget what was heard before it."""


@dataclass(frozen=True)
class UpdateCommands:
    """An order among the audio: from here on report these keywords, as words or rules; none: all of the model's."""

    commands: tuple[str | CommandRule, ...] = ()


Order: TypeAlias = Flush | Reset | UpdateCommands


class StreamSettings(TypedDict, total=False):
    """The keywords of `stream`.

    Attributes:
        encoding: "LINEAR16" (the default), "FLOAT32" (both little-endian), "MULAW" or "ALAW"; channels interleaved. Or
            "WAV", "FLAC" or "OGG_OPUS", which carry rate and channels themselves; the last two must be sent no faster
            than they last, for only raw audio and WAV are held back until the server has heard what came before.
        sample_rate_hertz: of raw audio; 16,000 unless said otherwise.
        channels: of raw audio; 1 unless said otherwise.
        channel: the one to listen to, from 1; unset: their mean.
        model: "" is the server's default, "name" one by name, "name@digest" that very checkpoint.
        commands: keywords to report, as words or rules; none: all of the model's.
        detector, endpointing: in place of the model's own settings.
        interims, rejections, speech_activity: whether these events are wanted.
        heartbeat_interval_ms: a heartbeat after so much processed audio, 100 to 60,000.
        session_id: repeated in every event; "": the server makes one.
        resume_offset: seconds, added to every offset.
        listening_states: whether heartbeats bring a `listening_state`, which `listen` asks for by itself.
        resume_state: the last of these from a stream that broke: go on from its place as that one would have.
    """

    encoding: str
    sample_rate_hertz: int
    channels: int
    channel: int
    model: str
    commands: Iterable[str | CommandRule]
    detector: DetectorSettings
    endpointing: Endpointing
    interims: bool
    rejections: bool
    speech_activity: bool
    heartbeat_interval_ms: int | None
    session_id: str
    resume_offset: float
    listening_states: bool
    resume_state: bytes
