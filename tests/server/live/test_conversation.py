"""Conversations without gRPC: a door that is only a list of what a client sends and is told."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.errors import (
    InvalidRequestError,
    ModelUnavailableError,
    ServiceNotReadyError,
    ServiceOverloadedError,
    SessionGrammarError,
    SessionTooLongError,
    UnreadableAudioError,
)
from speechtune.recipe import EndpointingSettings
from speechtune.streaming.config import CommandRule, Scorer
from speechtune.streaming.events import Detection, Interim, Rejected, SpeechEnded, SpeechStarted
from speechtune_server.decoding.forms import FileEncoding
from speechtune_server.engine.dispatch import Dispatch
from speechtune_server.engine.model_library import ModelLibrary
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.engine.runner import Runner
from speechtune_server.hits.files import read_hits
from speechtune_server.hits.keeper import HitKeeper
from speechtune_server.live.clip import ClipRequest, recognize_clip
from speechtune_server.live.conversation import Conversation
from speechtune_server.live.inbox import EndReason
from speechtune_server.live.messages import (
    ConversationRequest,
    FileForm,
    FindModel,
    Flush,
    Heartbeat,
    Order,
    Outgoing,
    Started,
    StreamEnded,
    UpdateCommands,
    WantedEvents,
)
from speechtune_server.live.service import Engine, Service
from speechtune_server.process.admission import Admission, ServiceState
from speechtune_server.process.clock import MonotonicClock
from speechtune_server.process.metrics import NoMetrics
from tests.support.files import in_form
from tests.support.serving import COMMANDS, COMMANDS_CONTENT, DIGEST, ObedientScorer, asynchronous, config_of, until
from tests.support.streaming import LINEAR16, LoudnessActivity, PitchScorer, linear16, quiet, tone

Part = bytes | Order | asyncio.Event


class CountedMetrics(NoMetrics):
    """Remembers the kinds of events that it is told of."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def event_sent(self, model: str, event: object, latency_seconds: float | None) -> None:
        self.kinds.append(type(event).__name__)


class Door:
    """A client that sends these parts, waits where there is an event among them, and notes what it is told."""

    def __init__(self, parts: Iterable[Part] = (COMMANDS_CONTENT,), model: str = "", **asked: object) -> None:
        self.begun: Started | None = None
        self.told: list[Outgoing] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._parts, self._model = parts, model
        self._asked: dict[str, object] = {"audio": LINEAR16, **asked}

    async def request(self, find_model: FindModel) -> ConversationRequest:
        return ConversationRequest(find_model(self._model), **self._asked)  # type: ignore[arg-type]

    async def audio_and_orders(self, model: ServedModel) -> AsyncIterator[bytes | Order]:
        for part in self._parts:
            if isinstance(part, asyncio.Event):
                await part.wait()
            else:
                yield part

    async def started(self, started: Started) -> None:
        self.begun = started

    async def send(self, outgoing: Outgoing) -> None:
        await self.reads.wait()
        self.told.append(outgoing)

    def events(self, *kinds: type) -> list[object]:
        return [one.event for one in self.told if isinstance(one.event, kinds)]

    @property
    def labels(self) -> list[str]:
        return [one.event.label for one in self.told if isinstance(one.event, Detection)]

    @property
    def end(self) -> StreamEnded:
        (end,) = (one.event for one in self.told if isinstance(one.event, StreamEnded))
        return end


@asynccontextmanager
async def service_of(
    scorer: Scorer | None = None, hits: HitKeeper | None = None, **settings: object
) -> AsyncIterator[Service]:
    """A service of one model "home" that takes calls; no port is open."""
    config, served = config_of(**settings), scorer or PitchScorer()

    def load(name: str, folder: Path) -> ServedModel:
        return ServedModel(name, DIGEST, served)

    admission = Admission(config.stream_limit, config.max_clips, config.streams_per_client, config.clips_per_client)
    clock, activity_runner, scoring = MonotonicClock(), Runner(1, "voice-activity"), Runner(1, "scoring")
    service = Service(config, admission, clock, CountedMetrics(), hits)
    library = ModelLibrary(load, config.models, config.default_model_name, None, 10.0)
    await library.load_all()
    activity = LoudnessActivity()
    dispatch = Dispatch(activity_runner, scoring, activity, 32, 0.004, clock, config.max_compute_seconds)
    service.engine = Engine(library, dispatch)
    admission.state = ServiceState.SERVING
    try:
        yield service
    finally:
        await dispatch.close()
        await asyncio.gather(library.close(1.0), activity_runner.close(1.0), scoring.close(1.0))


async def held(service: Service, door: Door, client: str = "ipv4:192.0.2.7") -> Door:
    await Conversation(service, door, client).hold()
    return door


@asynchronous
async def test_a_conversation_finds_the_commands_and_says_what_it_took() -> None:
    async with service_of() as service:
        door = await held(service, Door(commands=(CommandRule("low", 0.4), CommandRule("high", None)), origin_ns=7))
        assert door.labels == ["low", "high"]
        assert door.begun is not None
        assert [(rule.label, rule.threshold) for rule in door.begun.rules] == [("low", 0.4), ("high", 0.5)]
        assert (door.begun.settings.audio, door.begun.request.origin_ns) == (LINEAR16, 7)
        assert len(door.begun.request.session_id) == 32
        assert (door.end.reason, door.end.statistics.num_detections) == (EndReason.CLIENT_FINISHED, 2)
        assert door.told[-1].samples_processed == len(COMMANDS)
        assert (service.admission.num_calls, service.admission.running) == (0, ())


@asynchronous
async def test_only_wanted_events_are_told_and_metrics_count_all() -> None:
    async with service_of() as service:
        door = await held(service, Door())
        assert not door.events(Rejected, Interim, SpeechStarted, SpeechEnded, Heartbeat)
        assert "Rejected" in service.metrics.kinds  # type: ignore[attr-defined]
        wanted = WantedEvents(True, True, True, heartbeat_samples=1_600, listening_states=True)
        door = await held(service, Door(wanted=wanted))
        for kind in (Rejected, Interim, SpeechStarted, SpeechEnded, Heartbeat):
            assert door.events(kind), kind


@asynchronous
async def test_orders_are_followed_where_they_stand() -> None:
    spoken = linear16(np.concatenate([quiet(9_000), tone(250, 6_000)]))
    parts: list[Part] = [spoken, Flush(), UpdateCommands((CommandRule("high"),)), COMMANDS_CONTENT]
    async with service_of() as service:
        door = await held(service, Door(parts))
    assert door.labels == ["low", "high"]


@pytest.mark.parametrize("encoding", [FileEncoding.WAV, FileEncoding.FLAC, FileEncoding.OGG_OPUS])
@asynchronous
async def test_a_file_is_heard_like_its_samples(encoding: FileEncoding) -> None:
    content = in_form(str(encoding), COMMANDS)
    async with service_of() as service:
        door = await held(service, Door([content[:30], content[30:]], audio=FileForm(encoding)))
        assert door.labels == ["low", "high"]
        with pytest.raises(InvalidRequestError, match="2 is not there; 1 to 1 are"):
            await held(service, Door([content], audio=FileForm(encoding, channel=2)))
        result = await recognize_clip(service, ClipRequest(service.loaded.store.default, FileForm(encoding), content))
    assert [one.label for one in result.detections] == ["low", "high"]


@asynchronous
async def test_a_clip_finds_what_a_conversation_finds() -> None:
    async with service_of() as service:
        door = await held(service, Door())
        result = await recognize_clip(service, ClipRequest(service.loaded.store.default, LINEAR16, COMMANDS_CONTENT))
        assert list(result.detections) == door.events(Detection)
        with pytest.raises(SessionTooLongError, match="60 s are the limit"):
            await recognize_clip(service, ClipRequest(service.loaded.store.default, LINEAR16, bytes(2 * 16_000 * 61)))


@pytest.mark.parametrize("state", [ServiceState.STARTING, ServiceState.DRAINING])
@asynchronous
async def test_who_comes_before_or_after_the_service_is_not_let_in(state: ServiceState) -> None:
    async with service_of() as service:
        service.admission.state = state
        with pytest.raises(ServiceNotReadyError, match=state.value):
            await held(service, Door())


@asynchronous
async def test_one_stream_too_many_is_not_let_in_and_gets_in_once_another_has_ended() -> None:
    async with service_of(max_streams=1) as service:
        more = asyncio.Event()
        first = Door([COMMANDS_CONTENT, more])
        task = asyncio.create_task(held(service, first))
        await until(lambda: "high" in first.labels)
        with pytest.raises(ServiceOverloadedError, match="limit"):
            await held(service, Door())
        more.set()
        await task
        assert (await held(service, Door())).labels == ["low", "high"]


@asynchronous
async def test_who_says_nothing_gives_way_in_good_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechtune_server.process.admission._SILENT_SECONDS", 0.05)
    async with service_of(max_streams=1) as service:
        silent = Door([COMMANDS_CONTENT, asyncio.Event()])
        task = asyncio.create_task(held(service, silent))
        await until(lambda: "high" in silent.labels)
        await asyncio.sleep(0.1)
        assert (await held(service, Door())).labels == ["low", "high"]
        await task
        assert silent.end.reason is EndReason.IDLE


@asynchronous
async def test_who_does_not_begin_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Door):
        async def request(self, find_model: FindModel) -> ConversationRequest:
            await asyncio.sleep(20)
            return await super().request(find_model)

    monkeypatch.setattr("speechtune_server.live.conversation._CONFIG_SECONDS", 0.05)
    async with service_of() as service:
        with pytest.raises(SessionGrammarError, match="did not begin within"):
            await held(service, Slow())
        assert service.admission.num_calls == 0


@asynchronous
async def test_a_stream_that_is_idle_or_old_ends_after_it_was_answered() -> None:
    async with service_of(max_idle_seconds=0.1) as service:
        door = await held(service, Door([COMMANDS_CONTENT, asyncio.Event()]))
        assert (door.labels, door.end.reason) == (["low", "high"], EndReason.IDLE)
    async with service_of(max_stream_seconds=2.0) as service:
        door = await held(service, Door([COMMANDS_CONTENT, asyncio.Event()]))
        assert (door.end.reason, door.told[-1].samples_processed) == (EndReason.MAX_DURATION, 32_000)
        (warning,) = (one for one in door.events(Heartbeat) if isinstance(one, Heartbeat))
        assert warning.reason is EndReason.MAX_DURATION


@asynchronous
async def test_an_idle_client_that_reads_nothing_keeps_no_place() -> None:
    async with service_of(max_idle_seconds=0.1, max_compute_seconds=0.1) as service:
        deaf = Door([COMMANDS_CONTENT, asyncio.Event()])
        deaf.reads.clear()
        with pytest.raises(ServiceOverloadedError, match="its events are not read"):
            await held(service, deaf)
        assert service.admission.num_calls == 0


@asynchronous
async def test_a_drain_warns_takes_no_more_and_answers_what_came() -> None:
    async with service_of() as service:
        door = Door([COMMANDS_CONTENT, asyncio.Event()])
        task = asyncio.create_task(held(service, door))
        await until(lambda: "high" in door.labels)
        service.admission.state = ServiceState.DRAINING
        (stream,) = service.admission.running
        stream.warn(1.5)
        await until(lambda: bool(door.events(Heartbeat)))
        stream.drain()
        await task
    (warning,) = (one for one in door.events(Heartbeat) if isinstance(one, Heartbeat))
    assert (warning.ends_within_seconds, warning.reason) == (1.5, EndReason.DRAINING)
    assert (door.end.reason, door.end.statistics.num_detections) == (EndReason.DRAINING, 2)


@asynchronous
async def test_limits_of_size_and_speed_are_kept() -> None:
    async with service_of(max_content_bytes=2_000, max_in_flight_seconds=1.0) as service:
        with pytest.raises(SessionTooLongError, match="2001 bytes, 2000 are the limit"):
            await held(service, Door([bytes(2_001)]))
        with pytest.raises(ServiceOverloadedError, match="not yet processed"):
            await held(service, Door([bytes(2_000)] * 100))
        with pytest.raises(SessionTooLongError, match="2001 bytes, 2000 are the limit"):
            await recognize_clip(service, ClipRequest(service.loaded.store.default, LINEAR16, bytes(2_001)))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"session_id": "x" * 65}, "config.session_id"),
        ({"session_id": "ö"}, "config.session_id"),
        ({"endpointing": EndpointingSettings(preroll_ms=3_000, hangover_ms=3_000)}, "config.endpointing"),
    ],
)
@asynchronous
async def test_what_asks_for_too_much_is_refused_by_its_field(asked: dict[str, object], field: str) -> None:
    async with service_of() as service:
        with pytest.raises(InvalidRequestError) as refused:
            await held(service, Door(**asked))  # type: ignore[arg-type]
    assert refused.value.field == field


@asynchronous
async def test_a_model_that_is_not_there_and_one_that_fails_end_only_their_own_conversation() -> None:
    scorer = ObedientScorer()
    async with service_of(scorer) as service:
        with pytest.raises(ModelUnavailableError, match="garden"):
            await held(service, Door(model="garden"))
        scorer.fails = True
        with pytest.raises(ArithmeticError):
            await held(service, Door())
        scorer.fails = False
        assert (await held(service, Door())).labels == ["low", "high"]
        assert service.admission.num_calls == 0


@asynchronous
async def test_a_model_that_hangs_ends_the_conversation() -> None:
    scorer = ObedientScorer()
    async with service_of(scorer, max_compute_seconds=0.1) as service:
        scorer.may_go.clear()
        with pytest.raises(ServiceNotReadyError, match="did not answer within"):
            await held(service, Door())
        scorer.may_go.set()


@asynchronous
async def test_bytes_that_are_no_audio_end_it_after_what_came_before_is_told() -> None:
    spoken = np.concatenate([quiet(9_000), tone(250, 6_000), quiet(12_000)])
    async with service_of() as service:
        door = Door([spoken.astype("<f4").tobytes(), b"\1\2"], audio=PcmFormat(PcmEncoding.FLOAT32, 16_000))
        with pytest.raises(UnreadableAudioError, match="inside a value"):
            await held(service, door)
    assert door.labels == ["low"]


@pytest.mark.parametrize(("client", "key"), [("kitchen", "kitchen"), ("ipv4:192.0.2.7", "")])
@asynchronous
async def test_hits_are_kept_with_the_audio_that_was_heard(tmp_path: Path, client: str, key: str) -> None:
    kept: list[tuple[str, str, np.ndarray]] = []

    def write(folder: Path, hit: object, samples: np.ndarray) -> int:
        kept.append((hit.label, hit.key, samples))  # type: ignore[attr-defined]
        return 1

    keeper = HitKeeper(tmp_path, 1 << 20, 86_400.0, write)
    async with service_of(hits=keeper) as service:
        await held(service, Door(), client)
    assert keeper.close()
    assert [(label, of) for label, of, _ in kept] == [("low", key), ("high", key)]
    heard = np.round(COMMANDS * 32767).astype(np.float32) / np.float32(32768)
    for _, _, samples in kept:
        assert _is_part_of(samples, heard)
    assert not list(read_hits(tmp_path))


def _is_part_of(samples: np.ndarray, whole: np.ndarray) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(whole, len(samples))
    return bool((windows == samples).all(axis=1).any())


@asynchronous
async def test_a_client_that_goes_leaves_nothing_behind() -> None:
    async with service_of() as service:
        door = Door([COMMANDS_CONTENT, asyncio.Event()])
        task = asyncio.create_task(held(service, door))
        await until(lambda: "high" in door.labels)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (service.admission.num_calls, service.admission.running) == (0, ())


def _another_form() -> dict[str, tuple[FileEncoding, bytes]]:
    wav = in_form("WAV", COMMANDS)
    big = io.BytesIO()
    soundfile.write(big, COMMANDS, 16_000, format="WAV", subtype="PCM_16", endian="BIG")
    return {
        "big-endian WAV": (FileEncoding.WAV, big.getvalue()),
        "WAV at 4 kHz": (FileEncoding.WAV, in_form("WAV", COMMANDS, 4_000)),
        "WAV of 20 bits": (FileEncoding.WAV, wav[:34] + struct.pack("<H", 20) + wav[36:]),
        "WAV of a format nobody knows": (FileEncoding.WAV, wav[:20] + struct.pack("<H", 0x55) + wav[22:]),
        "WAV that is cut off": (FileEncoding.WAV, wav[:20]),
        "WAV that is a phone's file": (FileEncoding.WAV, b"\0\0\0\x20ftypM4A " + bytes(200)),
        "Opus that is a browser's file": (FileEncoding.OGG_OPUS, b"\x1a\x45\xdf\xa3" + bytes(200)),
        "Opus that is text": (FileEncoding.OGG_OPUS, b"no audio at all"),
        "FLAC at 192 kHz": (FileEncoding.FLAC, in_form("FLAC", COMMANDS, 192_000)),
        "nothing": (FileEncoding.FLAC, b""),
    }


@pytest.mark.parametrize("name", _another_form())
@asynchronous
async def test_a_file_is_taken_whole_and_in_a_stream_or_refused_with_the_same_sentence(name: str) -> None:
    encoding, content = _another_form()[name]
    outcomes: list[object] = []
    async with service_of() as service:
        try:
            request = ClipRequest(service.loaded.store.default, FileForm(encoding), content)
            outcomes.append([one.label for one in (await recognize_clip(service, request)).detections])
        except InvalidRequestError as error:
            outcomes.append(error.reason)
        for step in (7, len(content) or 1):
            chunks = [content[start : start + step] for start in range(0, len(content), step)]
            try:
                outcomes.append((await held(service, Door(chunks, audio=FileForm(encoding)))).labels)
            except InvalidRequestError as error:
                outcomes.append(error.reason)
    assert outcomes[0] == outcomes[1] == outcomes[2]
