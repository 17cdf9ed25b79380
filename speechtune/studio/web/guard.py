"""Who may speak to the studio: whoever knows the token of its address, from the studio's own page.

A page from elsewhere that is open in the same browser reaches this machine too. It does not know the token, its origin
is another one (CSRF), and a name that it has made lead here is none of ours (DNS rebinding).
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-studio-token"
TOKEN_PARAMETER = "token"
"""Of addresses that a browser opens by itself: sounds, pictures, web sockets."""

_OPEN = ("/", "/page/")
"""The page itself holds no secret; it takes the token out of its own address."""
_REFUSED = 4403
_CONTENT_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; object-src 'none'"
_HEADERS = {
    "content-security-policy": _CONTENT_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Lets nobody else through, and has every answer say what its page may do.

    Args:
        app: what is behind it.
        token: that a caller must know.
        host_names: names of this machine that an address may have; numbers and `localhost` always may. None: any name,
            where a certificate stands for it.
    """

    def __init__(self, app: ASGIApp, token: str, host_names: Collection[str] | None = ()) -> None:
        self._app = app
        self._token = token
        self._host_names = None if host_names is None else {name.lower() for name in host_names} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or web socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        reason = self._why_not(scope)
        if reason is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _REFUSED, "reason": reason})
        else:
            await JSONResponse({"error": reason}, status_code=403)(scope, receive, _with_headers(send))

    def _why_not(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return f"the address {host!r} is not one of this studio; open the one that its terminal shows"
        origin = headers.get("origin")
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        if origin is not None and origin.lower() != f"{scheme}://{host}".lower():
            return "another page may not speak to the studio"
        path: str = scope["path"]
        if path == _OPEN[0] or path.startswith(_OPEN[1]):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN_PARAMETER, [""])[0]
        given = headers.get(TOKEN_HEADER, query)
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return "the token of the address is missing or old; open the address that the terminal shows"
        return None

    def _is_ours(self, host: str) -> bool:
        if self._host_names is None:
            return bool(host)
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
        try:
            ipaddress.ip_address(name.strip("[]").partition("%")[0])
        except ValueError:
            return name.lower() in self._host_names
        return True


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            added = [(name.encode(), value.encode()) for name, value in _HEADERS.items() if name.encode() not in there]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending
