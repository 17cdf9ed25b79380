"""The application: the page, what it asks for, and the doors of the recogniser, behind the guard."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import speechtune.studio
from speechtune.errors import SpeechTuneError
from speechtune.studio.studio import Studio
from speechtune.studio.web.answers import speechtune_error, unexpected_error
from speechtune.studio.web.guard import Guard
from speechtune.studio.web.requests import Requests
from speechtune.studio.web.sockets import Sockets

PAGE_FOLDER = Path(speechtune.studio.__file__).parent / "page"


def studio_app(studio: Studio, token: str, host_names: Collection[str] | None = ()) -> ASGIApp:
    """The studio, which whoever serves it starts and stops, as an ASGI application.

    Args:
        studio: what is behind the page.
        token, host_names: as for `Guard`.
    """

    async def page(_: Request) -> Response:
        return FileResponse(PAGE_FOLDER / "index.html", headers={"cache-control": "no-cache"})

    requests, sockets = Requests(studio), Sockets(studio)
    app = Starlette(
        routes=[
            Route("/", page),
            Mount("/page", _PageFiles(directory=PAGE_FOLDER)),
            Mount("/api", routes=[*requests.routes, *sockets.routes]),
            *(() if studio.recogniser is None else studio.recogniser.routes),
        ],
        exception_handlers={SpeechTuneError: speechtune_error, Exception: unexpected_error},
    )
    return Guard(app, token, host_names)


class _PageFiles(StaticFiles):
    """The page's files, which a browser asks about again each time: another version may have been installed."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response
