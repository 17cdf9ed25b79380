"""One whole clip, by the same session and in the same steps as a live stream: what one finds, the other finds."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import Sound, decode_sound
from speechtune.audio.opening import opened_sound
from speechtune.audio.pcm import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ, PcmDecoder, PcmFormat
from speechtune.audio.placement import place_by_energy
from speechtune.audio.resample import resample
from speechtune.errors import AudioError, InvalidRequestError, SessionTooLongError
from speechtune.streaming.clip_scores import clip_posteriors
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune.streaming.decision import Step
from speechtune.streaming.driver import SAMPLES_FORMAT
from speechtune.streaming.events import Detection
from speechtune.streaming.session import Session
from speechtune_server.decoding.forms import NUM_HEAD_BYTES, FileEncoding, check_clip, encoding_of
from speechtune_server.decoding.ogg import num_first_pages
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.live.messages import FileForm
from speechtune_server.live.service import Service
from speechtune_server.live.stream import STEP_SECONDS, Models


@dataclass(frozen=True)
class ClipRequest:
    """What is asked of a clip.

    Attributes:
        model: finds the keywords.
        audio: the form of `content`.
        content: raw audio, or a whole file.
        commands: the keywords to report; where there are none, all are reported.
    """

    model: ServedModel
    audio: PcmFormat | FileForm
    content: bytes
    commands: tuple[CommandRule, ...] = ()


@dataclass(frozen=True)
class Clip:
    """A clip, checked and decoded.

    Attributes:
        audio: the form of `content`.
        content: what the session takes: raw bytes as they came, or the samples of a file.
        samples: float32[N] at 16 kHz, N ≥ 1.
        notes: what of it is not as its form or its header says, one sentence each.
    """

    audio: PcmFormat
    content: bytes | NDArray[np.float32]
    samples: NDArray[np.float32]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClipResult:
    """What was found in a clip: its detections, the posteriors float32[K] of `clip_posteriors`, and its notes."""

    detections: tuple[Detection, ...]
    posteriors: NDArray[np.float32]
    notes: tuple[str, ...]


async def decode_raw_clip(content: bytes, audio: PcmFormat, max_seconds: float) -> Clip:
    """Check and decode raw audio.

    Raises:
        InvalidRequestError: it is empty, ends inside a value, or holds values that are not finite.
        SessionTooLongError: it is longer than `max_seconds`.
    """
    num_frames, rest = divmod(len(content), audio.bytes_per_frame)
    if rest:
        raise InvalidRequestError(
            "content", f"{len(content)} bytes are not whole values of {audio.bytes_per_frame} bytes; check the encoding"
        )
    if not num_frames:
        raise InvalidRequestError("content", "holds no samples")
    if num_frames > max_seconds * audio.rate_hz:
        raise _too_long(num_frames / audio.rate_hz, max_seconds)
    try:
        return await asyncio.to_thread(_clip_of, content, audio)
    except AudioError as error:
        raise InvalidRequestError("content", str(error)) from error


async def decode_file_clip(content: bytes, form: FileEncoding, max_seconds: float, channel: int | None = None) -> Clip:
    """Check and decode a file of the named form; `channel` as for `decode_sound`.

    Raises:
        InvalidRequestError: it is empty, damaged or not of that form.
        SessionTooLongError: it is longer than `max_seconds`.
    """
    # Even to look at what lies in it takes long where somebody meant it to.
    sound = await asyncio.to_thread(_sound_of_file, content, form, max_seconds, channel)
    return Clip(SAMPLES_FORMAT, sound.samples, sound.samples, sound.notes)


async def recognize_clip(service: Service, request: ClipRequest) -> ClipResult:
    """Find the commands in a clip, which has its place already, and score it as a whole.

    Raises:
        InvalidRequestError: it is empty, damaged or not of the form that was given.
        SessionTooLongError: it is longer or larger than the server takes.
        ServiceNotReadyError: the models are being loaded, or take too long.
        RuntimeError: a model failed.
    """
    limits, content = service.config, request.content
    if len(content) > limits.max_content_bytes:
        raise SessionTooLongError(f"the clip has {len(content)} bytes, {limits.max_content_bytes} are the limit")
    if isinstance(request.audio, FileForm):
        encoding = request.audio.encoding or encoding_of(content[:NUM_HEAD_BYTES])
        clip = await decode_file_clip(content, encoding, limits.max_clip_seconds, request.audio.channel)
    else:
        clip = await decode_raw_clip(content, request.audio, limits.max_clip_seconds)
    result = await _recognized(clip, request.model, request.commands, service.loaded.models_of(request.model))
    for detection in result.detections:
        service.metrics.event_sent(request.model.name, detection, None)
    return result


async def _recognized(clip: Clip, model: ServedModel, commands: tuple[CommandRule, ...], models: Models) -> ClipResult:
    config = SessionConfig(clip.audio, commands, model.detector, model.endpointing)
    scorer = model.scorer
    journal: list[Step] = []
    session = Session(config, scorer.labels, scorer.thresholds, scorer.window_samples, journal=journal)
    for chunk in _chunks(clip):
        session.receive(chunk)
        await models.answer_all(session)
    session.end()
    await models.answer_all(session)
    detections = [event for event in session.take_events() if isinstance(event, Detection)]
    window = place_by_energy(clip.samples, scorer.window_samples)
    whole = (await models.score(window[None]))[0]
    posteriors = clip_posteriors(whole, detections, journal, scorer.labels)
    return ClipResult(tuple(detections), posteriors, tuple(dict.fromkeys((*clip.notes, *session.notes))))


def _chunks(clip: Clip) -> Iterator[bytes | NDArray[np.float32]]:
    """The clip in the steps that a stream is listened to in."""
    step = int(STEP_SECONDS * clip.audio.rate_hz) * (
        clip.audio.bytes_per_frame if isinstance(clip.content, bytes) else 1
    )
    for start in range(0, len(clip.content), step):
        yield clip.content[start : start + step]


def _clip_of(content: bytes, audio: PcmFormat) -> Clip:
    decoder = PcmDecoder(audio)
    samples = resample(decoder.decode(content), audio.rate_hz)
    if decoder.channel != audio.channel:
        # The whole clip is here: what was heard before it was known that the channels cancel is heard again.
        audio = replace(audio, channel=decoder.channel)
        samples = resample(PcmDecoder(audio).decode(content), audio.rate_hz)
    if not len(samples):
        raise InvalidRequestError("content", "is shorter than one sample at 16 kHz")
    return Clip(audio, content, samples, decoder.notes)


def _sound_of_file(content: bytes, form: FileEncoding, max_seconds: float, channel: int | None) -> Sound:
    try:
        check_clip(form, content)
    except InvalidRequestError as error:
        raise InvalidRequestError("content", error.reason) from error
    _check_declared(content, max_seconds)
    if form is FileEncoding.OGG_OPUS and num_first_pages(content) > 1:
        raise InvalidRequestError("content", "the Ogg file holds more than one stream; send one in a call")
    try:
        return decode_sound(content, "content", max_seconds, channel)
    except AudioError as error:
        raise InvalidRequestError("content", str(error).removeprefix("content: ")) from error


def _check_declared(content: bytes, max_seconds: float) -> None:
    """Check what the header says; where it cannot be read, decoding will explain why."""
    try:
        with opened_sound(io.BytesIO(content), "content", max_seconds) as opened:
            sound = opened.sound
            seconds, channels, rate_hz = sound.frames / sound.samplerate, sound.channels, sound.samplerate
    except AudioError:
        return
    if channels > MAX_CHANNELS:
        raise InvalidRequestError("content", f"{channels} channels are not taken; 1 to {MAX_CHANNELS} are")
    # A few bytes of quiet at a rate that no microphone has would be gigabytes of samples.
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise InvalidRequestError(
            "content", f"{rate_hz} Hz are not taken; {MIN_RATE_HZ} to {MAX_RATE_HZ} are, convert it first"
        )
    if seconds > max_seconds:
        raise _too_long(seconds, max_seconds)


def _too_long(seconds: float, max_seconds: float) -> SessionTooLongError:
    return SessionTooLongError(
        f"the clip lasts {seconds:.1f} s, {max_seconds:g} s are the limit; send it with StreamingRecognize"
    )
