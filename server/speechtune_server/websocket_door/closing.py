"""How a stream that fails is told of: one message of text, and a close code.

    {"error": {"code": "INVALID_ARGUMENT", "message": "config.audio: …", "details": [
      {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "…", "description": "…"}]},
      {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "…"}]}}

The details are those of gRPC, in the JSON of protobuf.
"""

from __future__ import annotations

import json
from typing import Any

from speechtune_server.process.statuses import Refusal, Status

DONE, GOING_AWAY, TOO_BIG, AGAIN_LATER = 1000, 1012, 1009, 1013

_CODES = {
    Status.INVALID_ARGUMENT: 1007,
    Status.NOT_FOUND: 1008,
    Status.FAILED_PRECONDITION: 1008,
    Status.UNAUTHENTICATED: 1008,
    Status.PERMISSION_DENIED: 1008,
    Status.RESOURCE_EXHAUSTED: AGAIN_LATER,
    Status.UNAVAILABLE: GOING_AWAY,
}
_INTERNAL = 1011
_TYPE = "type.googleapis.com/google.rpc."


def close_code(refusal: Refusal) -> int:
    """The code that the connection is closed with, after the message."""
    return TOO_BIG if refusal.is_too_large else _CODES.get(refusal.status, _INTERNAL)


def error_text(refusal: Refusal) -> str:
    """The last message of a stream that failed."""
    details: list[dict[str, Any]] = []
    if refusal.field is not None:
        violation = {"field": refusal.field, "description": refusal.description}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if refusal.retry_seconds is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{refusal.retry_seconds}s"})
    details.append({"@type": f"{_TYPE}RequestInfo", "requestId": refusal.request_id})
    error = {"code": refusal.status.value, "message": refusal.message, "details": details}
    return json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False)
