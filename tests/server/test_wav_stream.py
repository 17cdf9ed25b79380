"""WAV files in streams: read as they come, whatever program wrote them."""

from __future__ import annotations

import io
import struct

import grpc
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from speechtune.audio.pcm import PcmEncoding
from speechtune.errors import InvalidRequestError
from speechtune_client import AsyncCommandClient, CommandClient, Detection
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.wav_stream import WavStream
from tests.support.serving import (
    COMMANDS,
    COMMANDS_CONTENT,
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
from tests.support.streaming import cut

WAV = pb.AudioSpec(encoding=pb.WAV)
LIST = b"LIST" + struct.pack("<I", 5) + b"hello\0"


def wav(subtype="PCM_16", rate=16_000, samples=COMMANDS, form="WAV"):
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=form, subtype=subtype)
    return content.getvalue()


def by_hand(size=None, before=b"", tag=1, bits=16, rate=16_000, channels=1, samples=COMMANDS_CONTENT, after=b""):
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    size = len(samples) if size is None else size
    chunks = before + b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + samples + after
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def read(chunks):
    stream = WavStream()
    return stream, b"".join(piece for chunk in chunks for piece in stream.receive(chunk))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=20))
def test_however_it_is_cut_the_samples_are_the_files(lengths):
    stream, samples = read(cut(by_hand(before=LIST, after=LIST), lengths))
    assert samples == COMMANDS_CONTENT
    assert (stream.form.encoding, stream.form.rate_hz, stream.form.channels) == (PcmEncoding.LINEAR16, 16_000, 1)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF - 36])
def test_a_recording_that_is_still_being_written_has_no_size(size):
    assert read([by_hand(size)])[1] == COMMANDS_CONTENT


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"fLaC" + bytes(100), "not a WAV"),
        (b"RIFF" + bytes(4) + b"AVI " + bytes(100), "not a WAV"),
        (by_hand(bits=20), "20 bits"),
        (by_hand(tag=0x55), "format 85"),
        (by_hand(rate=4_000), "4000 Hz"),
        (by_hand(channels=99), "99 channels"),
        (b"RIFF" + bytes(4) + b"WAVEdata" + bytes(4), "before their format"),
        (b"RIFF" + bytes(4) + b"WAVEfmt " + struct.pack("<I", 8) + bytes(8), "cut off"),
        (b"RIFF" + bytes(4) + b"WAVEjunk" + struct.pack("<I", 2**31) + bytes(70_000), "no samples within"),
    ],
)
def test_what_is_no_wav_of_a_form_we_take_is_refused_by_what_is_wrong(content, hint):
    for chunks in ([content], cut(content, [1] * 60)):
        with pytest.raises(InvalidRequestError, match=hint):
            read(chunks)


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_width_comes_out_as_libsndfile_reads_it(subtype, form):
    content = wav(subtype, samples=np.stack([COMMANDS, -0.5 * COMMANDS], axis=1), form=form)
    for lengths in ([], [1] * 300 + [997] * 99):
        stream, samples = read(cut(content, lengths))
        heard = np.frombuffer(samples, stream.form.encoding.dtype).astype(np.float32)
        heard /= 32_768 if stream.form.encoding is PcmEncoding.LINEAR16 else 1
        expected, _ = soundfile.read(io.BytesIO(content), dtype="float32")
        np.testing.assert_array_equal(heard.reshape(-1, 2), expected)
        assert not list(stream.end())


def test_what_is_no_whole_value_at_the_end_is_left_out():
    stream, samples = read([by_hand(bits=24, samples=bytes(10))])
    assert len(samples) == 3 * 4
    assert not list(stream.end())
    assert stream.notes == ()


def test_what_follows_the_samples_of_a_file_with_long_sizes_is_not_heard():
    content = bytearray(wav(form="RF64"))
    assert content[:4] == b"RF64"
    assert len(read([bytes(content) + LIST])[1]) == 2 * len(COMMANDS)


@pytest.mark.parametrize(
    ("subtype", "rate", "form"),
    [
        ("PCM_16", 16_000, "WAV"),
        ("FLOAT", 16_000, "WAV"),
        ("ULAW", 16_000, "WAV"),
        ("PCM_24", 44_100, "WAV"),
        ("PCM_16", 16_000, "WAVEX"),
    ],
)
@asynchronous
async def test_a_file_in_a_stream_gives_what_it_gives_as_a_clip(subtype, rate, form):
    content = wav(subtype, rate, resample_poly(COMMANDS, rate, 16_000), form)
    async with running_server() as server, stub_of(server) as stub:
        answers = await responses(stub, [config(audio=WAV), *map(audio, cut(content, [7, 30, 1] + [3_000] * 40))])
        clip = await stub.Recognize(pb.RecognizeRequest(audio=WAV, content=content))
    found = detections(answers)
    assert [one.label for one in found] == ["low", "high"]
    assert [one.start_offset.ToNanoseconds() for one in found] == [
        one.start_offset.ToNanoseconds() for one in clip.detections
    ]
    assert answers[0].started.audio.sample_rate_hertz == rate


@asynchronous
async def test_rates_beside_a_file_and_headers_that_never_come_are_refused():
    async with running_server(max_idle_seconds=0.3) as server, stub_of(server) as stub:
        for spec, content, field in (
            (pb.AudioSpec(encoding=pb.WAV, sample_rate_hertz=16_000), by_hand(), "config.audio.sample_rate_hertz"),
            (WAV, by_hand()[:20], "audio.content"),
        ):
            refused = await refusal(responses(stub, [config(audio=spec), audio(content)]))
            assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,))
        call = stub.StreamingRecognize()
        await call.write(config(audio=WAV))
        assert "did not begin within 0.3 s" in (await refusal(call.read())).message
        assert server.admission.num_streams == 0


def test_the_blocking_client_streams_a_long_file_no_faster_than_it_is_heard():
    content = by_hand(samples=COMMANDS_CONTENT * 6)
    with server_in_thread(max_in_flight_seconds=2.0) as server, CommandClient(server.address) as client:
        heard = list(client.stream([content], encoding="WAV"))
        with pytest.raises(ValueError, match="raw audio"):
            client.listen([content], encoding="WAV")
    assert [one.label for one in heard if isinstance(one, Detection)] == ["low", "high"] * 6


@asynchronous
async def test_the_async_client_streams_a_file_too():
    async with running_server(max_in_flight_seconds=2.0) as server, AsyncCommandClient(server.address) as client:
        heard = [event async for event in client.stream([by_hand(samples=COMMANDS_CONTENT * 3)], encoding="WAV")]
    assert [one.label for one in heard if isinstance(one, Detection)] == ["low", "high"] * 3
