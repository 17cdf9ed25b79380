"""Where a stream that broke off goes on: its place, and how it listened there."""

from __future__ import annotations

from speechtune.audio.timebase import SAMPLES_PER_MS
from speechtune.errors import ConfigError, InvalidRequestError
from speechtune.streaming.listening_state import ListeningState, state_from_bytes
from speechtune_client.v1 import command_recognition_pb2 as pb

NS_PER_SAMPLE = 1_000_000 // SAMPLES_PER_MS
"""Exact: 62,500 ns at 16 kHz."""

_MAX_RESUME_SECONDS = 10 * 365 * 86_400
_NS_PER_SECOND = 1_000_000_000


def resume_ns(config: pb.StreamingConfig) -> int:
    """What is added to every offset, in nanoseconds."""
    offset = config.resume_offset
    if not (0 <= offset.seconds <= _MAX_RESUME_SECONDS and 0 <= offset.nanos < _NS_PER_SECOND):
        raise InvalidRequestError("config.resume_offset", "it must be a valid duration from 0 to ten years")
    return offset.seconds * _NS_PER_SECOND + offset.nanos


def resume_state(config: pb.StreamingConfig) -> ListeningState | None:
    """How the stream listened before it broke off; None: the client did not say."""
    if not config.resume_state:
        return None
    try:
        return state_from_bytes(config.resume_state, NS_PER_SAMPLE, resume_ns(config))
    except ConfigError as error:
        raise InvalidRequestError("config.resume_state", str(error)) from error
