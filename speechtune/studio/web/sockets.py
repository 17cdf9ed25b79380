"""What goes both ways while it lasts: changes of the state, and a recording."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from speechtune.errors import ConfigError, ServiceOverloadedError, SpeechTuneError
from speechtune.labels import BACKGROUND_NOISE, UNKNOWN, check_label
from speechtune.models.speech_ends import ActivitySpeechFinder
from speechtune.record.driver import RecordingOutcome
from speechtune.record.ports import Choice
from speechtune.record.prompts import RecordingPlan
from speechtune.streaming.voice.activity import SileroActivity
from speechtune.studio.recording import Message, PageMicrophone, PageOperator, prompts_of, record_with_page
from speechtune.studio.studio import Studio

_SECONDS_BETWEEN = 0.05
"""Changes are told no more often than this."""
_MOST_RECORDINGS = 4
_GOING_AWAY = 1001
_MIN_RATE_HZ, _MAX_RATE_HZ = 8_000, 384_000


class Sockets:
    """The web sockets below `/api`."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._num_recordings = 0
        # They wait for people, and nothing else may wait for them.
        self._recordings = ThreadPoolExecutor(_MOST_RECORDINGS, thread_name_prefix="speechtune-recording")
        self.routes = [WebSocketRoute("/events", self.events), WebSocketRoute("/record", self.record)]

    async def events(self, socket: WebSocket) -> None:
        """Tell the page everything, and then whatever changes, until it goes."""
        await socket.accept()
        gone = asyncio.create_task(_until_gone(socket))
        try:
            with self._studio.watched() as watcher:
                while not gone.done():
                    waiting = asyncio.create_task(watcher.topics())
                    await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
                    if not waiting.done():
                        waiting.cancel()
                        break
                    if not waiting.result():
                        break
                    await self._tell_state(socket, waiting.result())
                    await asyncio.sleep(_SECONDS_BETWEEN)
        finally:
            gone.cancel()
        with suppress(WebSocketDisconnect, RuntimeError):  # it has gone by itself
            await socket.close(_GOING_AWAY)

    async def _tell_state(self, socket: WebSocket, topics: set[str]) -> None:
        try:
            state = await asyncio.to_thread(self._studio.state, topics)
        except SpeechTuneError as error:
            state = {"error": str(error)}
        with suppress(WebSocketDisconnect, RuntimeError):  # it went meanwhile, which the other task sees
            await socket.send_json(state)

    async def record(self, socket: WebSocket) -> None:
        """Record with the page as microphone and operator, until it has had enough."""
        await socket.accept()
        try:
            opening = _opening(await socket.receive_text())
            if self._num_recordings >= _MOST_RECORDINGS:
                raise ServiceOverloadedError("several recordings are going on already; end one of them")
            self._num_recordings += 1
            try:
                await self._record(socket, opening)
            finally:
                self._num_recordings -= 1
        except SpeechTuneError as error:
            await _close(socket, {"event": "error", "message": str(error)})
        except WebSocketDisconnect:
            return

    async def _record(self, socket: WebSocket, opening: Message) -> None:
        studio = self._studio
        plan = studio.plan
        recording = plan.recording or RecordingPlan((), 1, 0, 1)
        prompts = prompts_of(recording, studio.takes, plan.speaker or None, opening["label"])
        outgoing: asyncio.Queue[Message] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(message: Message) -> None:
            loop.call_soon_threadsafe(outgoing.put_nowait, message)
            if message["event"] in ("verdict", "kept"):
                studio.changed("takes")

        microphone = PageMicrophone(opening["rate"])
        operator = PageOperator(tell, studio.takes, studio.origin(opening["device"]))

        def run() -> RecordingOutcome:
            ear = studio.comparison.ear(studio.takes, plan.speaker or None)
            return record_with_page(prompts, microphone, operator, ActivitySpeechFinder(SileroActivity()), ear)

        running = loop.run_in_executor(self._recordings, run)
        pumping = asyncio.create_task(_pump(socket, microphone, operator))
        telling = asyncio.create_task(_send_all(socket, outgoing))
        try:
            await asyncio.wait(_both(running, pumping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Whoever ends first, the thread must not wait for the page for ever.
            microphone.close()
            operator.close()
            pumping.cancel()
            await asyncio.wait(_both(running, pumping))
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        studio.changed("takes")
        outcome = running.result()
        if not pumping.cancelled():
            pumping.result()  # what the page sent may have been no sound
        while not outgoing.empty():
            await _send(socket, outgoing.get_nowait())
        await _close(socket, {"event": "done", "kept": outcome.num_kept, "complete": outcome.is_complete})


def _both(one: asyncio.Future[Any], other: asyncio.Future[Any]) -> set[asyncio.Future[Any]]:
    return {one, other}


async def _until_gone(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()


async def _pump(socket: WebSocket, microphone: PageMicrophone, operator: PageOperator) -> None:
    """Give what the page sends to whom it is for, until the page goes."""
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        content = message.get("bytes")
        if content is not None:
            if len(content) % 4:
                raise ConfigError("sound: send whole float32 values")
            samples = np.frombuffer(content, dtype="<f4").astype(np.float32)
            microphone.feed(np.nan_to_num(np.clip(samples, -16.0, 16.0)))
            continue
        order = _json(message.get("text") or "")
        if order.get("lost"):
            microphone.lost()
        if (choice := order.get("choice")) is not None:
            operator.choose(_choice(choice))


async def _send_all(socket: WebSocket, outgoing: asyncio.Queue[Message]) -> None:
    while True:
        await _send(socket, await outgoing.get())


async def _send(socket: WebSocket, message: Message) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # it went meanwhile, which the pump sees
        await socket.send_json(message)


async def _close(socket: WebSocket, last: Message) -> None:
    await _send(socket, last)
    with suppress(WebSocketDisconnect, RuntimeError):
        await socket.close()


def _opening(text: str) -> Message:
    """What the page begins a recording with.

    Raises:
        ConfigError: it is not that.
    """
    content = _json(text)
    rate, label, device = content.get("rate"), content.get("label"), content.get("device")
    if not isinstance(rate, int) or not _MIN_RATE_HZ <= rate <= _MAX_RATE_HZ:
        raise ConfigError(f"rate: send the sound card's, {_MIN_RATE_HZ} to {_MAX_RATE_HZ} Hz")
    if label is not None and not isinstance(label, str):
        raise ConfigError("label: send the one to record, or none for all that is missing")
    if label not in (None, UNKNOWN, BACKGROUND_NOISE):
        label = check_label(label)
    name = device[:120] if isinstance(device, str) and device else None
    return {"rate": rate, "label": label, "device": name}


def _choice(text: Any) -> Choice:
    try:
        return Choice(text)
    except ValueError as error:
        raise ConfigError(f"choice {text!r}: there is none of that name") from error


def _json(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"the message is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError("the message is no JSON object")
    return content
