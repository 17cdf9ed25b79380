"""Every error has a status, and what goes over the wire is what google's own messages read."""

from __future__ import annotations

import inspect

import grpc
import pytest
from google.rpc import error_details_pb2 as google_details
from google.rpc import status_pb2

from speechtune import errors
from speechtune_client.errors import translated
from speechtune_client.v1 import error_details_pb2 as our_details
from speechtune_server.grpc_door.errors import DETAILS_KEY, answer_of
from speechtune_server.process.statuses import STATUS_TABLE, Status, refusal_of, status_of

ALL_ERRORS = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.SpeechTuneError)]
CLIENT_FAULTS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


def answer_to(error, request_id):
    return answer_of(refusal_of(error, request_id))


def example(cls):
    return cls("config.model", "is odd") if cls is errors.InvalidRequestError else cls("it is odd")


def test_every_status_is_one_of_grpcs():
    assert {status.name for status in Status} <= {code.name for code in grpc.StatusCode}


def test_every_error_class_stands_in_the_table():
    assert set(STATUS_TABLE) == set(ALL_ERRORS)


@pytest.mark.parametrize("cls", ALL_ERRORS)
def test_an_error_is_answered_with_its_status_and_readable_details(cls):
    error = example(cls)
    code, message, trailers = answer_to(error, "req-1")
    assert STATUS_TABLE[cls] is status_of(error)
    assert code is grpc.StatusCode[STATUS_TABLE[cls].name]
    status = status_pb2.Status.FromString(dict(trailers)[DETAILS_KEY])
    assert (status.code, status.message) == (code.value[0], message)
    info = google_details.RequestInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert info.request_id == "req-1"
    if code is grpc.StatusCode.INTERNAL:
        assert "odd" not in message
        assert len(status.details) == 1
    else:
        assert "odd" in message
    assert any(detail.Is(google_details.BadRequest.DESCRIPTOR) for detail in status.details) == (
        code is grpc.StatusCode.INVALID_ARGUMENT or cls is errors.SessionTooLongError
    )
    assert any(detail.Is(google_details.RetryInfo.DESCRIPTOR) for detail in status.details) == (
        cls in (errors.ServiceOverloadedError, errors.ServiceNotReadyError)
    )


def test_what_is_not_ours_is_internal_and_tells_nothing():
    code, message, _ = answer_to(KeyError("/home/somebody/secret"), "req-2")
    assert code is grpc.StatusCode.INTERNAL
    assert message == "internal error, request id req-2"


def test_a_class_added_below_a_known_one_takes_its_status():
    class NewError(errors.UnreadableAudioError):
        pass

    assert status_of(NewError("x")) is Status.INVALID_ARGUMENT


def test_a_long_message_still_fits_into_a_header():
    code, message, trailers = answer_to(errors.InvalidRequestError("commands[0].label", "ü" * 100_000), "req-3")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert 3 * len(message.encode()) + sum(len(value) for _, value in trailers) < 7_000


class Failed:
    """A failed call as grpc shows it."""

    def __init__(self, error):
        self._code, self._message, self._trailers = answer_to(error, "req-4")

    def code(self):
        return self._code

    def details(self):
        return self._message

    def trailing_metadata(self):
        return self._trailers


@pytest.mark.parametrize("cls", ALL_ERRORS)
def test_the_client_reads_the_same_details_without_googles_package(cls):
    failure = translated(Failed(example(cls)))
    assert failure.code == STATUS_TABLE[cls].name
    assert failure.request_id == "req-4"
    assert (failure.retry_after == 1.0) == (cls in (errors.ServiceOverloadedError, errors.ServiceNotReadyError))
    assert bool(failure.violations) == (failure.code == "INVALID_ARGUMENT" or cls is errors.SessionTooLongError)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (our_details.ErrorStatus, status_pb2.Status),
        (our_details.BadRequest.FieldViolation, google_details.BadRequest.FieldViolation),
        (our_details.BadRequest, google_details.BadRequest),
        (our_details.RetryInfo, google_details.RetryInfo),
        (our_details.RequestInfo, google_details.RequestInfo),
    ],
)
def test_our_copy_of_an_error_detail_has_googles_field_numbers_and_types(ours, theirs):
    google_fields = {field.number: field for field in theirs.DESCRIPTOR.fields}
    for field in ours.DESCRIPTOR.fields:
        google_field = google_fields[field.number]
        assert (field.name, field.type, field.is_repeated) == (
            google_field.name,
            google_field.type,
            google_field.is_repeated,
        )


@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"\x0a\x05hello", b"\x1a\x03\x0a\x01x"])
def test_a_trailer_that_is_no_status_is_survived(content):
    failed = Failed(errors.ServiceNotReadyError("later"))
    failed._trailers = ((DETAILS_KEY, content),)
    failure = translated(failed)
    assert (failure.code, failure.violations, failure.retry_after) == ("UNAVAILABLE", (), None)
