"""Small files that unpack to much: refused by what they declare, and never unpacked beyond it."""

from __future__ import annotations

import io
import tracemalloc

import grpc
import numpy as np
import pytest
import soundfile

from speechtune_client.v1 import command_recognition_pb2 as pb
from tests.support.serving import asynchronous, refusal, running_server, stub_of

RATE = 16_000
FLAC = pb.AudioSpec(encoding=pb.FLAC)


@pytest.fixture(scope="module")
def bomb():
    """An hour of silence: 115 MB of samples in some 600 kB."""
    content = io.BytesIO()
    soundfile.write(content, np.zeros(RATE * 3_600, dtype=np.int16), RATE, format="FLAC")
    assert len(content.getvalue()) < 1_000_000
    return content.getvalue()


def declaring(content, num_samples):
    """The same FLAC file, with another number of samples in its header (36 bits, from bit 4 of byte 21 on)."""
    data = bytearray(content)
    data[21] = (data[21] & 0xF0) | (num_samples >> 32)
    data[22:26] = (num_samples & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize("declared", [RATE * 3_600, RATE, 0, 2**36 - 1])
@asynchronous
async def test_whatever_a_bomb_declares_it_is_refused_or_read_no_further_than_that(bomb, declared):
    async with running_server(max_clip_seconds=60.0) as server, stub_of(server) as stub:
        tracemalloc.start()
        call = stub.Recognize(pb.RecognizeRequest(audio=FLAC, content=declaring(bomb, declared)))
        if declared == RATE:
            await call
        else:
            refused = await refusal(call)
            assert refused.code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 20_000_000
        assert server.admission.num_calls == 0


@asynchronous
async def test_many_channels_of_nothing_take_no_more_memory_than_one():
    content = io.BytesIO()
    soundfile.write(content, np.zeros((RATE * 100, 8), dtype=np.int16), 2 * RATE, format="FLAC")
    async with running_server(max_clip_seconds=60.0) as server, stub_of(server) as stub:
        tracemalloc.start()
        await stub.Recognize(pb.RecognizeRequest(audio=FLAC, content=content.getvalue()))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * 4 * RATE * 100  # all channels as they are
