"""FLAC and Ogg Opus through a running server: the same detections as raw audio, honest refusals, bounded work."""

from __future__ import annotations

import subprocess
import sys
import threading

import grpc
import numpy as np
import pytest

from speechtune_client.v1 import command_recognition_pb2 as pb
from tests.support.files import in_form
from tests.support.serving import (
    COMMANDS,
    ObedientScorer,
    asynchronous,
    audio,
    config,
    detections,
    refusal,
    responses,
    running_server,
    server_in_thread,
    stub_of,
)
from tests.support.streaming import cut, linear16

ENCODINGS = ["FLAC", "OGG_OPUS"]


def spec_of(encoding, **fields):
    return pb.AudioSpec(encoding=pb.AudioEncoding.Value(encoding), **fields)


def said(found):
    return [(one.label, one.start_offset.ToMilliseconds(), one.end_offset.ToMilliseconds()) for one in found]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@asynchronous
async def test_a_file_in_a_stream_gives_what_it_gives_as_a_clip(encoding, rate):
    # 48,000 Hz of the same samples is a third as long: the tones are placed for that.
    samples = np.interp(np.arange(0, len(COMMANDS), 16_000 / rate), np.arange(len(COMMANDS)), COMMANDS)
    content = in_form(encoding, samples.astype(np.float32), rate)
    async with running_server() as server, stub_of(server) as stub:
        spec = spec_of(encoding)
        answers = await responses(stub, [config(audio=spec), *map(audio, cut(content, [7, 30, 1] + [900] * 60))])
        clip = await stub.Recognize(pb.RecognizeRequest(audio=spec, content=content))
    assert [label for label, _, _ in said(detections(answers))] == ["low", "high"]
    for streamed, whole in zip(said(detections(answers)), said(clip.detections), strict=True):
        assert streamed[0] == whole[0]
        assert streamed[1:] == pytest.approx(whole[1:], abs=32)
    assert answers[0].started.audio.sample_rate_hertz == (48_000 if encoding == "OGG_OPUS" else rate)


@asynchronous
async def test_flac_gives_exactly_what_the_same_samples_give():
    content = in_form("FLAC", COMMANDS)
    async with running_server() as server, stub_of(server) as stub:
        flac = await responses(stub, [config(audio=spec_of("FLAC")), *map(audio, cut(content, [500] * 200))])
        raw = await responses(stub, [config(), *map(audio, cut(linear16(COMMANDS), [3_200] * 40))])
    assert said(detections(flac)) == said(detections(raw))
    assert [one.confidence for one in detections(flac)] == pytest.approx([one.confidence for one in detections(raw)])


@pytest.mark.parametrize("encoding", ENCODINGS)
@asynchronous
async def test_one_channel_of_two_may_be_chosen(encoding):
    content = in_form(encoding, np.stack([np.zeros_like(COMMANDS), COMMANDS], axis=1))
    async with running_server() as server, stub_of(server) as stub:
        for channel, labels in ((1, []), (2, ["low", "high"])):
            first = config(audio=spec_of(encoding, channel=channel))
            answers = await responses(stub, [first, *map(audio, cut(content, [900] * 60))])
            assert [one.label for one in detections(answers)] == labels


@pytest.mark.parametrize("encoding", ENCODINGS)
@asynchronous
async def test_what_comes_before_the_damage_is_detected_and_then_it_is_said(encoding):
    content = in_form(encoding, np.concatenate([COMMANDS] * 3))
    damaged = content[: 2 * len(content) // 3] + bytes(100) + content[2 * len(content) // 3 + 100 :]
    requests = [config(audio=spec_of(encoding)), *map(audio, cut(damaged, [900] * (len(damaged) // 900)))]
    heard = []

    async def hear(call):
        async for answer in call:
            heard.append(answer)  # noqa: PERF401 - an error must not lose what came before it

    async with running_server() as server, stub_of(server) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await hear(stub.StreamingRecognize(iter(requests)))
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "damaged" in failed.value.details()
    assert [one.label for one in detections(heard)][:2] == ["low", "high"]


@pytest.mark.parametrize(("sent", "encoding"), [("FLAC", "OGG_OPUS"), ("OGG_OPUS", "FLAC"), ("WAV", "FLAC")])
@asynchronous
async def test_another_encoding_than_the_one_named_is_refused(sent, encoding):
    content = in_form(sent, COMMANDS)
    async with running_server() as server, stub_of(server) as stub:
        said_no = await refusal(responses(stub, [config(audio=spec_of(encoding)), audio(content)]))
    assert (said_no.code, said_no.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("audio.content",))
    assert "set audio.encoding to what it is" in said_no.message


@asynchronous
async def test_minutes_in_a_few_bytes_are_refused_like_minutes_where_the_server_does_not_keep_up():
    scorer = ObedientScorer()
    scorer.may_go.clear()
    content = in_form("FLAC", np.concatenate([COMMANDS, np.zeros(16_000 * 600, np.float32)]))
    assert len(content) < 100_000
    async with running_server(scorer) as server, stub_of(server) as stub:
        said_no = await refusal(responses(stub, [config(audio=spec_of("FLAC")), audio(content)]))
        scorer.may_go.set()
        assert said_no.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert said_no.retry_seconds
        info = await stub.GetServerInfo(pb.GetServerInfoRequest())
    assert info.num_active_streams == 0


@asynchronous
async def test_a_stream_that_is_cancelled_leaves_no_thread_and_no_place_taken():
    async with running_server() as server, stub_of(server) as stub:
        # Whatever the loop's own workers and gRPC start once is there after the first stream.
        await responses(stub, [config(audio=spec_of("FLAC")), audio(in_form("FLAC", COMMANDS))])
        before = threading.active_count()
        for encoding in ENCODINGS * 3:
            call = stub.StreamingRecognize()
            await call.write(config(audio=spec_of(encoding)))
            await call.write(audio(in_form(encoding, COMMANDS)[:3_000]))
            await call.read()
            call.cancel()
        info = await stub.GetServerInfo(pb.GetServerInfoRequest())
        assert info.num_active_streams <= 1
        assert threading.active_count() <= before + 1
        assert {pb.FLAC, pb.OGG_OPUS, pb.WAV} < set(info.stream_encodings)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_command_sends_a_file_as_it_is(encoding, tmp_path):
    path = tmp_path / "said"
    path.write_bytes(in_form(encoding, COMMANDS))
    with server_in_thread() as server:
        arguments = ["stream", str(path), "--address", server.address, "--encoding", encoding.lower()]
        done = subprocess.run(
            [sys.executable, "-m", "speechtune", *arguments], check=False, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if '"low"' in line and "detection" in line]
