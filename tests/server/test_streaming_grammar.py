"""What a stream may say and in which order, and how it is refused."""

from __future__ import annotations

import grpc
import pytest

from speechtune.recipe import EndpointingSettings
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.engine.model_store import ServedModel
from tests.support.serving import (
    COMMANDS_CONTENT,
    DIGEST,
    LINEAR16_SPEC,
    asynchronous,
    audio,
    config,
    each_door,
    kinds,
    refusal,
    responses,
    running_server,
    stub_of,
)
from tests.support.streaming import PitchScorer

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@each_door
@asynchronous
async def test_a_client_that_sends_audio_first_is_told_that_config_comes_first(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        refused = await refusal(responses(stub, [audio(b"\0\0"), config()]))
        assert (refused.code, refused.fields) == (INVALID, ("payload",))
        assert "first message must hold config" in refused.message
        assert server.admission.num_streams == 0


@each_door
@asynchronous
async def test_a_client_that_sends_config_twice_is_refused(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        refused = await refusal(responses(stub, [config(), audio(COMMANDS_CONTENT[:3200]), config()]))
        assert (refused.code, refused.fields) == (INVALID, ("payload",))
        assert "once" in refused.message
        assert server.admission.num_streams == 0


@asynchronous
async def test_a_client_that_sends_nothing_at_all_is_told_what_is_missing():
    async with running_server() as server, stub_of(server) as stub:
        refused = await refusal(responses(stub, []))
        assert refused.code is INVALID
        assert "ended before its first message" in refused.message


@each_door
@asynchronous
async def test_a_message_with_no_payload_is_refused(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        for requests in ([pb.StreamingRecognizeRequest()], [config(), pb.StreamingRecognizeRequest()]):
            refused = await refusal(responses(stub, requests))
            assert (refused.code, refused.fields) == (INVALID, ("payload",))


@each_door
@asynchronous
async def test_a_stream_of_config_alone_starts_and_ends(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        answers = await responses(stub, [config()])
        assert kinds(answers) == ["started", "ended"]
        assert answers[-1].ended.reason == pb.Ended.CLIENT_FINISHED
        assert answers[-1].ended.statistics == pb.Statistics(audio_processed=answers[-1].audio_processed)


@pytest.mark.parametrize(
    ("fields", "field", "hint"),
    [
        ({"audio": None}, "config.audio.encoding", "is not set"),
        ({"audio": pb.AudioSpec(sample_rate_hertz=16_000)}, "config.audio.encoding", "LINEAR16, FLOAT32"),
        ({"audio": pb.AudioSpec(encoding=pb.FLAC, channels=1)}, "config.audio.channels", "FLAC carries its own"),
        ({"audio": pb.AudioSpec(encoding=pb.OGG_OPUS, channel=9)}, "config.audio.channel", "1 to 8"),
        ({"audio": pb.AudioSpec(encoding=99, sample_rate_hertz=8_000)}, "config.audio.encoding", "99"),
        ({"audio": pb.AudioSpec(encoding=pb.LINEAR16)}, "config.audio.sample_rate_hertz", "0 Hz"),
        (
            {"audio": pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=7_999)},
            "config.audio.sample_rate_hertz",
            "8000 to 96000",
        ),
        (
            {"audio": pb.AudioSpec(encoding=pb.FLOAT32, sample_rate_hertz=96_001)},
            "config.audio.sample_rate_hertz",
            "96001",
        ),
        (
            {"audio": pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=8_000, channels=9)},
            "config.audio.channels",
            "9",
        ),
        (
            {"audio": pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=8_000, channels=-1)},
            "config.audio.channels",
            "-1",
        ),
        (
            {"audio": pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=8_000, channels=2, channel=3)},
            "config.audio.channel",
            "1 to 2",
        ),
        ({"commands": [pb.CommandRule(label="sideways")]}, "config.commands[0].label", "low, high"),
        ({"commands": [pb.CommandRule(label="_unknown_")]}, "config.commands[0].label", "low, high"),
        ({"commands": [pb.CommandRule(label="_silence_")]}, "config.commands[0].label", "low, high"),
        ({"commands": [pb.CommandRule(label="low")] * 2}, "config.commands[1].label", "twice"),
        ({"commands": [pb.CommandRule(label="low", threshold=1.5)]}, "config.commands[0]", "1.5"),
        ({"commands": [pb.CommandRule(label="low", threshold=float("nan"))]}, "config.commands[0]", "nan"),
        ({"commands": [pb.CommandRule(label="low", refractory_ms=-1)]}, "config.commands[0]", "-1"),
        ({"detector": pb.DetectorSettings(hop_ms=0)}, "config.detector.hop_ms", "20"),
        ({"detector": pb.DetectorSettings(threshold=-0.5)}, "config.detector.threshold", "-0.5"),
        ({"endpointing": pb.Endpointing(max_speech_ms=1)}, "config.endpointing.max_speech_ms", "500"),
        (
            {"endpointing": pb.Endpointing(preroll_ms=4_000, hangover_ms=2_000)},
            "config.endpointing",
            "up to 6.096 s; 5 s",
        ),
        (
            {"events": pb.EventSelection(heartbeat_interval_ms=0)},
            "config.events.heartbeat_interval_ms",
            "100 and 60000",
        ),
        ({"session_id": "x" * 65}, "config.session_id", "64"),
        ({"session_id": "a\nb"}, "config.session_id", "printable"),
        ({"resume_offset": {"seconds": -1}}, "config.resume_offset", "duration"),
    ],
)
@each_door
@asynchronous
async def test_what_cannot_be_done_as_asked_is_refused_by_the_name_of_its_field(fields, field, hint, door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        refused = await refusal(responses(stub, [config(**fields)]))
        assert (refused.code, refused.fields) == (INVALID, (field,))
        assert hint in refused.message


@asynchronous
async def test_a_duration_that_is_none_is_refused():
    async with running_server() as server, stub_of(server) as stub:
        refused = await refusal(responses(stub, [config(resume_offset={"nanos": 2_000_000_000})]))
        assert (refused.code, refused.fields) == (INVALID, ("config.resume_offset",))


@asynchronous
async def test_a_field_of_a_newer_contract_is_refused_not_ignored():
    newer = config()
    newer.config.audio.MergeFromString(b"\xa0\x06\x01")  # field 100, varint 1
    async with running_server() as server, stub_of(server) as stub:
        refused = await refusal(responses(stub, [newer]))
        assert (refused.code, refused.fields) == (INVALID, ("config.audio",))
        assert "field number 100" in refused.message
        for place in (0, 1):
            requests = [config(), audio(b"")]
            requests[place].MergeFromString(b"\xa0\x06\x01")
            refused = await refusal(responses(stub, requests))
            assert (refused.code, refused.fields) == (INVALID, ("request",))


@pytest.mark.parametrize(
    ("order", "field", "hint"),
    [
        ({}, "control", "flush, update_commands, reset, end"),
        (
            {"update_commands": {"commands": [{"label": "louder"}]}},
            "control.update_commands.commands[0].label",
            "low, high",
        ),
    ],
)
@each_door
@asynchronous
async def test_an_order_that_cannot_be_followed_is_refused_by_name(order, field, hint, door):
    request = pb.StreamingRecognizeRequest(control=pb.Control(**order))
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        refused = await refusal(responses(stub, [config(), request]))
        assert (refused.code, refused.fields) == (INVALID, (field,))
        assert hint in refused.message


@asynchronous
async def test_bytes_that_are_no_message_are_the_clients_fault():
    async with running_server() as server, grpc.aio.insecure_channel(server.address) as channel:
        unary = channel.unary_unary("/speechtune.v1.CommandRecognition/Recognize")
        assert (await refusal(unary(b"\xff\xff\xff"))).code is INVALID
        stream = channel.stream_stream("/speechtune.v1.CommandRecognition/StreamingRecognize")

        async def answers():
            async for _ in stream(iter([b"\xff\xff\xff"])):
                pass

        assert (await refusal(answers())).code is INVALID


@each_door
@asynchronous
async def test_a_model_that_is_not_served_is_not_found(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        for model in ("garden", "home@0000", "home@", f"garden@{DIGEST}"):
            refused = await refusal(responses(stub, [config(model=model)]))
            assert refused.code is grpc.StatusCode.NOT_FOUND
            assert "home" in refused.message
        for model in ("", "home", f"home@{DIGEST}", f"@{DIGEST}"):
            assert kinds(await responses(stub, [config(model=model)])) == ["started", "ended"]


@each_door
@asynchronous
async def test_started_echoes_the_settings_in_force(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        first = config(
            audio=pb.AudioSpec(encoding=pb.FLOAT32, sample_rate_hertz=44_100),
            commands=[pb.CommandRule(label="high", threshold=0.0), pb.CommandRule(label="low", refractory_ms=0)],
            detector=pb.DetectorSettings(hop_ms=40, threshold=0.75),
            endpointing=pb.Endpointing(hangover_ms=0),
            events=pb.EventSelection(interims=True, heartbeat_interval_ms=1_000),
            session_id="kitchen",
            resume_offset={"seconds": 7, "nanos": 1},
        )
        answers = await responses(stub, [first])
        started = answers[0].started
        assert started.audio == pb.AudioSpec(encoding=pb.FLOAT32, sample_rate_hertz=44_100, channels=1)
        assert started.model_sample_rate_hertz == 16_000
        assert (started.model, started.model_digest) == ("home", DIGEST)
        rules = {rule.label: (rule.threshold, rule.refractory_ms) for rule in started.commands}
        assert rules == {"high": (0.0, 500), "low": (0.75, 0)}
        assert (started.detector.hop_ms, started.detector.smoothing_windows) == (40, 3)
        assert started.endpointing.hangover_ms == 0
        assert started.endpointing.max_speech_ms == 30_000
        assert started.events == first.config.events
        assert started.resume_offset == first.config.resume_offset
        assert started.limits.max_in_flight_audio.seconds == 30
        assert started.window.seconds == 1
        assert {answer.session_id for answer in answers} == {"kitchen"}


@each_door
@asynchronous
async def test_a_stream_without_a_session_id_gets_one_of_its_own(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        ids = {(await responses(stub, [config()]))[0].session_id for _ in range(2)}
        assert len(ids) == 2
        assert "" not in ids


@each_door
@asynchronous
async def test_audio_that_is_not_finite_is_refused_where_it_is(door):
    spec = pb.AudioSpec(encoding=pb.FLOAT32, sample_rate_hertz=16_000)
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        refused = await refusal(responses(stub, [config(audio=spec), audio(b"\0\0\xc0\x7f")]))
        assert (refused.code, refused.fields) == (INVALID, ("content",))
        assert "NaN" in refused.message


@each_door
@asynchronous
async def test_a_stream_that_ends_inside_a_value_is_answered_first_and_then_refused(door):
    async with running_server(door=door) as server, stub_of(server, door=door) as stub:
        call = stub.StreamingRecognize(iter([config(), audio(COMMANDS_CONTENT + b"\0")]))
        seen = []

        async def read():
            async for response in call:
                seen.append(response)  # noqa: PERF401  (what came before the refusal is wanted)

        assert "left over" in (await refusal(read())).message
        assert kinds(seen) == ["started", "detection", "detection"]


def test_every_number_that_may_be_unset_says_whether_it_is():
    for message in (pb.CommandRule, pb.DetectorSettings, pb.Endpointing):
        for field in message.DESCRIPTOR.fields:
            assert field.has_presence or field.name == "label", f"{message.DESCRIPTOR.name}.{field.name}"
    assert LINEAR16_SPEC.channels == 1


@each_door
@asynchronous
async def test_what_the_models_own_recipe_holds_is_taken_and_no_more(door):
    recipe = EndpointingSettings(hangover_ms=6_000)

    def load(name, folder):
        return ServedModel(name, DIGEST, PitchScorer(), endpointing=recipe)

    async with running_server(load=load, door=door) as server, stub_of(server, door=door) as stub:
        assert kinds(await responses(stub, [config()])) == ["started", "ended"]
        shorter = config(endpointing=pb.Endpointing(hangover_ms=5_500))
        assert kinds(await responses(stub, [shorter])) == ["started", "ended"]
        longer = config(endpointing=pb.Endpointing(hangover_ms=6_001))
        assert (await refusal(responses(stub, [longer]))).fields == ("config.endpointing",)
