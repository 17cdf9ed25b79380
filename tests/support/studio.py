"""A studio behind Starlette's test client: its page's requests and web sockets without a browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.types import ASGIApp, Receive, Scope, Send

from speechtune.recipe import Recipe
from speechtune.studio.comparison import Comparison
from speechtune.studio.ports import Rollout
from speechtune.studio.project import Project, open_project
from speechtune.studio.studio import Studio, TrainingMaterial
from speechtune.studio.takes import Takes
from speechtune.studio.web.app import studio_app

TOKEN = "the-token-of-the-address"
ORIGIN = "http://127.0.0.1:8770"
_PATIENCE_SECONDS = 400.0


class _Started:
    """Starts and stops the studio with the test client."""

    def __init__(self, app: ASGIApp, studio: Studio) -> None:
        self._app, self._studio = app, studio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        await self._studio.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._studio.stop()
        await send({"type": "lifespan.shutdown.complete"})


class Page:
    """What the page does, in Python."""

    def __init__(self, client: TestClient, studio: Studio) -> None:
        self.client, self.studio = client, studio

    def post(self, path: str, content: object = None, status: int = 200) -> dict[str, Any]:
        """Ask for something; fails where the answer has another status."""
        answer = self.client.post(f"/api/{path}", content=json.dumps({} if content is None else content))
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def drop(self, label: str, content: bytes, name: str = "a.flac", status: int = 200) -> dict[str, Any]:
        """Import a file."""
        answer = self.client.post("/api/import", params={"label": label, "name": name}, content=content)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def state(self) -> dict[str, Any]:
        """Everything there is."""
        found: dict[str, Any] = self.client.get("/api/state").json()
        return found

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the state is so."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not condition(state := self.state()):
            assert time.monotonic() < end, state
            time.sleep(0.05)
        return state

    def socket(self, path: str, **options: Any) -> Any:
        """A web socket, as the page opens it."""
        address = f"{ORIGIN.replace('http', 'ws')}{path}?token={TOKEN}"
        return self.client.websocket_connect(address, headers={"origin": ORIGIN}, **options)

    @contextmanager
    def recording(self, label: str | None = None, rate: int = 16_000) -> Iterator[RecordingSocket]:
        """A recording that has begun."""
        with self.socket("/api/record") as socket:
            socket.send_text(json.dumps({"rate": rate, "label": label, "device": "test microphone"}))
            yield RecordingSocket(socket)


class RecordingSocket:
    """The page's side of a recording."""

    def __init__(self, socket: WebSocketTestSession) -> None:
        self.socket = socket

    def next(self, *events: str) -> dict[str, Any]:
        """The next message of one of these kinds; levels are passed over."""
        while (message := json.loads(self.socket.receive_text()))["event"] == "level":
            pass
        assert message["event"] in events, message
        found: dict[str, Any] = message
        return found

    def choose(self, choice: str) -> None:
        """Answer."""
        self.socket.send_text(json.dumps({"choice": choice}))

    def hear(self, samples: NDArray[np.float32], block: int = 1_024) -> None:
        """Speak into the microphone."""
        for start in range(0, len(samples), block):
            self.socket.send_bytes(samples[start : start + block].astype("<f4").tobytes())


@contextmanager
def opened_page(
    folder: Path,
    recipe: Recipe | None = None,
    rollout: Rollout | None = None,
    recogniser: Callable[[Project], Any] | None = None,
) -> Iterator[Page]:
    """A studio in `folder`, and its page; takes are not compared."""
    project = open_project(folder)
    made = None if recogniser is None else recogniser(project)
    takes = Takes(project.clips, project.aside)
    studio = Studio(project, takes, Comparison(None), TrainingMaterial(recipe or Recipe()), made, rollout)
    if made is not None:
        made.changed = lambda: studio.changed("model")
    app = _Started(studio_app(studio, TOKEN, ["studio.local"]), studio)
    with TestClient(app, base_url=ORIGIN, headers={"x-studio-token": TOKEN, "origin": ORIGIN}) as client:
        yield Page(client, studio)
