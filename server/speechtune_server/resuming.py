"""Where a stream that broke off goes on: its session, its place, and how it listened there."""

from __future__ import annotations

import secrets

from speechtune.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MS
from speechtune.errors import ConfigError, InvalidRequestError
from speechtune.streaming.listening_state import ListeningState, state_from_bytes
from speechtune_client.v1 import command_recognition_pb2 as pb

NS_PER_SAMPLE = 1_000_000 // SAMPLES_PER_MS
"""Exact: 62,500 ns at 16 kHz."""

_MAX_SESSION_ID = 64
_MAX_RESUME_SECONDS = 10 * 365 * 86_400
_NS_PER_SECOND = 1_000_000_000
_MAX_STATE_SAMPLES = 600 * SAMPLE_RATE_HZ


def session_id(given: str) -> str:
    """The name that the client gave its session, or a new one."""
    if not given:
        return secrets.token_hex(16)
    if len(given) > _MAX_SESSION_ID or not given.isascii() or not given.isprintable():
        raise InvalidRequestError("config.session_id", f"use at most {_MAX_SESSION_ID} printable ASCII characters")
    return given


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
        state = state_from_bytes(config.resume_state, NS_PER_SAMPLE, resume_ns(config))
    except ConfigError as error:
        raise InvalidRequestError("config.resume_state", str(error)) from error
    if state is not None and state.sample > _MAX_STATE_SAMPLES:
        raise InvalidRequestError("config.resume_state", "its place lies minutes after resume_offset: begin nearer")
    return state
