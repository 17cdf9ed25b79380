"""What a stream finds: the same however it is cut, sent or shared, and with exact offsets."""

from __future__ import annotations

import asyncio
from collections import Counter

import grpc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.resample import resample
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.recipe import DetectorSettings
from speechtune.streaming.config import SessionConfig
from speechtune.streaming.events import Detection, Rejected, SpeechEnded, SpeechStarted
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import command_recognition_pb2_grpc as pb_grpc
from speechtune_server.engine.model_store import ServedModel
from tests.support.serving import (
    COMMANDS,
    COMMANDS_CONTENT,
    DIGEST,
    asynchronous,
    audio,
    config,
    detections,
    each_door,
    kinds,
    responses,
    running_server,
    server_in_thread,
    stub_of,
)
from tests.support.streaming import LINEAR16, PitchScorer, cut, events_of, linear16, quiet, tone

NAMES = {SpeechStarted: "SpeechActivity", SpeechEnded: "SpeechActivity"}
EVERYTHING = pb.EventSelection(interims=True, rejections=True, speech_activity=True, heartbeat_interval_ms=100)


@pytest.fixture(scope="module")
def stub():
    with server_in_thread() as server, grpc.insecure_channel(server.address) as channel:
        yield pb_grpc.CommandRecognitionStub(channel)


def found(answers):
    return [detection.SerializeToString(deterministic=True) for detection in detections(answers)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 12_000), max_size=40))
def test_any_slicing_of_the_same_audio_gives_identical_detections(stub, lengths):
    chunks = cut(COMMANDS_CONTENT, lengths)
    whole = list(stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT)])))
    sliced = list(stub.StreamingRecognize(iter([config(), *map(audio, chunks)])))
    assert len(found(whole)) == 2
    assert found(sliced) == found(whole)


def test_single_bytes_give_the_same_detections_as_the_whole(stub):
    chunks = cut(COMMANDS_CONTENT, [20_000, *[1] * 5_000])
    whole = list(stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT)])))
    single = stub.StreamingRecognize(iter([config(), *map(audio, chunks)]))
    assert found(single) == found(whole) != []


ENDINGS = {
    "in quiet": COMMANDS,
    "in a word": COMMANDS[:14_000],
    "in long speech": np.concatenate([COMMANDS, tone(600, 15_000), tone(250, 25_000), tone(600, 9_000)]),
    "in long speech that is only noise": np.concatenate([quiet(9_000), tone(600, 40_000)]),
    "at once": COMMANDS[:1],
}


@pytest.mark.parametrize("ending", ENDINGS)
@each_door
@asynchronous
async def test_a_stream_reports_exactly_what_the_plain_driver_finds(ending, door):
    content = linear16(ENDINGS[ending])
    expected = events_of([content], SessionConfig(LINEAR16, interims=True))
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        first = config(events=pb.EventSelection(interims=True, rejections=True, speech_activity=True))
        answers = await responses(stub, [first, *map(audio, cut(content, [4_321] * 30))])
    told = [getattr(answer, kind) for answer, kind in zip(answers, kinds(answers), strict=True)][1:-1]
    assert [type(one).__name__ for one in told] == [NAMES.get(type(event), type(event).__name__) for event in expected]
    for one, event in zip(told, expected, strict=True):
        assert getattr(one, "label", None) == getattr(event, "label", None)
        for name in ("start", "end", "decision"):
            sample = getattr(event, f"{name}_sample", None)
            if sample is not None:
                assert getattr(one, f"{name}_offset").ToNanoseconds() == sample * 62_500
    statistics = answers[-1].ended.statistics
    assert statistics.num_detections == sum(isinstance(event, Detection) for event in expected)
    assert statistics.num_rejections == sum(isinstance(event, Rejected) for event in expected)


@each_door
@asynchronous
async def test_events_that_were_not_asked_for_are_not_sent(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        plain = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        full = await responses(stub, [config(events=EVERYTHING), audio(COMMANDS_CONTENT)])
    assert kinds(plain) == ["started", "detection", "detection", "ended"]
    assert set(kinds(full)) == {"started", "interim", "detection", "rejected", "activity", "heartbeat", "ended"}
    assert found(full) == found(plain)
    assert plain[-1].ended == full[-1].ended
    assert full[-1].ended.statistics.num_rejections == 1
    activity = [answer.activity.kind for answer in full if answer.HasField("activity")]
    assert activity == [pb.SpeechActivity.SPEECH_STARTED, pb.SpeechActivity.SPEECH_ENDED] * 3


@each_door
@asynchronous
async def test_speech_that_is_going_on_at_the_half_close_is_answered_before_ended(door):
    content = linear16(np.concatenate([quiet(9_000), tone(250, 6_000)]))
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        answers = await responses(stub, [config(), audio(content)])
    assert kinds(answers) == ["started", "detection", "ended"]
    assert answers[-1].ended.statistics.audio_processed.ToNanoseconds() == 15_000 * 62_500


@each_door
@asynchronous
async def test_a_resume_offset_moves_every_offset_and_nothing_else(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        plain = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        moved = await responses(stub, [config(resume_offset={"seconds": 3_600, "nanos": 7}), audio(COMMANDS_CONTENT)])
    shift = 3_600 * 1_000_000_000 + 7
    for before, after in zip(detections(plain), detections(moved), strict=True):
        assert before.event_id == after.event_id
        for name in ("start_offset", "end_offset", "decision_offset"):
            assert getattr(after, name).ToNanoseconds() - getattr(before, name).ToNanoseconds() == shift
    assert moved[-1].audio_processed.ToNanoseconds() - plain[-1].audio_processed.ToNanoseconds() == shift
    assert moved[-1].ended == plain[-1].ended


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("encoding", [pb.LINEAR16, pb.FLOAT32])
def test_every_rate_is_heard_at_the_same_places(stub, rate_hz, encoding):
    # Built at 48 kHz and taken down by an independent route: the stream's own resampler must undo it.
    times = np.arange(int(len(COMMANDS) * rate_hz / SAMPLE_RATE_HZ)) / rate_hz
    samples = np.interp(times, np.arange(len(COMMANDS)) / SAMPLE_RATE_HZ, COMMANDS).astype(np.float32)
    content = linear16(samples) if encoding == pb.LINEAR16 else samples.astype("<f4").tobytes()
    spec = pb.AudioSpec(encoding=encoding, sample_rate_hertz=rate_hz)
    there = detections(stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT)])))
    here = detections(stub.StreamingRecognize(iter([config(audio=spec), audio(content)])))
    assert [detection.label for detection in here] == [detection.label for detection in there] == ["low", "high"]
    for one, other in zip(here, there, strict=True):
        assert abs(one.start_offset.ToNanoseconds() - other.start_offset.ToNanoseconds()) <= 32_000_000
    assert len(resample(samples, rate_hz)) == pytest.approx(len(COMMANDS), abs=2)


def test_stereo_is_heard_as_the_mean_of_its_channels(stub):
    stereo = np.stack([COMMANDS * 2, np.zeros_like(COMMANDS)], axis=1).astype("<f4").tobytes()
    mono = COMMANDS.astype("<f4").tobytes()
    specs = [pb.AudioSpec(encoding=pb.FLOAT32, sample_rate_hertz=16_000, channels=channels) for channels in (2, 1)]
    answers = [
        list(stub.StreamingRecognize(iter([config(audio=spec), audio(content)])))
        for spec, content in zip(specs, (stereo, mono), strict=True)
    ]
    assert found(answers[0]) == found(answers[1]) != []


@each_door
@asynchronous
async def test_one_words_hit_does_not_mute_another_word_or_another_stream(door):
    words = [quiet(9_000)]
    for hz in (250, 1000, 250, 1000):
        words += [tone(hz, 5_000), quiet(8_000)]
    content = linear16(np.concatenate(words))
    muted = pb.DetectorSettings(refractory_ms=60_000)
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        answers = await asyncio.gather(
            *(responses(stub, [config(detector=muted), audio(content)]) for _ in range(2)),
            responses(stub, [config(detector=pb.DetectorSettings(refractory_ms=0)), audio(content)]),
        )
    labels = [[detection.label for detection in detections(answer)] for answer in answers]
    assert labels == [["low", "high"], ["low", "high"], ["low", "high", "low", "high"]]


@asynchronous
async def test_a_keyword_is_counted_each_time_it_is_said_where_its_refractory_time_is_0():
    said = np.concatenate(
        [quiet(9_000), *[part for hz in (250, 250, 1000, 1000) for part in (tone(hz, 5_000), quiet(6_000))]]
    )
    of_low = DetectorSettings(refractory_ms=2_000, refractory_ms_of={"low": 0})

    def load(name, folder):
        return ServedModel(name, DIGEST, PitchScorer(), of_low if name == "counting" else DetectorSettings())

    rule = pb.CommandRule(label="high", refractory_ms=0)
    asked = {
        "by default": {"detector": pb.DetectorSettings(refractory_ms=2_000)},
        "by a rule": {
            "detector": pb.DetectorSettings(refractory_ms=2_000),
            "commands": [pb.CommandRule(label="low"), rule],
        },
        "by the model": {"model": "counting"},
        "a rule before the model": {"model": "counting", "commands": [pb.CommandRule(label="low"), rule]},
        "the stream before the model": {"model": "counting", "detector": pb.DetectorSettings(refractory_ms=2_000)},
    }
    async with running_server(load=load, models={"home": "a", "counting": "b"}) as server, stub_of(server) as stub:
        listed = (await stub.ListModels(pb.ListModelsRequest())).models
        answers = {
            name: await responses(stub, [config(**fields), audio(linear16(said))]) for name, fields in asked.items()
        }
    counts = {name: Counter(one.label for one in detections(answer)) for name, answer in answers.items()}
    assert counts == {
        "by default": {"low": 1, "high": 1},
        "by a rule": {"low": 1, "high": 2},
        "by the model": {"low": 2, "high": 1},
        "a rule before the model": {"low": 2, "high": 2},
        "the stream before the model": {"low": 1, "high": 1},
    }
    assert {rule.label: rule.refractory_ms for rule in listed[1].commands} == {"low": 0, "high": 2_000}
    started = answers["a rule before the model"][0].started
    assert {rule.label: rule.refractory_ms for rule in started.commands} == {"low": 0, "high": 0}
    assert started.detector.refractory_ms == 2_000


@each_door
@asynchronous
async def test_a_streams_settings_touch_no_other_stream(door):
    strict = config(commands=[pb.CommandRule(label="low", threshold=1.0)])
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        alone = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        answers = await asyncio.gather(
            *(responses(stub, [first, audio(COMMANDS_CONTENT)]) for first in (strict, config(), strict, config()))
        )
    assert [len(detections(answer)) for answer in answers] == [0, 2, 0, 2]
    assert found(answers[1]) == found(answers[3]) == found(alone)


@each_door
@asynchronous
async def test_a_threshold_of_zero_is_zero_and_not_the_default(door):
    rule = pb.CommandRule(label="high", threshold=0.0)
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        answers = await responses(stub, [config(commands=[rule]), audio(COMMANDS_CONTENT)])
    assert [detection.label for detection in detections(answers)] == ["high", "high", "high"]
    assert {detection.threshold for detection in detections(answers)} == {0.0}


@each_door
@asynchronous
async def test_unknown_and_silence_are_never_detections(door):
    content = linear16(np.concatenate([quiet(9_000), tone(600, 6_000), quiet(9_000)]))
    everything = pb.DetectorSettings(threshold=0.5)
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        answers = await responses(stub, [config(detector=everything, events=EVERYTHING), audio(content)])
    assert detections(answers) == []
    assert [answer.rejected.label for answer in answers if answer.HasField("rejected")] == ["_unknown_"]


@each_door
@asynchronous
async def test_many_streams_at_once_find_what_each_finds_alone(door):
    async with running_server(max_wait_ms=20, door=door) as server, stub_of(server, door=door) as stub:
        alone = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        together = await asyncio.gather(
            *(responses(stub, [config(), *map(audio, cut(COMMANDS_CONTENT, [997 * n]))]) for n in range(12))
        )
        assert server.admission.num_streams == 0
    # A window scored in a batch may differ from one scored alone in the last bits of a float32.
    for answers in together:
        for one, other in zip(detections(answers), detections(alone), strict=True):
            assert (one.event_id, one.label) == (other.event_id, other.label)
            assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


@each_door
@asynchronous
async def test_latency_is_measured_from_the_arrival_of_the_audio_an_event_needed(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        answers = await responses(stub, [config(events=EVERYTHING), audio(COMMANDS_CONTENT)])
    for answer in answers:
        timed = answer.WhichOneof("event") in ("detection", "rejected", "interim", "activity")
        assert answer.HasField("processing_latency") == timed
        assert 0 <= answer.processing_latency.ToNanoseconds() < 5_000_000_000
