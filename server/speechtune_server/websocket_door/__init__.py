"""The WebSocket door, for browsers and for whatever speaks JSON more easily than protobuf.

Owns: the route `/v1/stream` (`routes.websocket_routes`, which another Starlette application may mount), which pages and
host names are let in, close codes, and a server of its own on a port.
Does not own: messages (`wire`), conversations (`live`), statuses (`process`).
Imports: `starlette`, `uvicorn`, `websockets`, `speechtune`, `speechtune_server.live`, `speechtune_server.process`,
`speechtune_server.wire`.

To mount it elsewhere: `Starlette(routes=[*websocket_routes(service), Mount("/", pages)])`. `service` is the one of
`RecognitionServer`, or one made for the purpose; `calls` and `visitors` have defaults that ask for no key, and let in
what comes from the same host. Run it with `server.uvicorn_settings`, which bound what a client may send and hold.
"""
