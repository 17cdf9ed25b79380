"""Waveforms that coincide, and those that only sound alike."""

import io

import numpy as np
import pytest
import soundfile

from speechtune.audio.coincidence import coincidence
from speechtune.audio.files import decode_audio, read_audio
from tests.support.clips import word_like
from tests.support.speech import SPEECH_FOLDER, needs_speech


@pytest.mark.parametrize("gain", [-1.0, 0.02, 3.0])
def test_a_gain_and_a_shift_change_nothing(gain):
    samples = word_like(1)
    later = np.concatenate([np.zeros(700, dtype=np.float32), np.float32(gain) * samples])
    assert coincidence(samples, later) == pytest.approx(1.0, abs=0.01)


def test_it_does_not_matter_which_comes_first():
    one, other = word_like(1), word_like(2, 9_000)
    assert coincidence(one, other) == pytest.approx(coincidence(other, one))
    assert coincidence(one, other) < 0.5


@pytest.mark.parametrize("num_samples", [0, 1, 500])
def test_silence_of_any_length_coincides_with_nothing(num_samples):
    assert coincidence(np.zeros(num_samples, dtype=np.float32), word_like(1)) == 0.0


@needs_speech
def test_real_copies_coincide_and_takes_of_one_digit_by_one_person_do_not():
    paths = [SPEECH_FOLDER / "fsdd" / "6" / f"yweweler_{number}.flac" for number in (15, 17, 27, 28, 43, 45, 46)]
    takes = [read_audio(path) for path in paths]
    likest = max(coincidence(one, other) for n, one in enumerate(takes) for other in takes[:n])
    content = [io.BytesIO() for _ in takes]
    for file, take in zip(content, takes, strict=True):
        soundfile.write(file, 0.4 * take[300:], 16_000, format="OGG", subtype="VORBIS")
    copies = [decode_audio(file.getvalue(), "copy") for file in content]
    assert likest < 0.7 < min(coincidence(take, copy) for take, copy in zip(takes, copies, strict=True))
