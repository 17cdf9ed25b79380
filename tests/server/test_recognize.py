"""One whole clip: unary = streaming, every form of audio, honest refusals."""

from __future__ import annotations

import asyncio
import io

import grpc
import numpy as np
import pytest
import soundfile

from speechtune.audio.placement import place_by_energy
from speechtune_client.v1 import command_recognition_pb2 as pb
from tests.support.serving import (
    COMMANDS,
    COMMANDS_CONTENT,
    DIGEST,
    LINEAR16_SPEC,
    ObedientScorer,
    asynchronous,
    audio,
    config,
    detections,
    refusal,
    responses,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import PitchScorer, linear16

INVALID = grpc.StatusCode.INVALID_ARGUMENT
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
WAV_SPEC = pb.AudioSpec(encoding=pb.WAV)


def in_file(samples, rate_hz=16_000, form="WAV", subtype="PCM_16"):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=form, subtype=subtype)
    return buffer.getvalue()


@asynchronous
async def test_a_clip_gives_what_a_stream_of_the_same_audio_gives():
    async with running_server() as server, stub_of(server) as stub:
        streamed = detections(await responses(stub, [config(), audio(COMMANDS_CONTENT)]))
        response = await stub.Recognize(pb.RecognizeRequest(audio=LINEAR16_SPEC, content=COMMANDS_CONTENT))
    assert list(response.detections) == streamed
    assert [detection.label for detection in streamed] == ["low", "high"]
    assert response.model_digest == DIGEST


@pytest.mark.parametrize(("form", "encoding"), [("WAV", pb.WAV), ("FLAC", pb.FLAC)])
@asynchronous
async def test_a_file_gives_what_its_samples_give(form, encoding):
    # Quantised once, so that file and samples hold the very same values.
    content = linear16(COMMANDS)
    samples = np.frombuffer(content, "<i2")
    async with running_server() as server, stub_of(server) as stub:
        raw = await stub.Recognize(pb.RecognizeRequest(audio=LINEAR16_SPEC, content=content))
        clip = in_file(samples, form=form)
        file = await stub.Recognize(pb.RecognizeRequest(audio=pb.AudioSpec(encoding=encoding), content=clip))
    assert file == raw
    assert len(raw.detections) == 2


@pytest.mark.parametrize(
    ("form", "subtype"), [("WAV", "PCM_16"), ("RF64", "FLOAT"), ("FLAC", "PCM_24"), ("OGG", "OPUS")]
)
@asynchronous
async def test_the_first_bytes_of_a_file_tell_what_it_is_whole_and_in_a_stream(form, subtype):
    content = in_file(COMMANDS, form=form, subtype=subtype)
    encoding = {"WAV": pb.WAV, "RF64": pb.WAV, "FLAC": pb.FLAC, "OGG": pb.OGG_OPUS}[form]
    async with running_server() as server, stub_of(server) as stub:
        named = await stub.Recognize(pb.RecognizeRequest(audio=pb.AudioSpec(encoding=encoding), content=content))
        for untold in ({}, {"audio": pb.AudioSpec(channel=1)}):
            assert await stub.Recognize(pb.RecognizeRequest(content=content, **untold)) == named
        streamed = detections(await responses(stub, [config(audio=pb.AudioSpec(encoding=encoding)), audio(content)]))
        for step in (1, 15, 100, len(content)):
            head = [content[:200][start : start + step] for start in range(0, 200, step)]
            answers = await responses(stub, [config(audio=None), *map(audio, head), audio(content[200:])])
            assert detections(answers) == streamed
    assert [found.label for found in named.detections] == [found.label for found in streamed] == ["low", "high"]


@pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "MS_ADPCM", "PCM_24", "DOUBLE"])
@asynchronous
async def test_whatever_libsndfile_reads_in_a_wav_file_is_a_clip(subtype):
    async with running_server() as server, stub_of(server) as stub:
        content = in_file(COMMANDS, subtype=subtype)
        response = await stub.Recognize(pb.RecognizeRequest(audio=WAV_SPEC, content=content))
    assert [detection.label for detection in response.detections] == ["low", "high"]


@asynchronous
async def test_the_scores_are_those_of_the_whole_clip_placed_by_its_energy():
    clip = COMMANDS[7_000:20_000]
    scorer = PitchScorer()
    expected = scorer.score(place_by_energy(np.frombuffer(linear16(clip), "<i2") / np.float32(32768), 16_000)[None])[0]
    async with running_server(scorer) as server, stub_of(server) as stub:
        response = await stub.Recognize(pb.RecognizeRequest(audio=LINEAR16_SPEC, content=linear16(clip)))
    assert [score.label for score in response.scores] == ["low", "high", "_unknown_", "_silence_"]
    assert [score.confidence for score in response.scores] == pytest.approx(expected.tolist(), abs=1e-6)
    assert sum(score.confidence for score in response.scores) == pytest.approx(1.0, abs=1e-5)


@asynchronous
async def test_a_clip_may_ask_for_some_commands_only():
    rules = [pb.CommandRule(label="high", threshold=0.9)]
    async with running_server() as server, stub_of(server) as stub:
        request = pb.RecognizeRequest(audio=LINEAR16_SPEC, content=COMMANDS_CONTENT, commands=rules)
        response = await stub.Recognize(request)
    assert [detection.label for detection in response.detections] == ["high"]
    assert response.detections[0].threshold == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("fields", "field", "hint"),
    [
        ({}, "audio.encoding", "not set"),
        ({"content": b"RIFF"}, "audio.encoding", "none of a WAV file"),
        (
            {"content": b"\0\0\0\x20ftypM4A " + bytes(90)},
            "audio.encoding",
            "but an MP4 or M4A file; convert it: ffmpeg",
        ),
        ({"audio": pb.AudioSpec(sample_rate_hertz=16_000)}, "audio.encoding", "LINEAR16, FLOAT32"),
        ({"audio": pb.AudioSpec(channels=1), "content": in_file(COMMANDS)}, "audio.encoding", "their own rate"),
        ({"audio": pb.AudioSpec(encoding=pb.OGG_OPUS), "content": b"OggS"}, "content", "not an Ogg Opus file"),
        ({"audio": pb.AudioSpec(encoding=98, sample_rate_hertz=8_000)}, "audio.encoding", "98"),
        ({"audio": pb.AudioSpec(encoding=pb.WAV, channel=9)}, "audio.channel", "1 to 8"),
        ({"audio": pb.AudioSpec(encoding=pb.WAV, channel=2), "content": in_file(COMMANDS)}, "content", "channel 2"),
        ({"audio": pb.AudioSpec(encoding=pb.WAV, sample_rate_hertz=8_000)}, "audio.sample_rate_hertz", "its own"),
        ({"audio": pb.AudioSpec(encoding=pb.FLAC, channels=1)}, "audio.channels", "its own"),
        ({"audio": LINEAR16_SPEC}, "content", "no samples"),
        ({"audio": LINEAR16_SPEC, "content": b"\0\0\0"}, "content", "3 bytes"),
        (
            {
                "audio": pb.AudioSpec(encoding=pb.FLOAT32, sample_rate_hertz=16_000),
                "content": np.float32("inf").tobytes(),
            },
            "content",
            "infinite",
        ),
        (
            {"audio": pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=96_000), "content": b"\1\0" * 2},
            "content",
            "shorter than one sample",
        ),
        ({"audio": WAV_SPEC, "content": in_file(COMMANDS[:1], 48_000)}, "content", "no samples"),
        ({"audio": WAV_SPEC, "content": in_file(COMMANDS, 192_000)}, "content", "192000 Hz"),
        ({"audio": WAV_SPEC}, "content", "not a WAV file"),
        ({"audio": WAV_SPEC, "content": b"not audio at all"}, "content", "not a WAV file"),
        ({"audio": WAV_SPEC, "content": in_file(COMMANDS, form="FLAC")}, "content", "not a WAV file"),
        ({"audio": WAV_SPEC, "content": in_file(COMMANDS)[:20]}, "content", "content"),
        ({"audio": WAV_SPEC, "content": in_file(COMMANDS[:0])}, "content", "no samples"),
        ({"audio": pb.AudioSpec(encoding=pb.FLAC), "content": b"fLaC" + bytes(80)}, "content", "content"),
        ({"audio": WAV_SPEC, "content": in_file(COMMANDS * np.nan, subtype="FLOAT")}, "content", "NaN"),
        ({"audio": WAV_SPEC, "content": in_file(COMMANDS * 1e30, subtype="FLOAT")}, "content", "full scale is 1"),
        (
            {"audio": pb.AudioSpec(encoding=pb.OGG_OPUS), "content": 2 * in_file(COMMANDS, form="OGG", subtype="OPUS")},
            "content",
            "more than one stream",
        ),
        (
            {"audio": LINEAR16_SPEC, "content": b"\0\0", "commands": [pb.CommandRule(label="left")]},
            "commands[0].label",
            "low, high",
        ),
    ],
)
@asynchronous
async def test_a_clip_that_cannot_be_taken_is_refused_by_the_name_of_its_field(fields, field, hint):
    async with running_server() as server, stub_of(server) as stub:
        refused = await refusal(stub.Recognize(pb.RecognizeRequest(**fields)))
        assert (refused.code, refused.fields) == (INVALID, (field,))
        assert hint in refused.message
        assert server.admission.num_calls == 0


@asynchronous
async def test_a_clip_beyond_the_stated_limits_is_refused_and_one_at_them_is_not():
    limits = {"max_clip_seconds": 1.0, "max_content_bytes": 40_000}
    async with running_server(**limits) as server, stub_of(server) as stub:
        info = (await stub.GetServerInfo(pb.GetServerInfoRequest())).limits
        assert (info.max_clip_duration.ToSeconds(), info.max_content_bytes) == (1, 40_000)
        second = bytes(32_000)
        await stub.Recognize(pb.RecognizeRequest(audio=LINEAR16_SPEC, content=second))
        for request in (
            pb.RecognizeRequest(audio=LINEAR16_SPEC, content=second + b"\0\0"),
            pb.RecognizeRequest(audio=WAV_SPEC, content=in_file(np.zeros(8_001, np.float32), 8_000)),
            pb.RecognizeRequest(audio=LINEAR16_SPEC, content=bytes(40_001)),
            pb.RecognizeRequest(audio=LINEAR16_SPEC, content=bytes(400_000)),
        ):
            assert (await refusal(stub.Recognize(request))).code is EXHAUSTED


@asynchronous
async def test_one_clip_too_many_at_once_is_told_to_come_again():
    scorer = ObedientScorer()
    async with running_server(scorer, max_clips=1) as server, stub_of(server) as stub:
        scorer.may_go.clear()
        request = pb.RecognizeRequest(audio=LINEAR16_SPEC, content=COMMANDS_CONTENT)
        first = asyncio.create_task(_awaited(stub.Recognize(request)))
        await until(lambda: server.admission.num_calls == 1)
        refused = await refusal(stub.Recognize(request))
        assert (refused.code, refused.retry_seconds) == (EXHAUSTED, 1.0)
        scorer.may_go.set()
        assert len((await first).detections) == 2
        await until(lambda: server.admission.num_calls == 0)


async def _awaited(call):
    return await call
