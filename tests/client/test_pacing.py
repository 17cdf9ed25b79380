"""As far ahead of the server as it allows and no farther, whatever a second of the audio weighs."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune_client import AsyncCommandClient, CommandClient, Detection, Ended
from speechtune_client.pacing import Pace
from speechtune_client.wav_header import WavHeader
from tests.support.serving import COMMANDS, asynchronous, running_server, server_in_thread
from tests.support.streaming import cut
from tests.support.waiting import in_time

LABELS = ["low", "high"]
LIST = b"LIST" + struct.pack("<I", 5) + b"hello\0"
PAD = b"FLLR" + struct.pack("<I", 40_000) + bytes(40_000)


def wav(subtype, samples=COMMANDS, rate=16_000, form="WAV"):
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=form, subtype=subtype)
    return content.getvalue()


def with_chunks(content, before=b"", after=b""):
    return content[:12] + before + content[12:] + after


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize(
    ("subtype", "width"), [("PCM_U8", 1), ("PCM_16", 2), ("PCM_24", 3), ("PCM_32", 4), ("FLOAT", 4), ("DOUBLE", 8)]
)
def test_a_header_tells_what_a_second_weighs_and_where_the_samples_begin(subtype, width, form):
    samples = np.stack([COMMANDS, COMMANDS], axis=1)
    content = with_chunks(wav(subtype, samples, 44_100, form), before=LIST if form != "RF64" else b"")
    for lengths in ([], [1] * 200, [13, 5, 40]):
        header = WavHeader()
        num_header = sum(header.receive(chunk) for chunk in cut(content, lengths))
        assert header.is_complete
        assert header.bytes_per_second == 44_100 * 2 * width
        assert num_header == header.num_bytes == len(content) - samples.size * width
        assert header.num_sample_bytes == (None if form == "RF64" else samples.size * width)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 50), max_size=30))
def test_however_a_file_is_cut_its_pieces_are_the_file(lengths):
    content = with_chunks(wav("PCM_24"), before=LIST, after=LIST)
    pace = Pace({"encoding": "WAV"})
    assert b"".join(piece for chunk in cut(content, lengths) for piece in pace.pieces(chunk)) == content


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"fLaC" * 50, b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f" + bytes(70_000)]
)
def test_what_is_no_header_is_paced_as_before(content):
    header = WavHeader()
    header.receive(content)
    assert header.bytes_per_second is None
    assert header.num_bytes == (len(content) if len(content) < 12 else 0)


def test_what_comes_after_the_samples_is_not_waited_for():
    content = wav("PCM_16")
    pace = Pace({"encoding": "WAV"})
    list(pace.pieces(content))
    pace.sent(len(content) - 2 * len(COMMANDS))
    assert not pace.may_send(2 * len(COMMANDS) + 1_000_000)
    pace._processed_seconds = len(COMMANDS) / 16_000
    assert pace.may_send(2 * len(COMMANDS) + 1_000_000)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "DOUBLE", "FLOAT", "ULAW"])
@pytest.mark.parametrize("before", [b"", PAD], ids=["plain", "long header"])
def test_a_file_of_any_width_is_sent_as_fast_as_it_is_heard(subtype, before):
    content = with_chunks(wav(subtype, np.tile(COMMANDS, 5)), before, after=PAD * 4)
    heard = []
    with server_in_thread(max_in_flight_seconds=1.0) as server, CommandClient(server.address) as client:
        chunks = cut(content, [7, 30, 1] + [20_000] * 60)
        assert not in_time(lambda: heard.extend(client.stream(chunks, encoding="WAV")))
    assert [event.label for event in heard if isinstance(event, Detection)] == LABELS * 5


@asynchronous
async def test_the_async_client_sends_a_wide_file_to_its_end_too():
    content = wav("DOUBLE", np.tile(COMMANDS, 5))
    async with running_server(max_in_flight_seconds=1.0) as server, AsyncCommandClient(server.address) as client:
        heard = [event async for event in client.stream(cut(content, [20_000] * 60), encoding="WAV")]
    assert [event.label for event in heard if isinstance(event, Detection)] == LABELS * 5


@pytest.mark.parametrize("channels", [6, 8])
@pytest.mark.parametrize("encoding", ["FLOAT32", "WAV"])
def test_the_widest_audio_fits_the_smallest_limit(channels, encoding):
    silence = np.zeros((96_000 * 3, channels), dtype=np.float32)
    content = silence.tobytes() if encoding == "FLOAT32" else wav("FLOAT", silence, 96_000)
    form = {"sample_rate_hertz": 96_000, "channels": channels} if encoding == "FLOAT32" else {}
    heard = []
    with server_in_thread(max_in_flight_bytes=1 << 20) as server, CommandClient(server.address) as client:
        assert not in_time(lambda: heard.extend(client.stream([content], encoding=encoding, **form)))
    assert isinstance(heard[-1], Ended)
    assert heard[-1].audio_processed == pytest.approx(3.0)
