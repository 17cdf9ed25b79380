"""FLAC piece by piece: the samples are the file's, however it is cut; what is damaged is said, and where."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.errors import InvalidRequestError, UnreadableAudioError
from speechtune_server.decoding.flac import FlacStream
from speechtune_server.decoding.flac_frames import StreamInfo, frame_header
from tests.support.files import by_libsndfile, flac_frames, in_form, pieces_of, samples_of
from tests.support.serving import COMMANDS
from tests.support.streaming import cut

NOISY = (COMMANDS + np.random.default_rng(1).normal(0, 0.01, len(COMMANDS))).astype(np.float32)
CONTENT = in_form("FLAC", NOISY)
PCM = np.round(by_libsndfile(CONTENT) * 32_768).astype("<i2").tobytes()
HEADER, FRAMES = flac_frames(CONTENT)
PICTURE = b"\x06" + (100_000).to_bytes(3, "big") + bytes(100_000)


def gather(came, pieces):
    """Keep what comes before an error too."""
    for piece in pieces:
        came += piece


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 8), (11_025, 3), (16_000, 1), (44_100, 2), (96_000, 2)])
def test_every_depth_rate_and_number_of_channels_comes_out_as_libsndfile_reads_it(subtype, rate, channels):
    content = in_form("FLAC", np.stack([NOISY * (1 - 0.1 * n) for n in range(channels)], axis=1), rate, subtype)
    stream = FlacStream()
    assert np.array_equal(samples_of(stream, cut(content, [999] * 60)), by_libsndfile(content))
    assert (stream.form.rate_hz, stream.form.channels) == (rate, channels)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=60))
def test_however_it_is_cut_the_samples_are_the_files(lengths):
    assert b"".join(pieces_of(FlacStream(), cut(CONTENT, lengths))) == PCM


@pytest.mark.parametrize("samples", [NOISY, np.zeros(20_000, np.float32)], ids=["noise", "digital silence"])
def test_single_bytes_will_do(samples):
    content = in_form("FLAC", samples)
    stream = FlacStream()
    assert np.array_equal(samples_of(stream, (content[i : i + 1] for i in range(len(content)))), by_libsndfile(content))


def test_a_frame_that_is_sent_whole_is_decoded_at_once():
    stream = FlacStream()
    assert b"".join(stream.receive(HEADER)) == b""
    for index, frame in enumerate(FRAMES):
        came = b"".join(stream.receive(frame))
        assert came == PCM[8_192 * index :][: len(came)]
        assert len(came) == 8_192 or frame is FRAMES[-1]


def test_of_a_file_that_is_cut_anywhere_nothing_waits_but_the_frame_that_is_not_complete():
    stream, num_bytes, num_samples = FlacStream(), 0, 0
    ends = np.cumsum([len(HEADER), *map(len, FRAMES)])
    for chunk in cut(CONTENT, [100] * (len(CONTENT) // 100)):
        num_samples += len(b"".join(stream.receive(chunk))) // 2
        num_bytes += len(chunk)
        # A sixteenth of a frame, the next one's header, and a chunk: so late at most.
        whole = int(np.sum(ends[1:] <= num_bytes - 116))
        assert num_samples >= min(4_096 * whole, len(NOISY))


def test_what_stands_before_and_after_the_frames_is_passed():
    assert HEADER[4] == 0
    content = HEADER[:42] + PICTURE + HEADER[42:] + b"".join(FRAMES) + b"TAG" + bytes(125)
    for chunks in ([content], cut(content, [50] * 3_000)):
        assert np.array_equal(samples_of(FlacStream(), chunks), by_libsndfile(CONTENT))


def test_a_recording_that_is_still_being_written_does_not_know_its_length_and_one_may_be_joined_late():
    unknown = bytearray(HEADER)
    unknown[21:26] = bytes([HEADER[21] & 0xF0]) + bytes(4)
    assert len(samples_of(FlacStream(), [bytes(unknown), *FRAMES[:3]])) == 3 * 4_096
    assert len(samples_of(FlacStream(), [bytes(unknown), *FRAMES[3:6]])) == 3 * 4_096


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"RIFF" + bytes(100), "not a FLAC"),
        (b"fLaX" + bytes(100), "not a FLAC"),
        (b"fLaC\x04\0\0\x22" + bytes(100), "begin with its STREAMINFO"),
        (b"fLaC\0\0\0\x21" + bytes(100), "begin with its STREAMINFO"),
        (CONTENT[:18] + struct.pack(">I", 4_000 << 12) + CONTENT[22:], "4000 Hz"),
        (CONTENT[:18] + struct.pack(">I", 192_000 << 12) + CONTENT[22:], "192000 Hz"),
        (CONTENT[:8] + bytes(4) + CONTENT[12:], "damaged"),
    ],
)
def test_what_is_no_flac_of_a_form_we_take_is_refused_by_what_is_wrong(content, hint):
    for chunks in ([content], cut(content, [1] * 60)):
        with pytest.raises(InvalidRequestError, match=hint):
            samples_of(FlacStream(), chunks)


@pytest.mark.parametrize("length", [3, 30, len(HEADER) - 1, len(HEADER) + 3, len(HEADER) + 5_000, len(CONTENT) - 1])
def test_a_file_that_is_cut_off_gives_its_whole_frames_and_says_so(length):
    came, pieces = bytearray(), pieces_of(FlacStream(), [CONTENT[:length]])
    with pytest.raises(UnreadableAudioError, match="cut off after"):
        gather(came, pieces)
    num_whole = int(np.sum(np.cumsum([len(HEADER), *map(len, FRAMES)])[1:] <= length))
    assert bytes(came) == PCM[: 8_192 * num_whole]


def test_a_file_without_its_last_frames_is_cut_off_too():
    with pytest.raises(UnreadableAudioError, match=r"cut off after 1\.024 s"):
        samples_of(FlacStream(), [HEADER, *FRAMES[:4]])


def changed(content, place, value):
    return content[:place] + bytes([content[place] ^ value]) + content[place + 1 :]


@pytest.mark.parametrize("chunk", [10**9, 700, 1])
def test_what_is_damaged_is_said_and_what_came_before_is_given(chunk):
    flipped = [*FRAMES[:2], changed(FRAMES[2], 500, 4), *FRAMES[3:]]
    missing = [*FRAMES[:2], *FRAMES[3:]]
    foreign = [*FRAMES[:2], bytes(30_000), *FRAMES[2:]]
    endless = [*FRAMES[:2], FRAMES[2][:100] + bytes(30_000)]
    for frames, hint in ((flipped, "check sum"), (missing, "does not come"), (foreign, ""), (endless, "")):
        content = HEADER + b"".join(frames)
        stream, came = FlacStream(), bytearray()
        pieces = pieces_of(stream, cut(content, [chunk] * (len(content) // chunk + 1)))
        with pytest.raises(UnreadableAudioError, match=f"damaged after .*{hint}"):
            gather(came, pieces)
        # Of the frame right before it nobody can tell where it ends, unless it was here before the damage was.
        assert len(came) in {8_192, 16_384}
        assert PCM.startswith(came)
        assert len(stream._waiting) < 70_000 or chunk == 10**9


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255), st.integers(1, 4_000))
def test_one_changed_byte_never_gives_other_samples_unless_the_header_says_so(place, value, chunk):
    content = changed(CONTENT, place, value)
    try:
        samples = samples_of(FlacStream(), cut(content, [chunk] * (len(content) // chunk)))
    except (InvalidRequestError, UnreadableAudioError):
        return
    # Comments, unused numbers of the header, the check sum over all that only whole files are read for.
    assert place < len(HEADER)
    assert len(samples) == len(NOISY)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3_000), st.integers(0, len(FRAMES)), st.integers(1, 1_000))
def test_bytes_by_chance_are_refused_and_never_more(junk, num_frames, chunk):
    content = HEADER + b"".join(FRAMES[:num_frames]) + junk
    try:
        samples_of(FlacStream(), cut(content, [chunk] * (len(content) // chunk)))
    except (InvalidRequestError, UnreadableAudioError):
        return
    assert num_frames == len(FRAMES)


def test_a_frames_header_is_read_as_ffmpegs_parser_cuts_the_frames():
    info = StreamInfo.of(CONTENT[8:42])
    headers = [frame_header(frame[:16], info) for frame in FRAMES]
    assert [one.number for one in headers] == list(range(len(FRAMES)))
    assert sum(one.num_samples for one in headers) == info.num_samples == len(NOISY)
    assert frame_header(changed(FRAMES[0], 5, 1)[:16], info) is None
    assert frame_header(FRAMES[0][:5], info) is None
    # 2,000 frames on, a number takes two bytes, and three.
    long = flac_frames(in_form("FLAC", np.zeros(4_096 * 2_100, np.float32)))[1]
    assert [frame_header(long[n][:16], info).number for n in (127, 128, 2_047, 2_048)] == [127, 128, 2_047, 2_048]
