"""Every error a call can end with, as one tree.

::

    ClientError                 anything below
    ├── InvalidRequestError       INVALID_ARGUMENT: `violations` names the fields
    ├── NotFoundError             NOT_FOUND: no such model
    ├── FailedPreconditionError   FAILED_PRECONDITION: a checkpoint that cannot be used
    ├── NotPermittedError         UNAUTHENTICATED, PERMISSION_DENIED
    ├── OverloadedError           RESOURCE_EXHAUSTED: a limit; `retry_after` is set where waiting helps
    ├── UnavailableError          UNAVAILABLE: not reachable, starting or draining
    ├── DeadlineError             DEADLINE_EXCEEDED: the time given was not enough
    ├── CancelledError            CANCELLED
    └── ServerFaultError          INTERNAL and all else: `request_id` is what to look for in the server's log
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from speechtune_client.v1 import error_details_pb2

_DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True)
class FieldViolation:
    """A field that was refused, by its path from the request's root, and why."""

    field: str
    description: str


class ClientError(Exception):
    """A call failed.

    Attributes:
        code: name of the gRPC status.
        message: what the server, or the connection, said.
        violations: the fields that were refused.
        retry_after: seconds to wait at least; None where waiting does not help.
        request_id: what to look for in the server's log; "" when the server never answered.
    """

    def __init__(
        self,
        code: str,
        message: str,
        violations: tuple[FieldViolation, ...] = (),
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.violations = violations
        self.retry_after = retry_after
        self.request_id = request_id


class InvalidRequestError(ClientError):
    """A field of the request, or the order of messages, is not taken."""


class NotFoundError(ClientError):
    """No such model."""


class FailedPreconditionError(ClientError):
    """A checkpoint that cannot be used."""


class NotPermittedError(ClientError):
    """The server does not know us, or does not let us."""


class OverloadedError(ClientError):
    """A limit is reached."""


class UnavailableError(ClientError):
    """Not reachable, starting or draining."""


class DeadlineError(ClientError):
    """The time given was not enough."""


class CancelledError(ClientError):
    """The call was cancelled."""


class ServerFaultError(ClientError):
    """The server failed."""


_PINGS = re.compile(r"too[ _]many[ _]pings", re.IGNORECASE)
_PINGS_HINT = (
    "; the server lets pings come as far apart as its limits.min_ping_interval, 10 s unless configured (server_info "
    "tells it): set grpc.keepalive_time_ms above that, or min_ping_interval_seconds of the server below it"
)

_CLASSES: dict[grpc.StatusCode, type[ClientError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.UNAUTHENTICATED: NotPermittedError,
    grpc.StatusCode.PERMISSION_DENIED: NotPermittedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.CANCELLED: CancelledError,
}


def translated(error: Any) -> ClientError:
    """Our error for one of grpc's (blocking or async: both have `code`, `details` and `trailing_metadata`)."""
    code: grpc.StatusCode = error.code()
    violations: tuple[FieldViolation, ...] = ()
    retry_after: float | None = None
    request_id = ""
    for detail in _details(error.trailing_metadata() or ()):
        if isinstance(detail, error_details_pb2.BadRequest):
            violations = tuple(FieldViolation(one.field, one.description) for one in detail.field_violations)
        elif isinstance(detail, error_details_pb2.RetryInfo):
            retry_after = detail.retry_delay.seconds + detail.retry_delay.nanos / 1e9
        elif isinstance(detail, error_details_pb2.RequestInfo):
            request_id = detail.request_id
    cls = _CLASSES.get(code, ServerFaultError)
    message = error.details() or "no message"
    if _PINGS.search(message):
        message += _PINGS_HINT
    return cls(code.name, message, violations, retry_after, request_id)


def _details(trailers: Iterable[tuple[str, str | bytes]]) -> list[Any]:
    """The details that we know, in the trailer of a failed call; a proxy's may hold anything."""
    content = dict(trailers).get(_DETAILS_KEY, b"")
    found: list[Any] = []
    try:
        status = error_details_pb2.ErrorStatus.FromString(content if isinstance(content, bytes) else b"")
        for packed in status.details:
            cls = getattr(error_details_pb2, packed.type_url.rpartition("google.rpc.")[2], None)
            if packed.type_url.startswith("type.googleapis.com/google.rpc.") and cls is not None:
                found.append(cls.FromString(packed.value))
    except DecodeError:
        return found
    return found
