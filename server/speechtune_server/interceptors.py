"""Round every call of ours: a request id, a key, requests parsed with an honest refusal, errors as statuses, metrics.

Unary and streaming calls alike. Health and reflection pass through untouched.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from speechtune.errors import InvalidRequestError
from speechtune_server.access import Access, Scope
from speechtune_server.errors import answer_to
from speechtune_server.metrics import Metrics

REQUEST_ID_KEY = "x-request-id"

_OURS = "/speechtune.v1."
_ADMIN = "/speechtune.v1.ModelAdmin/"
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger(__name__)
_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
_client: contextvars.ContextVar[str] = contextvars.ContextVar("client", default="")


def current_request_id() -> str:
    """The id of the call that is being worked on; "-" outside of one."""
    return _request_id.get()


def current_client() -> str:
    """Whose call is being worked on: the name of a key, else an IP address."""
    return _client.get()


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Gives every call an id (the client's `x-request-id` if it is usable), and turns what it raises into a status.

    Args:
        access: decides who may call.
        metrics: is told how calls ended.
    """

    def __init__(self, access: Access, metrics: Metrics) -> None:
        self._access = access
        self._metrics = metrics

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
        return grpc.unary_unary_rpc_method_handler(
            self._unary_guard(handler.unary_unary, handler.request_deserializer, method),
            response_serializer=handler.response_serializer,
        )

    def _unary_guard(self, behaviour: Any, parse: Callable[[bytes], Any], method: str) -> Any:
        async def guarded(content: bytes, context: Any) -> Any:
            await _begin(context)
            try:
                self._admit(context, method)
                answer = await behaviour(_parsed(parse, content), context)
            except Exception as error:
                return await self._refuse(error, context, method)
            self._metrics.call_ended(method, "OK")
            return answer

        return guarded

    def _stream_guard(self, behaviour: Any, parse: Callable[[bytes], Any], method: str) -> Any:
        async def requests(contents: AsyncIterator[bytes]) -> AsyncIterator[Any]:
            async for content in contents:
                yield _parsed(parse, content)

        async def guarded(contents: AsyncIterator[bytes], context: Any) -> None:
            await _begin(context)
            try:
                self._admit(context, method)
                await behaviour(requests(contents), context)
            except asyncio.CancelledError:
                self._metrics.call_ended(method, "CANCELLED")
                raise
            except Exception as error:
                await self._refuse(error, context, method)
            else:
                self._metrics.call_ended(method, "OK")

        return guarded

    def _admit(self, context: Any, method: str) -> None:
        authorization = dict(context.invocation_metadata() or ()).get("authorization", "")
        scope = Scope.ADMIN if method.startswith(_ADMIN) else Scope.RECOGNISE
        key = self._access.admit(authorization if isinstance(authorization, str) else "", scope)
        # "ipv4:192.0.2.7:4711" without the port, which is another for every connection.
        _client.set(key if key is not None else context.peer().rpartition(":")[0])

    async def _refuse(self, error: Exception, context: Any, method: str) -> None:
        """End the call with the status of `error`; raises, as `abort` does."""
        if isinstance(error, grpc.aio.BaseError):
            raise error
        code, message, trailers = answer_to(error, current_request_id())
        self._metrics.call_ended(method, code.name, type(error).__name__)
        said = {"method": method, "status": code.name, "request_id": current_request_id()}
        if code is grpc.StatusCode.INTERNAL:
            _log.error("%s failed, request id %s", method, current_request_id(), exc_info=error, extra=said)
        else:
            _log.info(
                "%s refused with %s, request id %s: %s", method, code.name, current_request_id(), message, extra=said
            )
        await context.abort(code, message, trailers)


async def _begin(context: Any) -> None:
    given = dict(context.invocation_metadata() or ()).get(REQUEST_ID_KEY, "")
    request_id = given if isinstance(given, str) and _USABLE_ID.fullmatch(given) else secrets.token_hex(8)
    _request_id.set(request_id)
    await context.send_initial_metadata(((REQUEST_ID_KEY, request_id),))


def _parsed(parse: Callable[[bytes], Any], content: bytes) -> Any:
    try:
        return parse(content)
    except DecodeError as error:
        raise InvalidRequestError("request", "it is not a message of this method") from error
