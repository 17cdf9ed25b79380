"""Files of phones and browsers: decoded where PyAV is, named with the line that converts them where it is not."""

from __future__ import annotations

import io

import numpy as np
import pytest

from speechtune.audio import containers
from speechtune.audio.files import SUFFIXES, read_audio
from speechtune.audio.stretches import count_samples, read_stretch
from speechtune.data import walking
from speechtune.data.loading import load_clips
from speechtune.errors import ManifestError, UnreadableAudioError, UnsupportedAudioError
from tests.support.clips import make_folder, word_like

av = pytest.importorskip("av", reason="PyAV is not installed (pip install 'speechtune[media]')")

FORMS = {
    ".m4a": ("mp4", "aac", 16_000),
    ".mp4": ("mp4", "aac", 44_100),
    ".webm": ("webm", "libopus", 48_000),
    ".mka": ("matroska", "pcm_s16le", 16_000),
    ".wma": ("asf", "wmav2", 16_000),
    ".aac": ("adts", "aac", 16_000),
}
MARKS = {
    ".m4a": b"\0\0\0\x20ftypM4A ",
    ".mp4": b"\0\0\0\x20ftypisom",
    ".webm": b"\x1aE\xdf\xa3",
    ".amr": b"#!AMR\n",
    ".wma": b"0&\xb2u\x8ef\xcf\x11\xa6\xd9",
    ".aac": b"\xff\xf1\x50\x80",
}


def encoded(suffix, samples):
    form, codec, rate_hz = FORMS[suffix]
    content = io.BytesIO()
    with av.open(content, "w", format=form) as file:
        stream = file.add_stream(codec, rate=rate_hz)
        stream.layout, stream.bit_rate = "mono", 64_000
        frame = av.AudioFrame.from_ndarray(np.round(samples[None] * 32_767).astype(np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        for part in av.AudioResampler(stream.format, "mono", rate_hz, stream.frame_size or 1_024).resample(frame):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return content.getvalue()


@pytest.fixture
def without_decoder(monkeypatch):
    monkeypatch.setattr(containers, "has_decoder", lambda: False)
    monkeypatch.setattr(walking, "SUFFIXES", SUFFIXES - containers.CONTAINER_SUFFIXES)


@pytest.mark.parametrize("suffix", FORMS)
def test_they_are_decoded_whole_and_in_part(suffix, tmp_path):
    word = word_like(5, 32_000)
    path = tmp_path / f"word{suffix}"
    path.write_bytes(encoded(suffix, word))
    heard = read_audio(path)
    assert abs(len(heard) - 32_000) < 3_000
    likeness = np.correlate(np.pad(heard, 3_000), word, "valid").max() / np.linalg.norm(heard) / np.linalg.norm(word)
    assert likeness > 0.85
    assert count_samples(path) == len(heard)
    np.testing.assert_allclose(read_stretch(path, 8_000, 16_000), heard[8_000:16_000], atol=1e-3)


@pytest.mark.parametrize("suffix", MARKS)
def test_what_is_damaged_is_named(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(MARKS[suffix] + bytes(200))
    with pytest.raises(UnreadableAudioError, match=rf"a\{suffix}: .*(damaged|no sound|no samples)"):
        read_audio(path)


@pytest.mark.parametrize("suffix", MARKS)
def test_without_a_decoder_the_kind_and_the_line_that_converts_it_are_said(suffix, tmp_path, without_decoder):
    path = tmp_path / f"a b{suffix}"
    path.write_bytes(MARKS[suffix] + bytes(200))
    with pytest.raises(
        UnsupportedAudioError, match=rf"is an? \w+.* file; convert it: ffmpeg -i '.*a b\{suffix}' '.*a b.wav'"
    ):
        read_audio(path)


def test_a_folder_of_nothing_else_is_read_or_says_how_to_convert_it(tmp_path, monkeypatch):
    (tmp_path / "data" / "yes").mkdir(parents=True)
    (tmp_path / "data" / "yes" / "1.m4a").write_bytes(encoded(".m4a", word_like(1, 16_000)))
    assert len(load_clips(tmp_path / "data").clips) == 1
    monkeypatch.setattr(walking, "SUFFIXES", SUFFIXES - containers.CONTAINER_SUFFIXES)
    with pytest.raises(ManifestError, match=r"no clips \(1 × \.m4a; convert them: ffmpeg -i .*1\.m4a .*1\.wav\)"):
        load_clips(tmp_path / "data")
    make_folder(tmp_path / "data", {"yes": 1, "no": 1})
    assert any("ffmpeg -i" in note for note in load_clips(tmp_path / "data").notes)
