"""What a client of gRPC is told when something fails: the status, and the details beside it.

A status goes out with the trailer `grpc-status-details-bin` (google.rpc.Status): BadRequest names the field, RetryInfo
says how long to wait, RequestInfo what to look for in the log.
"""

from __future__ import annotations

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from speechtune_server.process.statuses import Refusal

DETAILS_KEY = "grpc-status-details-bin"


def answer_of(refusal: Refusal) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Status, message and trailers of a refusal."""
    code = grpc.StatusCode[refusal.status.name]
    status = status_pb2.Status(code=code.value[0], message=refusal.message)
    for detail in _details(refusal):
        status.details.add().Pack(detail)
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id=refusal.request_id))
    return code, refusal.message, ((DETAILS_KEY, status.SerializeToString()),)


def _details(refusal: Refusal) -> list[Message]:
    if refusal.field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=refusal.field, description=refusal.description)
        return [error_details_pb2.BadRequest(field_violations=[violation])]
    if refusal.retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = refusal.retry_seconds
        return [retry]
    return []
