"""Our own types to protobuf: everything the server says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration

from speechtune.audio.pcm import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.streaming.config import EffectiveRule
from speechtune.streaming.events import Detection, Interim, Rejected, Score, SpeechEnded, SpeechStarted
from speechtune.streaming.microphone import Microphone, MicrophoneState
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.engine.model_store import ModelStore, ServedModel
from speechtune_server.live.clip import ClipResult
from speechtune_server.live.inbox import EndReason
from speechtune_server.live.messages import ConversationRequest, Heartbeat, Outgoing, Started, StreamEnded
from speechtune_server.process.config import ServerConfig
from speechtune_server.wire.requests import FILE_ENCODINGS, RAW_ENCODINGS, audio_spec, stream_encodings
from speechtune_server.wire.resuming import NS_PER_SAMPLE

_NS_PER_SECOND = 1_000_000_000

_END_REASONS = {
    EndReason.CLIENT_FINISHED: pb.Ended.CLIENT_FINISHED,
    EndReason.DRAINING: pb.Ended.DRAINING,
    EndReason.MAX_DURATION: pb.Ended.MAX_DURATION,
    EndReason.IDLE: pb.Ended.IDLE,
}

_MICROPHONE_STATES = {
    MicrophoneState.UNKNOWN: pb.Microphone.STATE_UNSPECIFIED,
    MicrophoneState.OK: pb.Microphone.OK,
    MicrophoneState.QUIET: pb.Microphone.QUIET,
    MicrophoneState.DEAD: pb.Microphone.DEAD,
}


def duration(nanoseconds: int) -> Duration:
    """A duration on the wire; exact."""
    seconds, nanos = divmod(nanoseconds, _NS_PER_SECOND)
    return Duration(seconds=seconds, nanos=nanos)


def duration_of_seconds(seconds: float) -> Duration:
    """A duration on the wire, to the nearest nanosecond."""
    return duration(round(seconds * _NS_PER_SECOND))


@dataclass(frozen=True)
class Replies:
    """Writes the responses of one stream.

    Attributes:
        begun: what the stream asked for, and the settings in force.
    """

    begun: Started

    def started(self, config: ServerConfig) -> pb.StreamingRecognizeResponse:
        """The first response: the settings in force, and the server's limits."""
        settings, model, wanted = self.begun.settings, self._request.model, self._request.wanted
        selection = pb.EventSelection(
            interims=wanted.interims,
            rejections=wanted.rejections,
            speech_activity=wanted.speech_activity,
            listening_states=wanted.listening_states,
        )
        if wanted.heartbeat_samples is not None:
            selection.heartbeat_interval_ms = wanted.heartbeat_samples * 1000 // SAMPLE_RATE_HZ
        started = pb.Started(
            audio=audio_spec(settings.audio),
            model_sample_rate_hertz=SAMPLE_RATE_HZ,
            model=model.name,
            model_digest=model.digest,
            commands=_rules(self.begun.rules),
            # Of single keywords the rules tell.
            detector=pb.DetectorSettings(
                **settings.detector.model_dump(exclude_none=True, exclude={"refractory_ms_of"})
            ),
            endpointing=pb.Endpointing(**settings.endpointing.model_dump(exclude_none=True)),
            events=selection,
            resume_offset=self._offset(0),
            window=duration(model.scorer.window_samples * NS_PER_SAMPLE),
            limits=limits(config, config.in_flight_seconds(settings.audio)),
        )
        return pb.StreamingRecognizeResponse(
            started=started, audio_processed=self._offset(0), session_id=self._request.session_id
        )

    def event(self, outgoing: Outgoing) -> pb.StreamingRecognizeResponse:
        """The response for an event."""
        response = pb.StreamingRecognizeResponse(
            audio_processed=self._offset(outgoing.samples_processed), session_id=self._request.session_id
        )
        if outgoing.latency_seconds is not None:
            response.processing_latency.CopyFrom(duration_of_seconds(outgoing.latency_seconds))
        event = outgoing.event
        if isinstance(event, Detection):
            response.detection.CopyFrom(detection(event, self._request.model.digest, self._request.origin_ns))
        elif isinstance(event, Rejected):
            response.rejected.CopyFrom(self._rejected(event))
        elif isinstance(event, Interim):
            response.interim.CopyFrom(
                pb.Interim(end_offset=self._offset(event.end_sample), scores=_scores(event.scores))
            )
        elif isinstance(event, SpeechStarted | SpeechEnded):
            response.activity.CopyFrom(self._activity(event))
        elif isinstance(event, Heartbeat):
            response.heartbeat.CopyFrom(_heartbeat(event))
            if self._request.wanted.listening_states and event.state is not None:
                response.heartbeat.listening_state = event.state.to_bytes(NS_PER_SAMPLE, self._request.origin_ns)
                response.heartbeat.listening_state_offset.CopyFrom(self._offset(event.state.sample))
        else:
            response.ended.CopyFrom(self._ended(event, outgoing.samples_processed))
        return response

    @property
    def _request(self) -> ConversationRequest:
        return self.begun.request

    def _rejected(self, event: Rejected) -> pb.Rejected:
        return pb.Rejected(
            label=event.label,
            confidence=event.confidence,
            threshold=event.threshold,
            start_offset=self._offset(event.start_sample),
            end_offset=self._offset(event.end_sample),
            decision_offset=self._offset(event.decision_sample),
            model_digest=self._request.model.digest,
        )

    def _activity(self, event: SpeechStarted | SpeechEnded) -> pb.SpeechActivity:
        if isinstance(event, SpeechStarted):
            return pb.SpeechActivity(
                kind=pb.SpeechActivity.SPEECH_STARTED, start_offset=self._offset(event.start_sample)
            )
        return pb.SpeechActivity(
            kind=pb.SpeechActivity.SPEECH_ENDED,
            start_offset=self._offset(event.start_sample),
            end_offset=self._offset(event.end_sample),
            decision_offset=self._offset(event.decision_sample),
        )

    def _ended(self, event: StreamEnded, samples_processed: int) -> pb.Ended:
        return pb.Ended(
            reason=_END_REASONS[event.reason],
            statistics=pb.Statistics(
                audio_processed=duration(samples_processed * NS_PER_SAMPLE),
                num_detections=event.statistics.num_detections,
                num_rejections=event.statistics.num_rejections,
                num_windows_scored=event.statistics.num_windows_scored,
                notes=event.statistics.notes,
            ),
        )

    def _offset(self, sample: int) -> Duration:
        return offset(sample, self._request.origin_ns)


def offset(sample: int, origin_ns: int) -> Duration:
    """A place in the audio: a sample index at 16 kHz, counted from `origin_ns`."""
    return duration(origin_ns + sample * NS_PER_SAMPLE)


def detection(event: Detection, model_digest: str, origin_ns: int = 0) -> pb.Detection:
    """A detection; its offsets count from `origin_ns`."""
    return pb.Detection(
        event_id=event.event_id,
        label=event.label,
        confidence=event.confidence,
        threshold=event.threshold,
        runner_up_margin=event.runner_up_margin,
        start_offset=offset(event.start_sample, origin_ns),
        end_offset=offset(event.end_sample, origin_ns),
        decision_offset=offset(event.decision_sample, origin_ns),
        alternatives=_scores(event.alternatives),
        model_digest=model_digest,
    )


def recognition(result: ClipResult, model: ServedModel) -> pb.RecognizeResponse:
    """What `model` found in a clip."""
    return pb.RecognizeResponse(
        detections=[detection(event, model.digest) for event in result.detections],
        scores=clip_scores(model.scorer.labels.labels, result.posteriors.tolist()),
        model_digest=model.digest,
        notes=result.notes,
    )


def limits(config: ServerConfig, in_flight_seconds: float | None = None) -> pb.Limits:
    """What is refused when exceeded; of a stream, with what its own form of audio comes to."""
    written = pb.Limits(
        max_streams=config.stream_limit,
        max_streams_per_client=config.streams_per_client,
        max_clips=config.max_clips,
        max_clips_per_client=config.clips_per_client,
        max_body=duration_of_seconds(config.max_body_seconds),
        max_in_flight_audio=duration_of_seconds(in_flight_seconds or config.max_in_flight_seconds),
        max_in_flight_bytes=config.max_in_flight_bytes,
        max_clip_duration=duration_of_seconds(config.max_clip_seconds),
        max_content_bytes=config.max_content_bytes,
        min_sample_rate_hertz=MIN_RATE_HZ,
        max_sample_rate_hertz=MAX_RATE_HZ,
        max_channels=MAX_CHANNELS,
        min_ping_interval=duration_of_seconds(config.min_ping_interval_seconds),
    )
    if config.max_idle_seconds is not None:
        written.max_idle.CopyFrom(duration_of_seconds(config.max_idle_seconds))
    if config.max_stream_seconds is not None:
        written.max_stream_duration.CopyFrom(duration_of_seconds(config.max_stream_seconds))
    return written


def server_info(config: ServerConfig, store: ModelStore, num_streams: int, version: str) -> pb.GetServerInfoResponse:
    """What this server takes."""
    return pb.GetServerInfoResponse(
        version=version,
        default_model=store.default.name,
        stream_encodings=[*RAW_ENCODINGS, *stream_encodings()],
        clip_encodings=[*RAW_ENCODINGS, *FILE_ENCODINGS],
        limits=limits(config),
        num_active_streams=num_streams,
        **_backend(store.default),
    )


def model_info(model: ServedModel, is_default: bool) -> pb.ModelInfo:
    """One model, with what each keyword needs when a client sets nothing."""
    scorer = model.scorer
    general = model.detector.threshold
    rules = [
        EffectiveRule(
            label,
            scorer.thresholds[label] if general is None else general,
            model.detector.refractory_ms_for(label),
        )
        for label in scorer.labels.keywords
    ]
    return pb.ModelInfo(
        name=model.name,
        digest=model.digest,
        is_default=is_default,
        commands=_rules(rules),
        window=duration(scorer.window_samples * NS_PER_SAMPLE),
        **_backend(model),
    )


def clip_scores(labels: Iterable[str], posteriors: Iterable[float]) -> list[pb.Score]:
    """Every label with its posterior, in the labels' order."""
    return [pb.Score(label=label, confidence=value) for label, value in zip(labels, posteriors, strict=True)]


def _backend(model: ServedModel) -> dict[str, str]:
    if model.chosen is None:
        return {}
    return {"backend": str(model.chosen.backend), "backend_reason": model.chosen.reason}


def _heartbeat(event: Heartbeat) -> pb.Heartbeat:
    written = pb.Heartbeat()
    if event.ends_within_seconds is not None and event.reason is not None:
        written.ends_within.CopyFrom(duration_of_seconds(event.ends_within_seconds))
        written.ends_because = _END_REASONS[event.reason]
    if event.microphone is not None:
        written.microphone.CopyFrom(_microphone(event.microphone))
    return written


def _microphone(microphone: Microphone) -> pb.Microphone:
    # A level that is None leaves its field unset.
    return pb.Microphone(
        state=_MICROPHONE_STATES[microphone.state],
        level_dbfs=microphone.level_dbfs,
        speech_dbfs=microphone.speech_dbfs,
    )


def _rules(rules: Iterable[EffectiveRule]) -> list[pb.CommandRule]:
    return [
        pb.CommandRule(label=rule.label, threshold=rule.threshold, refractory_ms=rule.refractory_ms) for rule in rules
    ]


def _scores(scores: Iterable[Score]) -> list[pb.Score]:
    return [pb.Score(label=score.label, confidence=score.confidence) for score in scores]
