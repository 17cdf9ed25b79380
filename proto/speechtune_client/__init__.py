"""Talking to a speechtune server from any device: the generated contract, a blocking and an async client.

Owns: the wire's generated code (`v1`), `CommandClient`, `AsyncCommandClient`, their events and errors.
Does not own: audio capture, files, anything of the server.
Imports: grpcio and protobuf, nothing else; neither numpy nor torch nor `speechtune`.
"""

from speechtune_client.async_client import AsyncCommandClient
from speechtune_client.client import CommandClient
from speechtune_client.connection import Tls
from speechtune_client.errors import ClientError
from speechtune_client.events import (
    Detection,
    Disconnected,
    Ended,
    Heartbeat,
    Interim,
    Microphone,
    Recognition,
    Rejected,
    Resumed,
    SpeechActivity,
    Started,
    StreamEvent,
    as_json,
)
from speechtune_client.settings import CommandRule, DetectorSettings, Endpointing, Flush, Reset, UpdateCommands

__all__ = [
    "AsyncCommandClient",
    "ClientError",
    "CommandClient",
    "CommandRule",
    "Detection",
    "DetectorSettings",
    "Disconnected",
    "Ended",
    "Endpointing",
    "Flush",
    "Heartbeat",
    "Interim",
    "Microphone",
    "Recognition",
    "Rejected",
    "Reset",
    "Resumed",
    "SpeechActivity",
    "Started",
    "StreamEvent",
    "Tls",
    "UpdateCommands",
    "as_json",
]
