"""How a call ends, in words that every door translates: one table of statuses, and what a client is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from speechtune import errors
from speechtune.errors import SpeechTuneError

RETRY_AFTER_SECONDS = 1

# A header block of HTTP/2 has room for 8 KiB in all; a model may have more keywords than fit.
_MAX_TEXT_BYTES = 1_024


class Status(StrEnum):
    """How a call ended; the names are those of google.rpc.Code."""

    OK = "OK"
    CANCELLED = "CANCELLED"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    UNAUTHENTICATED = "UNAUTHENTICATED"


STATUS_TABLE: Mapping[type[SpeechTuneError], Status] = MappingProxyType(
    {
        errors.SpeechTuneError: Status.INTERNAL,
        errors.ConfigError: Status.INVALID_ARGUMENT,
        errors.MissingExtraError: Status.FAILED_PRECONDITION,
        errors.AudioError: Status.INVALID_ARGUMENT,
        errors.UnreadableAudioError: Status.INVALID_ARGUMENT,
        errors.UnsupportedAudioError: Status.INVALID_ARGUMENT,
        # No request carries a data set: these would be a fault of ours.
        errors.DataError: Status.INTERNAL,
        errors.ManifestError: Status.INTERNAL,
        errors.UnsplittableError: Status.INTERNAL,
        errors.UnknownLabelError: Status.INVALID_ARGUMENT,
        errors.ModelError: Status.FAILED_PRECONDITION,
        errors.UnknownEncoderError: Status.FAILED_PRECONDITION,
        errors.EncoderUnavailableError: Status.FAILED_PRECONDITION,
        errors.CheckpointNotFoundError: Status.NOT_FOUND,
        errors.CheckpointCorruptError: Status.FAILED_PRECONDITION,
        errors.HubUnavailableError: Status.FAILED_PRECONDITION,
        errors.CheckpointIncompatibleError: Status.FAILED_PRECONDITION,
        errors.TrainingDivergedError: Status.INTERNAL,
        errors.SessionError: Status.INVALID_ARGUMENT,
        errors.SessionGrammarError: Status.INVALID_ARGUMENT,
        errors.SessionTooLongError: Status.RESOURCE_EXHAUSTED,
        errors.ServiceError: Status.INTERNAL,
        errors.InvalidRequestError: Status.INVALID_ARGUMENT,
        errors.ServiceOverloadedError: Status.RESOURCE_EXHAUSTED,
        errors.ServiceNotReadyError: Status.UNAVAILABLE,
        errors.ModelUnavailableError: Status.NOT_FOUND,
        errors.NotAuthenticatedError: Status.UNAUTHENTICATED,
        errors.NotPermittedError: Status.PERMISSION_DENIED,
        errors.AddressInUseError: Status.INTERNAL,
    }
)
"""The status of every class of `speechtune.errors`; a test sees to it that none is missing."""


@dataclass(frozen=True)
class Refusal:
    """What a client is told of a failure.

    Attributes:
        status: of the call.
        message: one sentence; of INTERNAL it tells the request id and nothing else.
        request_id: what to look for in the log.
        field: the path of what was refused, from the request's root; None: it is not about a field.
        description: what is wrong with the field; "" where there is none.
        retry_seconds: how long to wait at least; None: waiting does not help.
        is_too_large: whether something is larger or longer than the server takes.
    """

    status: Status
    message: str
    request_id: str
    field: str | None = None
    description: str = ""
    retry_seconds: int | None = None
    is_too_large: bool = False


def status_of(error: BaseException) -> Status:
    """The status that `error` is answered with; what is not ours is INTERNAL."""
    for cls in type(error).__mro__:
        if cls in STATUS_TABLE:
            return STATUS_TABLE[cls]
    return Status.INTERNAL


def refusal_of(error: BaseException, request_id: str) -> Refusal:
    """What a client is told of `error`."""
    status = status_of(error)
    if status is Status.INTERNAL:
        return Refusal(status, f"internal error, request id {request_id}", request_id)
    message, is_too_large = _shortened(str(error)), isinstance(error, errors.SessionTooLongError)
    if status is Status.INVALID_ARGUMENT or is_too_large:
        description = _shortened(getattr(error, "reason", str(error)))
        return Refusal(status, message, request_id, _field_of(error), description, is_too_large=is_too_large)
    may_retry = isinstance(error, errors.ServiceOverloadedError | errors.ServiceNotReadyError)
    return Refusal(status, message, request_id, retry_seconds=RETRY_AFTER_SECONDS if may_retry else None)


def _field_of(error: BaseException) -> str:
    if isinstance(error, errors.InvalidRequestError):
        return error.field
    return "payload" if isinstance(error, errors.SessionGrammarError) else "content"


def _shortened(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _MAX_TEXT_BYTES:
        return text
    return encoded[:_MAX_TEXT_BYTES].decode(errors="ignore") + "…"
