"""What the page asks for by plain requests. Each translates, and calls the studio in a thread where that may wait."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from speechtune.errors import ConfigError, ManifestError, ServiceNotReadyError, UnsupportedAudioError
from speechtune.evaluation.reports.page import REPORT_NAME
from speechtune.labels import BACKGROUND_NOISE, UNKNOWN, check_label
from speechtune.models.speech_ends import ActivitySpeechFinder
from speechtune.streaming.voice.activity import SileroActivity
from speechtune.studio.imports import import_file
from speechtune.studio.media import flac_of, spectrogram_of
from speechtune.studio.recording import verdict_message
from speechtune.studio.studio import Studio

_MOST_FILE_BYTES = 64 << 20
_MOST_BODY_BYTES = 1 << 20
_MOST_DRAWN = 2
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; frame-ancestors 'self'; sandbox"
)
"""The report is one file with its pictures and sounds inside, and without a script."""


class Requests:
    """The routes below `/api`."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        # A page asks for all its pictures at once; whatever else it asks for does not wait for them.
        self._drawing = ThreadPoolExecutor(_MOST_DRAWN, thread_name_prefix="speechtune-media")
        self.routes = [
            Route("/state", self.state),
            Route("/plan", self.plan, methods=["POST"]),
            Route("/sound", self.sound),
            Route("/picture", self.picture),
            Route("/import", self.imported, methods=["POST"]),
            Route("/takes/remove", self.remove, methods=["POST"]),
            Route("/takes/hold-back", self.hold_back, methods=["POST"]),
            Route("/aside/restore", self.restore, methods=["POST"]),
            Route("/aside/forget", self.forget, methods=["POST"]),
            Route("/train", self.train, methods=["POST"]),
            Route("/train/stop", self.stop_training, methods=["POST"]),
            Route("/report", self.report),
            Route("/thresholds", self.thresholds, methods=["POST"]),
            Route("/tried", self.tried, methods=["POST"]),
            Route("/tried/decide", self.decide, methods=["POST"]),
            Route("/rollout", self.roll_out, methods=["POST"]),
        ]

    async def state(self, _: Request) -> Response:
        """Everything there is."""
        return JSONResponse(await asyncio.to_thread(self._studio.state))

    async def plan(self, request: Request) -> Response:
        """Record something else from now on."""
        self._studio.change_plan(await _body(request))
        return JSONResponse({})

    async def sound(self, request: Request) -> Response:
        """A take's FLAC file."""
        return await self._media(request, lambda name: flac_of(self._samples(name)), "audio/flac")

    async def picture(self, request: Request) -> Response:
        """A take's spectrogram."""
        return await self._media(request, lambda name: spectrogram_of(self._samples(name)), "image/png")

    async def imported(self, request: Request) -> Response:
        """Put a file into the data folder, or set it aside."""
        label = request.query_params.get("label", "")
        if label not in (UNKNOWN, BACKGROUND_NOISE):
            label = check_label(label)
        name, content = request.query_params.get("name", "file"), await _bytes(request)
        verdict = await asyncio.to_thread(self._import, content, name, label)
        self._studio.changed("takes")
        return JSONResponse(verdict)

    def _import(self, content: bytes, name: str, label: str) -> dict[str, Any]:
        studio = self._studio
        finder = ActivitySpeechFinder(SileroActivity())
        ear = studio.comparison.ear(studio.takes, studio.plan.speaker or None)
        take, kept = import_file(content, name, label, studio.takes, studio.origin("file"), finder, ear)
        return {**verdict_message(take), "name": kept}

    async def remove(self, request: Request) -> Response:
        """Take one out of the data folder, and set it aside."""
        name = _text(await _body(request), "name")
        aside = await asyncio.to_thread(self._studio.takes.remove, name)
        self._studio.changed("takes")
        return JSONResponse({"aside": aside.id})

    async def hold_back(self, request: Request) -> Response:
        """Hold a take back for the test, or learn from it again."""
        content = await _body(request)
        await asyncio.to_thread(self._studio.takes.hold_back, _text(content, "name"), bool(content.get("is_test")))
        self._studio.changed("takes")
        return JSONResponse({})

    async def restore(self, request: Request) -> Response:
        """Put one that is set aside into the data folder."""
        name = await asyncio.to_thread(self._studio.takes.restore, _text(await _body(request), "id"))
        self._studio.changed("takes")
        return JSONResponse({"name": name})

    async def forget(self, request: Request) -> Response:
        """Delete one that is set aside."""
        await asyncio.to_thread(self._studio.takes.forget, _text(await _body(request), "id"))
        self._studio.changed("takes")
        return JSONResponse({})

    async def train(self, _: Request) -> Response:
        """Begin a training."""
        self._studio.begin_training()
        return JSONResponse({})

    async def stop_training(self, _: Request) -> Response:
        """Stop it."""
        await self._studio.stop_training()
        return JSONResponse({})

    async def report(self, _: Request) -> Response:
        """The report of the last evaluation."""
        path = self._studio.project.report / REPORT_NAME
        if not path.is_file():
            raise ManifestError("there is no report; hold takes back for the test, and train")
        headers = {"content-security-policy": _REPORT_POLICY, "cache-control": "no-store"}
        return FileResponse(path, headers=headers)

    async def thresholds(self, request: Request) -> Response:
        """Keep other thresholds."""
        content = await _body(request)
        if not content or not all(isinstance(level, int | float) and 0.0 <= level <= 1.0 for level in content.values()):
            raise ConfigError("thresholds: send a number from 0 to 1 for each command")
        await self._studio.set_thresholds({label: float(level) for label, level in content.items()})
        return JSONResponse({})

    async def tried(self, _: Request) -> Response:
        """Tell every page what was heard; it is on disk a moment after the page was told of it."""
        self._studio.changed("tried")
        return JSONResponse({})

    async def decide(self, request: Request) -> Response:
        """Make what was heard a clip, or delete it."""
        content = await _body(request)
        label = content.get("label")
        if label is not None and label != UNKNOWN:
            label = check_label(_text(content, "label"))
        await asyncio.to_thread(self._studio.decide, _text(content, "id"), label)
        return JSONResponse({})

    async def roll_out(self, _: Request) -> Response:
        """Have the server serve the model."""
        if self._studio.rollout is None:
            raise ServiceNotReadyError("no server was named; start the studio with --server HOST:PORT")
        return JSONResponse({"digest": await asyncio.to_thread(self._studio.rollout.roll_out)})

    def _samples(self, name: str) -> Any:
        recogniser = self._studio.recogniser
        if recogniser is not None and name in {one.id for one in recogniser.heard()}:
            return recogniser.samples(name)
        return self._studio.takes.samples(name)

    async def _media(self, request: Request, make: Callable[[str], bytes], media_type: str) -> Response:
        """A sound or a picture; its address holds the version, so that a browser may keep it."""
        name = request.query_params.get("name", "")
        content = await asyncio.get_running_loop().run_in_executor(self._drawing, make, name)
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        return Response(
            content, media_type=media_type, headers={"cache-control": "private, max-age=86400", "etag": tag}
        )


async def _body(request: Request) -> dict[str, Any]:
    content = await _bytes(request, _MOST_BODY_BYTES)
    try:
        body = json.loads(content)
    except ValueError as error:
        raise ConfigError(f"the request is no JSON ({error})") from error
    if not isinstance(body, dict):
        raise ConfigError("the request is no JSON object")
    return body


async def _bytes(request: Request, most: int = _MOST_FILE_BYTES) -> bytes:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise UnsupportedAudioError(f"more than {most >> 20} MiB are not taken; cut the recording into parts")
    return bytes(content)


def _text(content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str):
        raise ConfigError(f"the request has no {key}")
    return value
