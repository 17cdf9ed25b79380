"""WAV headers that claim a wrong length: what is there is read, by every path alike, and a note says so."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from speechtune.audio.files import decode_sound, read_sound
from speechtune.audio.opening import opened_sound
from speechtune.audio.stretches import count_samples, read_stretch
from speechtune.errors import UnreadableAudioError
from speechtune.evaluation.recordings import audio_blocks
from speechtune_server.wav_stream import WavStream
from tests.support.clips import word_like

SAMPLES = np.round(word_like(1, 16_000) * 32_768) / 32_768
LIST = b"LIST" + struct.pack("<I", 4) + b"INFO"


def wav(size=None, form="WAV", subtype="PCM_16", endian="FILE", tail=b"", samples=SAMPLES):
    content = io.BytesIO()
    soundfile.write(content, samples, 16_000, format=form, subtype=subtype, endian=endian)
    content = bytearray(content.getvalue())
    place = content.index(b"data", 36) + 4
    if size is not None:
        content[place : place + 4] = struct.pack(">I" if endian == "BIG" else "<I", size)
    return bytes(content) + tail


def streamed(content, step=997):
    stream = WavStream()
    chunks = [content[start : start + step] for start in range(0, len(content), step)]
    samples = b"".join(piece for chunk in chunks for piece in stream.receive(chunk))
    samples += b"".join(stream.end())
    values = np.frombuffer(samples, stream.form.encoding.dtype).astype(np.float32)
    return values / (32_768 if stream.form.encoding.value == "linear16" else 1), stream.notes


CASES = {
    "no size": (wav(0), 16_000, "claims 0.000 s, 1.000 s are there"),
    "no size, then another part": (wav(0, tail=b""), 16_000, "claims 0.000 s"),
    "unknown size": (wav(0xFFFFFFFF), 16_000, "claims no length, 1.000 s are there"),
    "a megabyte too many": (wav(1_032_000), 16_000, "claims 32.250 s, 1.000 s are there"),
    "half of it": (wav(16_000), 16_000, "claims 0.500 s, 1.000 s are there"),
    "half a sample more": (wav(32_001, tail=b"\x07"), 16_000, None),
    "half a sample behind": (wav(tail=b"\x07"), 16_000, None),
    "four bytes behind": (wav(tail=b"\x07\1\2\3"), 16_002, "claims 1.000 s, 1.000 s are there"),
    "another part behind": (wav(tail=LIST), 16_000, None),
    "cut off": (wav()[: 44 + 10_001], 5_000, "claims 1.000 s, 0.312 s are there"),
    "long sizes unknown": (wav(0, form="RF64"), 16_000, None),
    "high byte first": (wav(0, endian="BIG"), 16_000, "claims 0.000 s"),
    "wide values": (wav(0, subtype="PCM_24", tail=b"\1\2"), 16_000, "claims 0.000 s"),
    "8 bits": (wav(0, subtype="PCM_U8"), 16_000, "claims 0.000 s"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_path_reads_the_same_samples_and_says_the_same(case, tmp_path):
    content, num_samples, said = CASES[case]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    sound = read_sound(path)
    assert len(sound.samples) == num_samples
    assert len(sound.notes) == (said is not None)
    assert said is None or said in sound.notes[0]
    decoded = decode_sound(content, "clip")
    np.testing.assert_array_equal(decoded.samples, sound.samples)
    assert decoded.notes == sound.notes
    for step in (1, 44, 997, 10**6):
        samples, notes = streamed(content, step)
        np.testing.assert_array_equal(samples, sound.samples)
        assert notes == sound.notes
    assert count_samples(path) == num_samples
    np.testing.assert_array_equal(read_stretch(path, 1_000, 4_000), sound.samples[1_000:4_000])
    np.testing.assert_array_equal(np.concatenate(list(audio_blocks(path).blocks)), sound.samples)


def test_a_file_that_truly_holds_nothing_is_told_so_by_all(tmp_path):
    for content in (wav(samples=SAMPLES[:0]), wav(samples=SAMPLES[:0], tail=LIST)):
        with pytest.raises(UnreadableAudioError, match="no samples"):
            decode_sound(content, "clip")
        with pytest.raises(UnreadableAudioError, match="no samples"):
            streamed(content)


def test_a_header_that_makes_no_sense_is_named(tmp_path):
    content = bytearray(wav())
    content[22:24] = bytes(2)
    with pytest.raises(UnreadableAudioError, match=r"clip: .*0 channels"):
        decode_sound(bytes(content), "clip")


def test_a_flac_from_a_pipe_that_does_not_know_its_length_is_read():
    for num_samples in (100, 4_096, 16_000):
        content = io.BytesIO()
        soundfile.write(content, SAMPLES[:num_samples], 16_000, format="FLAC")
        piped = bytearray(content.getvalue())
        piped[21] &= 0xF0
        piped[22:26] = bytes(4)
        np.testing.assert_array_equal(decode_sound(bytes(piped), "clip").samples, SAMPLES[:num_samples])


def test_a_file_is_not_changed_and_stays_usable(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(0))
    with opened_sound(path) as opened:
        assert opened.sound.frames == 16_000
        opened.sound.seek(8_000)
        np.testing.assert_array_equal(opened.sound.read(10, dtype="float32"), SAMPLES[8_000:8_010])
    assert path.read_bytes() == wav(0)
