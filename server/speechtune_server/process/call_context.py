"""Which call is being worked on, wherever in its work: its request id and its client."""

from __future__ import annotations

import contextvars
import re
import secrets

REQUEST_ID_KEY = "x-request-id"

_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")
_client: contextvars.ContextVar[str] = contextvars.ContextVar("client", default="")


def current_request_id() -> str:
    """The id of the call that is being worked on; "-" outside of one."""
    return _request_id.get()


def current_client() -> str:
    """Whose call is being worked on: the name of a key, else an IP address."""
    return _client.get()


def address_client(host: str) -> str:
    """Who calls without a key: an IP address in gRPC's form, so that it is one client at every door."""
    return f"ipv6:%5B{host}%5D" if ":" in host else f"ipv4:{host}"


def begin_call(given_id: object) -> str:
    """Enter a call; gives its id: the one its client gave, if it is usable, else one of our own."""
    usable = isinstance(given_id, str) and _USABLE_ID.fullmatch(given_id)
    request_id = str(given_id) if usable else secrets.token_hex(8)
    _request_id.set(request_id)
    _client.set("")
    return request_id


def set_client(client: str) -> None:
    """Whose call it is."""
    _client.set(client)
