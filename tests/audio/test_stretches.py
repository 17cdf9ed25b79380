"""A stretch of a recording equals the same stretch of the whole."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.files import read_audio
from speechtune.audio.stretches import read_stretch
from speechtune.errors import UnreadableAudioError
from tests.support.clips import word_like, write_audio


@pytest.fixture(scope="module", params=[8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def recording(request, tmp_path_factory):
    rate_hz = request.param
    path = tmp_path_factory.mktemp("long") / f"{rate_hz}.wav"
    samples = np.concatenate([word_like(seed, rate_hz // 2) for seed in range(4)])
    return write_audio(path, np.stack([samples, samples[::-1]], axis=1), rate_hz, "FLOAT")


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_a_stretch_is_what_a_cut_of_the_whole_would_be(recording, data):
    whole = read_audio(recording)
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    stretch = read_stretch(recording, start, end)
    assert stretch.shape == (end - start,)
    # The tolerance is that of 20-bit resampling; without resampling there is none.
    assert np.max(np.abs(stretch - whole[start:end])) < 1e-4


def test_a_stretch_beyond_the_end_is_refused(recording):
    length = len(read_audio(recording))
    with pytest.raises(
        UnreadableAudioError, match=f"has {length} samples at 16 kHz, a clip of it ends at {length + 1}"
    ):
        read_stretch(recording, 0, length + 1)


def test_what_is_no_audio_or_not_there_is_refused(tmp_path):
    (tmp_path / "text.wav").write_text("not audio")
    for name, reason in (("text.wav", "not readable as audio"), ("gone.wav", "cannot be opened")):
        with pytest.raises(UnreadableAudioError, match=rf"{name}: {reason}"):
            read_stretch(tmp_path / name, 0, 100)


def test_nan_within_the_stretch_is_refused(tmp_path):
    samples = np.zeros(40_000, dtype=np.float32)
    samples[100] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(UnreadableAudioError, match=r"nan.wav: holds NaN"):
        read_stretch(tmp_path / "nan.wav", 0, 200)
    assert len(read_stretch(tmp_path / "nan.wav", 30_000, 31_000)) == 1_000
