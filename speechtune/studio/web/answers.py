"""What the page is answered when something goes wrong."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from speechtune.errors import ServiceError, SessionGrammarError

_log = logging.getLogger(__name__)


async def speechtune_error(_: Request, error: Exception) -> Response:
    """The sentence of an error that was raised on purpose."""
    status = 409 if isinstance(error, SessionGrammarError) else 503 if isinstance(error, ServiceError) else 400
    return JSONResponse({"error": str(error)}, status_code=status)


async def unexpected_error(request: Request, error: Exception) -> Response:
    """That it is our fault; what it is stands in the terminal."""
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the studio failed at this; its terminal says more"}, status_code=500)
