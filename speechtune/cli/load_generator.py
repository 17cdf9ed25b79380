"""Many devices at once, for `speechtune loadtest`: prepared audio at the pace it is spoken, and what came back when.

Loss is exact: however audio is cut and whatever company it has, a server must detect the same, so that every stream is
compared with the same audio streamed once, alone, before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import read_audio
from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms
from speechtune.errors import ConfigError
from speechtune.ordinary_files import odd_kind
from speechtune_client.v1 import command_recognition_pb2 as pb

_METHOD = "/speechtune.v1.CommandRecognition/StreamingRecognize"
_QUIET_SHARE = 0.02  # of a clip's loudest frame: below is not speech
_FRAME = samples_from_ms(10)
_STREAMS_PER_CONNECTION = 20


@dataclass(frozen=True)
class Timeline:
    """Prepared audio: one serialised request per chunk, and the ids of what a stream of it alone detects."""

    requests: tuple[bytes, ...]
    chunk_seconds: float
    expected: frozenset[str] = frozenset()

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.requests) * self.chunk_seconds


@dataclass
class LoadResult:
    """What all streams together saw. Latencies are in seconds.

    Attributes:
        detection_latencies: from sending the last audio a detection needed to having it, at the client.
        server_latencies: the same by the server's own account.
        interim_latencies: as `detection_latencies`, for interims.
        lost, extra: detections that were not made, or made beside, compared with the same audio alone.
        errors: statuses of streams that failed, counted.
        largest_delay: how far the generator itself fell behind; above a chunk's length the figures are its own.
    """

    detection_latencies: list[float] = field(default_factory=list)
    server_latencies: list[float] = field(default_factory=list)
    interim_latencies: list[float] = field(default_factory=list)
    num_detections: int = 0
    lost: int = 0
    extra: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    largest_delay: float = 0.0


def mixed_speech(
    clips: Sequence[NDArray[np.float32]], seconds: float, duty: float, noise_db: float | None, seed: int
) -> NDArray[np.float32]:
    """float32[N]: clips in random order, quiet margins cut off, with pauses so that `duty` of the time is speech."""
    random = np.random.default_rng(seed)
    samples = np.zeros(int(seconds * SAMPLE_RATE_HZ), dtype=np.float32)
    position = int(random.uniform(0.2, 1.0) * SAMPLE_RATE_HZ)
    while clips and duty > 0.0:
        clip = clips[int(random.integers(len(clips)))]
        if position + len(clip) > len(samples):
            break
        samples[position : position + len(clip)] = clip
        pause = len(clip) * (1.0 - duty) / duty * random.uniform(0.5, 1.5)
        position += len(clip) + int(pause)
    if noise_db is not None:
        samples += (10 ** (noise_db / 20) * random.standard_normal(len(samples))).astype(np.float32)
    return samples


def read_clips(places: Sequence[Path], limit: int, seed: int) -> list[NDArray[np.float32]]:
    """Speech out of files and folders, drawn at random, margins cut off.

    Raises:
        ConfigError: there is no audio.
    """
    from speechtune.audio.files import SUFFIXES

    files = [path for place in places for path in ([place] if place.is_file() else sorted(place.rglob("*")))]
    files = [path for path in files if path.suffix.lower() in SUFFIXES and odd_kind(path) is None]
    if not files:
        raise ConfigError(f"loadtest: no audio in {', '.join(map(str, places))}")
    order = np.random.default_rng(seed).permutation(len(files))[:limit]
    trimmed = [_trimmed(read_audio(files[index])) for index in order]
    return [clip for clip in trimmed if len(clip)]


def timeline_of(samples: NDArray[np.float32], chunk_ms: int) -> Timeline:
    """Audio as requests, LINEAR16 at 16 kHz."""
    pcm = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")
    step = samples_from_ms(chunk_ms)
    requests = [
        pb.StreamingRecognizeRequest(audio=pb.AudioChunk(content=pcm[start : start + step].tobytes()))
        for start in range(0, len(pcm), step)
    ]
    return Timeline(tuple(request.SerializeToString() for request in requests), chunk_ms / 1000)


async def detections_alone(address: str, timeline: Timeline, model: str) -> frozenset[str]:
    """Ids of the detections in a timeline that is streamed alone, no faster than the server listens."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = _call(channel)
        await call.write(_config(model, interims=False, heartbeats=True))
        found: set[str] = set()
        ahead = asyncio.Semaphore(100)

        async def send() -> None:
            for request in timeline.requests:
                await ahead.acquire()
                await call.write(request)
            await call.done_writing()

        sending = asyncio.create_task(send())
        heard = 0
        try:
            async for content in call:
                response = pb.StreamingRecognizeResponse.FromString(content)
                if response.HasField("detection"):
                    found.add(response.detection.event_id)
                processed = int(_seconds(response.audio_processed) / timeline.chunk_seconds)
                for _ in range(processed - heard):
                    ahead.release()
                heard = max(heard, processed)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return frozenset(found)


async def run_load(
    address: str, timelines: Sequence[Timeline], num_streams: int, *, model: str = "", interims: bool = False
) -> LoadResult:
    """Play `timelines` in turn on `num_streams` streams at once, at real time, begun evenly over two seconds."""
    result = LoadResult()
    num_channels = -(-num_streams // _STREAMS_PER_CONNECTION)
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(num_channels)]
    begin = time.monotonic() + 0.5
    try:
        await asyncio.gather(
            *(
                _device(
                    channels[index % num_channels],
                    timelines[index % len(timelines)],
                    begin + 2.0 * index / num_streams,
                    result,
                    _config(model, interims, heartbeats=False),
                )
                for index in range(num_streams)
            )
        )
    finally:
        await asyncio.gather(*(channel.close(None) for channel in channels))
    return result


async def _device(
    channel: grpc.aio.Channel, timeline: Timeline, begin: float, result: LoadResult, config: bytes
) -> None:
    call = _call(channel)
    sent: list[float] = []
    found: set[str] = set()
    reading = asyncio.create_task(_read(call, timeline, sent, found, result))
    try:
        await call.write(config)
        for index, request in enumerate(timeline.requests):
            due = begin + (index + 1) * timeline.chunk_seconds
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            now = time.monotonic()
            result.largest_delay = max(result.largest_delay, now - due)
            sent.append(now)
            await call.write(request)
        await call.done_writing()
        await reading
    except (grpc.RpcError, asyncio.InvalidStateError) as error:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        code = (await call.code()).name if not isinstance(error, grpc.RpcError) else error.code().name
        result.errors[code] = result.errors.get(code, 0) + 1
    result.num_detections += len(found)
    result.lost += len(timeline.expected - found)
    result.extra += len(found - timeline.expected)


async def _read(call: Any, timeline: Timeline, sent: list[float], found: set[str], result: LoadResult) -> None:
    async for content in call:
        response = pb.StreamingRecognizeResponse.FromString(content)
        now = time.monotonic()
        if response.HasField("detection"):
            found.add(response.detection.event_id)
            needed = _seconds(response.detection.decision_offset)
            result.detection_latencies.append(now - _sent_at(timeline, sent, needed))
            result.server_latencies.append(_seconds(response.processing_latency))
        elif response.HasField("interim"):
            result.interim_latencies.append(now - _sent_at(timeline, sent, _seconds(response.interim.end_offset)))


def _call(channel: grpc.aio.Channel) -> Any:
    # Bytes as they are: the generator shares the machine with what it measures.
    return channel.stream_stream(_METHOD)()  # type: ignore[call-arg]  # the stubs do not know the defaults


def _sent_at(timeline: Timeline, sent: list[float], offset: float) -> float:
    index = int(np.ceil(round(offset / timeline.chunk_seconds, 6))) - 1
    return sent[min(max(index, 0), len(sent) - 1)]


def _config(model: str, interims: bool, heartbeats: bool) -> bytes:
    events = pb.EventSelection(interims=interims)
    if heartbeats:
        events.heartbeat_interval_ms = 500
    audio = pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=SAMPLE_RATE_HZ, channels=1)
    config = pb.StreamingConfig(audio=audio, model=model, events=events)
    return pb.StreamingRecognizeRequest(config=config).SerializeToString()


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)


def _trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    frames = np.abs(samples[: len(samples) // _FRAME * _FRAME]).reshape(-1, _FRAME).max(axis=1)
    loud = np.flatnonzero(frames > _QUIET_SHARE * frames.max(initial=0.0))
    return samples[loud[0] * _FRAME : (loud[-1] + 1) * _FRAME] if len(loud) else samples[:0]
