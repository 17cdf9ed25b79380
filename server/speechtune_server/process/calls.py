"""Every call through every door: who makes it, whether they may, and how it ended in metrics, traces and the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from speechtune_server.process.access import Access, Scope
from speechtune_server.process.call_context import begin_call, current_request_id, set_client
from speechtune_server.process.clock import MonotonicClock
from speechtune_server.process.metrics import Metrics, NoMetrics
from speechtune_server.process.statuses import Refusal, Status, refusal_of
from speechtune_server.process.tracing import NoTracing

_log = logging.getLogger(__name__)


class ClientGoneError(Exception):
    """The client has gone: nobody is there to be told anything, and nothing of its call may go on."""


@dataclass(frozen=True)
class Calls:
    """What stands round every call.

    Attributes:
        access: decides who may call.
        metrics: is told how calls ended.
        tracing: makes a span of every call.
    """

    access: Access
    metrics: Metrics
    tracing: NoTracing

    @staticmethod
    def open() -> Calls:
        """Calls that need no key, and that nobody counts."""
        return Calls(Access(None, False, MonotonicClock()), NoMetrics(), NoTracing())

    def admit(self, authorization: str, scope: Scope, address: str) -> None:
        """Let the call through that is being worked on; its client is the name of a key, else `address`.

        Raises:
            NotAuthenticatedError, NotPermittedError, ServiceOverloadedError: as `Access.admit`.
        """
        key = self.access.admit(authorization, scope)
        set_client(key if key is not None else address)

    def ended(self, method: str, status: Status, began: float, reason: str = "", message: str = "") -> None:
        """The call that began at `began`, by `time.monotonic`, has ended.

        Args:
            method: path of what was called.
            status: how it ended.
            began: when it began.
            reason: class of the error that ended it; "": none did.
            message: what its client was told of that.
        """
        self.metrics.call_ended(method, status, reason)
        self.tracing.status(status)
        fields = {"method": method, "status": str(status), "seconds": round(time.monotonic() - began, 4)}
        name = method.rpartition("/")[2]
        _log.info("%s ended with %s%s", name, status, f": {message}" if message else "", extra=fields)

    def failed(self, error: Exception, method: str, began: float) -> Refusal:
        """A call ended with `error`; gives what its client is told."""
        refusal = refusal_of(error, current_request_id())
        if refusal.status is Status.INTERNAL:
            _log.error("%s failed, request id %s", method, refusal.request_id, exc_info=error)
        self.ended(method, refusal.status, began, type(error).__name__, refusal.message)
        return refusal

    async def held(
        self,
        system: str,
        method: str,
        work: Callable[[], Awaitable[None]],
        given_id: str = "",
        metadata: Iterable[tuple[str, Any]] = (),
    ) -> Refusal | None:
        """Do the work of one call, whose request id is `given_id` where that is usable.

        Args:
            system: the door, as traces name it.
            method: path of what is called.
            work: all of it; may raise ClientGoneError.
            given_id: request id that the client gave; "": none.
            metadata: headers of the call, among which the client's trace is looked for.

        Returns:
            What its client is to be told; None: nothing failed, or the client has gone.
        """
        began, request_id = time.monotonic(), begin_call(given_id)
        with self.tracing.call(method, metadata, request_id, system):
            try:
                await work()
            except (asyncio.CancelledError, ClientGoneError) as gone:
                self.ended(method, Status.CANCELLED, began)
                if isinstance(gone, ClientGoneError):
                    return None
                raise
            except Exception as error:
                return self.failed(error, method, began)
            self.ended(method, Status.OK, began)
            return None
