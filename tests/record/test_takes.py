"""The verdict on one take."""

import numpy as np
import pytest

from speechtune.record.prompts import Prompt
from speechtune.record.takes import Stretch, judge_take
from tests.support.clips import word_like

YES, BACKGROUND = Prompt("yes", "yes", 1), Prompt("_background_noise_", None, 1)
MARGIN = 3_200


def room(num_samples, level=0.0005):
    return (level * np.random.default_rng(0).standard_normal(num_samples)).astype(np.float32)


def kinds(take):
    return [fault.kind for fault in take.faults]


def test_a_take_is_cut_to_its_speech_with_a_margin_and_good():
    heard = room(40_000)
    heard[10_000:22_000] += word_like(1)
    take = judge_take(YES, heard, Stretch(12_000, 20_000), MARGIN)
    assert np.array_equal(take.samples, heard[8_800:23_200])
    assert take.is_good
    assert take.measures.num_samples == 14_400


def test_margins_end_where_the_sound_does():
    heard = word_like(1)
    take = judge_take(YES, heard, Stretch(1_000, 11_500), MARGIN)
    assert np.array_equal(take.samples, heard)


@pytest.mark.parametrize(
    ("heard", "kind"),
    [(np.zeros(0), "silent"), (np.zeros(16_000), "silent"), (room(16_000, 0.01), "no_speech")],
)
def test_a_take_without_speech_says_so(heard, kind):
    take = judge_take(YES, heard.astype(np.float32), None, MARGIN)
    assert kinds(take) == [kind]
    assert len(take.samples) >= 1


def test_faults_of_the_sound_are_told():
    clipped = np.concatenate([room(8_000), np.clip(5 * word_like(2), -1, 1), room(8_000)])
    assert kinds(judge_take(YES, clipped, Stretch(9_000, 19_000), MARGIN)) == ["clipped"]
    cut = np.concatenate([word_like(3)[6_000:], room(8_000)])
    assert kinds(judge_take(YES, cut, Stretch(0, 5_000), MARGIN)) == ["cut_off_start"]


def test_a_quiet_take_that_is_clear_of_its_noise_is_good_and_noted():
    heard = 0.3 * room(40_000, 0.00005)
    heard[10_000:22_000] += 0.018 * word_like(1)
    take = judge_take(YES, heard, Stretch(12_000, 20_000), MARGIN)
    assert take.measures.peak_dbfs == pytest.approx(-45.4, abs=0.5)
    assert take.is_good
    (note,) = take.notes
    assert note.startswith("quiet, but clear of its noise")
    noisy = heard + room(40_000, 0.0007)
    take = judge_take(YES, noisy, Stretch(12_000, 20_000), MARGIN)
    assert "quiet" in kinds(take)
    assert take.notes == ()


def test_background_keeps_its_whole_length_and_must_hold_sound_and_no_speech():
    quiet = judge_take(BACKGROUND, room(32_000), None, MARGIN)
    assert quiet.is_good
    assert len(quiet.samples) == 32_000
    assert kinds(judge_take(BACKGROUND, np.zeros(32_000, dtype=np.float32), None, MARGIN)) == ["silent"]
    assert kinds(judge_take(BACKGROUND, room(32_000), Stretch(100, 5_000), MARGIN)) == ["speech_heard"]
