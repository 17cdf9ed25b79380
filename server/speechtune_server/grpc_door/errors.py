"""What a client is told when something fails: one table, and the details beside the status.

A status goes out with the trailer `grpc-status-details-bin` (google.rpc.Status): BadRequest names the field, RetryInfo
says how long to wait, RequestInfo what to look for in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from speechtune import errors
from speechtune.errors import SpeechTuneError

DETAILS_KEY = "grpc-status-details-bin"
RETRY_AFTER_SECONDS = 1

# A header block has room for 8 KiB in all; a model may have more keywords than fit.
_MAX_TEXT_BYTES = 1_024

_Code = grpc.StatusCode

STATUS_TABLE: Mapping[type[SpeechTuneError], grpc.StatusCode] = MappingProxyType(
    {
        errors.SpeechTuneError: _Code.INTERNAL,
        errors.ConfigError: _Code.INVALID_ARGUMENT,
        errors.AudioError: _Code.INVALID_ARGUMENT,
        errors.UnreadableAudioError: _Code.INVALID_ARGUMENT,
        errors.UnsupportedAudioError: _Code.INVALID_ARGUMENT,
        # No request carries a data set: these would be a fault of ours.
        errors.DataError: _Code.INTERNAL,
        errors.ManifestError: _Code.INTERNAL,
        errors.UnsplittableError: _Code.INTERNAL,
        errors.UnknownLabelError: _Code.INVALID_ARGUMENT,
        errors.ModelError: _Code.FAILED_PRECONDITION,
        errors.UnknownEncoderError: _Code.FAILED_PRECONDITION,
        errors.EncoderUnavailableError: _Code.FAILED_PRECONDITION,
        errors.CheckpointNotFoundError: _Code.NOT_FOUND,
        errors.CheckpointCorruptError: _Code.FAILED_PRECONDITION,
        errors.HubUnavailableError: _Code.FAILED_PRECONDITION,
        errors.CheckpointIncompatibleError: _Code.FAILED_PRECONDITION,
        errors.TrainingDivergedError: _Code.INTERNAL,
        errors.SessionError: _Code.INVALID_ARGUMENT,
        errors.SessionGrammarError: _Code.INVALID_ARGUMENT,
        errors.SessionTooLongError: _Code.RESOURCE_EXHAUSTED,
        errors.ServiceError: _Code.INTERNAL,
        errors.InvalidRequestError: _Code.INVALID_ARGUMENT,
        errors.ServiceOverloadedError: _Code.RESOURCE_EXHAUSTED,
        errors.ServiceNotReadyError: _Code.UNAVAILABLE,
        errors.ModelUnavailableError: _Code.NOT_FOUND,
        errors.NotAuthenticatedError: _Code.UNAUTHENTICATED,
        errors.NotPermittedError: _Code.PERMISSION_DENIED,
        errors.AddressInUseError: _Code.INTERNAL,
    }
)
"""The status of every class of `speechtune.errors`; a test sees to it that none is missing."""


def status_of(error: BaseException) -> grpc.StatusCode:
    """The status that `error` is answered with; what is not ours is INTERNAL."""
    for cls in type(error).__mro__:
        if cls in STATUS_TABLE:
            return STATUS_TABLE[cls]
    return grpc.StatusCode.INTERNAL


def answer_to(error: BaseException, request_id: str) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Status, message and trailers for `error`. INTERNAL tells the request id and nothing else."""
    code = status_of(error)
    internal = code is grpc.StatusCode.INTERNAL
    message = f"internal error, request id {request_id}" if internal else _shortened(str(error))
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in [] if internal else _details(error, code):
        status.details.add().Pack(detail)
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
    return code, message, ((DETAILS_KEY, status.SerializeToString()),)


def _details(error: BaseException, code: grpc.StatusCode) -> list[Message]:
    if code is grpc.StatusCode.INVALID_ARGUMENT or isinstance(error, errors.SessionTooLongError):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_field_of(error), description=_shortened(getattr(error, "reason", str(error)))
        )
        return [error_details_pb2.BadRequest(field_violations=[violation])]
    if isinstance(error, errors.ServiceOverloadedError | errors.ServiceNotReadyError):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = RETRY_AFTER_SECONDS
        return [retry]
    return []


def _field_of(error: BaseException) -> str:
    if isinstance(error, errors.InvalidRequestError):
        return error.field
    return "payload" if isinstance(error, errors.SessionGrammarError) else "content"


def _shortened(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _MAX_TEXT_BYTES:
        return text
    return encoded[:_MAX_TEXT_BYTES].decode(errors="ignore") + "…"
