"""Ogg Opus piece by piece: the samples are the file's, however it is cut; what is damaged is said."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.decoding.ogg import OggPages, page_check_sum
from speechtune_server.decoding.opus import OpusStream, num_samples_of
from tests.support.files import by_libsndfile, in_form, pieces_of, samples_of
from tests.support.serving import COMMANDS
from tests.support.streaming import cut

NOISY = (COMMANDS + np.random.default_rng(1).normal(0, 0.01, len(COMMANDS))).astype(np.float32)
CONTENT = in_form("OGG_OPUS", NOISY)
PCM = b"".join(pieces_of(OpusStream(), [CONTENT]))
PAGES = [place for place in range(len(CONTENT)) if CONTENT.startswith(b"OggS", place)]


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (16_000, 1), (24_000, 2), (48_000, 2), (48_000, 6)])
def test_every_rate_and_number_of_channels_comes_out_as_libsndfile_reads_it(rate, channels):
    content = in_form("OGG_OPUS", np.stack([NOISY * (1 - 0.1 * n) for n in range(channels)], axis=1), rate)
    stream, expected = OpusStream(), by_libsndfile(content)
    samples = samples_of(stream, cut(content, [999] * 60))
    assert (stream.form.rate_hz, stream.form.channels) == (48_000, channels)
    # libsndfile gives Opus at the rate that was recorded, by leaving samples out; libopus rounds to 16 bits here.
    assert abs(len(samples) * rate / 48_000 - len(expected)) < 2
    if rate == 48_000:
        assert np.abs(samples[: len(expected)] - expected).max() < 2 / 32_768


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=60))
def test_however_it_is_cut_the_samples_are_the_files(lengths):
    assert b"".join(pieces_of(OpusStream(), cut(CONTENT, lengths))) == PCM


def test_single_bytes_will_do():
    assert b"".join(pieces_of(OpusStream(), (CONTENT[i : i + 1] for i in range(len(CONTENT))))) == PCM


def test_a_page_that_is_sent_whole_is_decoded_at_once():
    stream, ends = OpusStream(), [*PAGES[1:], len(CONTENT)]
    came = [len(b"".join(stream.receive(CONTENT[start:end]))) for start, end in zip(PAGES, ends, strict=True)]
    assert came[:2] == [0, 0]
    assert all(came[2:])
    assert sum(came) == len(PCM)


def test_a_recording_that_was_switched_off_between_two_pages_is_whole():
    assert PCM.startswith(b"".join(pieces_of(OpusStream(), [CONTENT[: PAGES[3]]])))


def vorbis():
    content = io.BytesIO()
    soundfile.write(content, NOISY, 16_000, format="OGG", subtype="VORBIS")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "hint"),
    [(b"RIFF" + bytes(100), "not an Ogg"), (vorbis(), "does not hold Opus"), (CONTENT[PAGES[2] :], "first page")],
)
def test_what_is_no_opus_from_its_beginning_is_refused_by_what_is_wrong(content, hint):
    for chunks in ([content], cut(content, [1] * 60)):
        with pytest.raises(InvalidRequestError, match=hint):
            samples_of(OpusStream(), chunks)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (CONTENT[:-1], "cut off"),
        (CONTENT[: PAGES[2] - 1], "cut off"),
        (CONTENT[: PAGES[3]] + CONTENT[PAGES[4] :], "a page is missing"),
        (CONTENT[: PAGES[3] + 100] + bytes(1) + CONTENT[PAGES[3] + 101 :], "check sum"),
        (CONTENT[: PAGES[3]] + bytes(10) + CONTENT[PAGES[3] :], "a page is due"),
        (CONTENT + CONTENT, "more than one stream"),
    ],
)
def test_what_is_damaged_is_said(content, hint):
    for chunks in ([content], cut(content, [700] * (len(content) // 700))):
        with pytest.raises(UnreadableAudioError, match=hint):
            samples_of(OpusStream(), chunks)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255), st.integers(1, 4_000))
def test_one_changed_byte_is_always_seen(place, value, chunk):
    content = CONTENT[:place] + bytes([CONTENT[place] ^ value]) + CONTENT[place + 1 :]
    with pytest.raises((InvalidRequestError, UnreadableAudioError)):
        samples_of(OpusStream(), cut(content, [chunk] * (len(content) // chunk)))


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=400))
def test_packets_by_chance_say_a_length_that_opus_has_or_are_refused(packet):
    try:
        num_samples = num_samples_of(packet)
    except UnreadableAudioError:
        return
    assert num_samples % 120 == 0
    assert 120 <= num_samples <= 5_760


def test_a_packet_that_goes_on_over_pages_for_ever_is_refused():
    pages = OggPages()
    first = next(pages.receive(CONTENT[: PAGES[1]]))
    assert first.packets[0].startswith(b"OpusHead")
    endless = b"".join(page_of(bytes(255 * 255), number, is_continued=number > 1) for number in range(1, 20))
    with pytest.raises(UnreadableAudioError, match="a packet has more than"):
        list(pages.receive(endless))


def page_of(body, number, *, is_continued):
    """A page of full segments: its packet goes on."""
    serial = struct.unpack_from("<I", CONTENT, 14)[0]
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, int(is_continued), -1, serial, number, 0, 255) + b"\xff" * 255
    page = head + body
    return page[:22] + struct.pack("<I", page_check_sum(page)) + page[26:]
