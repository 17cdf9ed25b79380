"""Round every call of ours: a request id, a key, requests parsed with an honest refusal, errors as statuses, metrics.

Unary and streaming calls alike: a request is read once its call is let in, so that who is not let in fills no memory.
Health and reflection pass through untouched.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import grpc
import grpc.aio

from speechtune.errors import SessionGrammarError
from speechtune_server.grpc_door.errors import answer_of
from speechtune_server.process.access import Scope
from speechtune_server.process.admission import Admission
from speechtune_server.process.call_context import REQUEST_ID_KEY, begin_call, current_client
from speechtune_server.process.calls import Calls
from speechtune_server.process.clock import within
from speechtune_server.process.statuses import Status
from speechtune_server.wire.parsing import has_fields, parsed

_OURS = "/speechtune.v1."
_ADMIN = "/speechtune.v1.ModelAdmin/"
_CLIP = "/speechtune.v1.CommandRecognition/Recognize"

_EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs lack it


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Gives every call an id (the client's `x-request-id` if it is usable), and turns what it raises into a status.

    Args:
        calls: decides who may call, and is told how calls ended.
        admission: gives a clip its place.
        max_body_seconds: within which a unary request must have come.
    """

    def __init__(self, calls: Calls, admission: Admission, max_body_seconds: float) -> None:
        self._calls = calls
        self._admission = admission
        self._max_body_seconds = max_body_seconds

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler of a call that is ours."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        # The interceptor parses the requests itself: what does not parse is the client's fault, grpc says INTERNAL.
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._stream_guard(handler.stream_stream, handler.request_deserializer, method),
                response_serializer=handler.response_serializer,
            )
        # To grpc a stream of one message, which is the same on the wire and comes when it is asked for.
        return grpc.stream_unary_rpc_method_handler(
            self._unary_guard(handler.unary_unary, handler.request_deserializer, method),
            response_serializer=handler.response_serializer,
        )

    def _unary_guard(self, behaviour: Any, parse: Callable[[bytes], Any], method: str) -> Any:
        is_empty, is_clip = not has_fields(parse), method == _CLIP

        async def guarded(_: object, context: Any) -> Any:
            async with self._guarding(context, method):
                requests = []  # emptied before the work begins: what fails must not keep its audio
                async with self._admission.body(current_client()) if is_clip else nullcontext():
                    requests.append(parsed(parse, b"" if is_empty else await _only(context, self._max_body_seconds)))
                # Not earlier: who sends nothing must not keep a place from who does.
                async with self._admission.clip(current_client()) if is_clip else nullcontext():
                    return await behaviour(requests.pop(), context)

        return guarded

    def _stream_guard(self, behaviour: Any, parse: Callable[[bytes], Any], method: str) -> Any:
        async def requests(context: Any) -> AsyncIterator[Any]:
            while (content := await context.read()) is not _EOF:
                yield parsed(parse, content)

        async def guarded(_: object, context: Any) -> None:
            async with self._guarding(context, method):
                await behaviour(requests(context), context)

        return guarded

    @asynccontextmanager
    async def _guarding(self, context: Any, method: str) -> AsyncIterator[None]:
        """Round the work of one call."""
        began = time.monotonic()
        metadata = context.invocation_metadata() or ()
        request_id = begin_call(dict(metadata).get(REQUEST_ID_KEY, ""))
        with self._calls.tracing.call(method, metadata, request_id):
            try:
                await context.send_initial_metadata(((REQUEST_ID_KEY, request_id),))
                self._admit(context, method)
                yield
            except asyncio.CancelledError:
                self._calls.ended(method, Status.CANCELLED, began)
                raise
            except Exception as error:
                await self._refuse(error, context, method, began)
            else:
                self._calls.ended(method, Status.OK, began)

    def _admit(self, context: Any, method: str) -> None:
        authorization = dict(context.invocation_metadata() or ()).get("authorization", "")
        scope = Scope.ADMIN if method.startswith(_ADMIN) else Scope.RECOGNISE
        # "ipv4:192.0.2.7:4711" without the port, which is another for every connection.
        address = context.peer().rpartition(":")[0]
        self._calls.admit(authorization if isinstance(authorization, str) else "", scope, address)

    async def _refuse(self, error: Exception, context: Any, method: str, began: float) -> None:
        """End the call with the status of `error`; raises, as `abort` does."""
        if isinstance(error, grpc.aio.InternalError):
            # grpc could not write: the call ended in this moment, which is no fault and nobody is there to be told.
            self._calls.ended(method, Status.CANCELLED, began)
            raise asyncio.CancelledError from error
        if isinstance(error, grpc.aio.BaseError):
            raise error
        code, message, trailers = answer_of(self._calls.failed(error, method, began))
        _forget_frames(error)
        await context.abort(code, message, trailers)


def _forget_frames(error: BaseException | None) -> None:
    """Let go of what the failed call held, up to megabytes of audio.

    grpc keeps what `abort` raises in the call's own state, a circle that Python finds only when it next looks for some.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


async def _only(context: Any, max_seconds: float) -> bytes:
    """The request of a unary call. grpc's own iterator would hold it until the call is forgotten."""
    try:
        content = await within(max_seconds, context.read())
    except TimeoutError as error:
        raise SessionGrammarError(f"the request did not come within {max_seconds:g} s; send it faster") from error
    if content is _EOF:
        raise SessionGrammarError("the call ended before its request")
    return bytes(content)
