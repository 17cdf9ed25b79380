"""The background speech that ships with the package is what its index says."""

import numpy as np

from data_scripts.render_background_speech import texts
from speechtune.data.variation.background_speech import background_stretches, samples_of, without_commands


def test_every_text_of_the_script_is_in_the_index_in_its_order() -> None:
    assert [(one.language, one.text, one.is_word) for one in background_stretches()] == list(texts())


def test_every_stretch_is_audible_and_lies_after_the_one_before() -> None:
    end = 0
    for stretch in background_stretches():
        assert end <= stretch.start_sample < stretch.end_sample
        end = stretch.end_sample
        samples = samples_of(stretch)
        assert len(samples) == stretch.end_sample - stretch.start_sample
        assert np.abs(samples).max() > 0.01, stretch.text


def test_many_voices_and_languages_are_there() -> None:
    stretches = background_stretches()
    assert len({stretch.voice for stretch in stretches}) > 100
    assert len({stretch.language for stretch in stretches}) > 40


def test_stretches_that_hold_a_command_are_left_out_whatever_its_case() -> None:
    kept = without_commands(background_stretches(), ["Stop", "smart_mirror"])
    texts_left = " ".join(stretch.text.lower() for stretch in kept)
    assert " stop" not in texts_left
    assert "smart" in texts_left
    assert len(kept) > 0.95 * len(background_stretches())
