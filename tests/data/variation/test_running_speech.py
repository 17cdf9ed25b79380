"""Running speech out of single words: how long, how loud, of which words, and without clicks."""

import numpy as np
import pytest

from speechtune.data.variation.running_speech import running_speech, spoken_part

WINDOW = 16_000


def word(value: float, num_samples: int = 6_000) -> np.ndarray:
    return np.full(num_samples, value, dtype=np.float32)


def test_a_word_loses_the_quiet_round_it_and_has_the_level_of_all() -> None:
    clip = np.zeros(16_000, dtype=np.float32)
    clip[5_000:9_000] = 0.01 * np.sin(np.arange(4_000))
    part = spoken_part(clip)
    assert 4_000 <= len(part) <= 5_000
    louder = spoken_part(30.0 * clip)
    assert len(louder) == len(part)
    assert np.abs(louder - part).max() < 1e-4
    assert 20.0 * np.log10(np.sqrt(np.square(part).mean())) == pytest.approx(-23.0, abs=0.1)


def test_silence_is_taken_as_it_is() -> None:
    assert np.array_equal(spoken_part(np.zeros(800, dtype=np.float32)), np.zeros(800, dtype=np.float32))


@pytest.mark.parametrize("num_samples", [10, 700, 6_000, 40_000])
def test_a_stretch_fills_half_a_window_to_a_window_whatever_the_words_are(num_samples: int) -> None:
    rng = np.random.default_rng(0)
    lengths = [len(running_speech([word(0.1, num_samples)], WINDOW, rng)) for _ in range(50)]
    assert 0.45 * WINDOW - 1 <= min(lengths) < 0.6 * WINDOW
    assert 0.85 * WINDOW < max(lengths) <= WINDOW


def test_words_follow_each_other_and_no_cut_is_a_click() -> None:
    values = (0.1, 0.2, 0.3)
    words = [word(value) for value in values]
    stretches = [running_speech(words, WINDOW, np.random.default_rng(seed)) for seed in range(40)]
    heard = [sum(bool(np.isclose(stretch, value, atol=1e-6).any()) for value in values) for stretch in stretches]
    assert max(heard) == 3
    assert np.mean(heard) > 1.5
    for stretch in stretches:
        assert stretch.dtype == np.float32
        assert stretch[0] == stretch[-1] == 0.0
        assert np.abs(np.diff(stretch)).max() < 0.3 / 30  # a fade that a cut fades once more


def test_the_same_numbers_make_the_same_stretch_and_words_stay_as_they_are() -> None:
    words = [word(0.1), word(0.2)]
    one, other = (running_speech(words, WINDOW, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one, other)
    assert np.array_equal(words[0], word(0.1))
