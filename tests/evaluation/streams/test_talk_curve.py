"""How often talk makes a model fire at every level, and which level is taken."""

import itertools
import math

import numpy as np
import pytest

from speechtune.evaluation.streams.talk_curve import (
    LEVELS,
    TalkCurve,
    as_thresholds,
    choose_level,
    level_between,
)


def curve(peaks: list[float], hours: float = 0.1) -> TalkCurve:
    return TalkCurve(hours, tuple(sum(peak >= level for peak in peaks) for level in LEVELS))


def test_the_rate_falls_as_the_level_rises_and_goes_on_beyond_what_was_heard() -> None:
    heard = curve([-2.9, -2.4, -2.1, -1.6, -1.2, -0.4])
    rates = [heard.per_hour(level) for level in np.arange(-3.0, 8.0, 0.25)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    assert 0.0 < rates[-1] < 0.01 * rates[0]


def test_the_level_for_a_rate_is_the_lowest_that_keeps_it() -> None:
    heard = curve([-2.9, -2.4, -2.1, -1.6, -1.2, -0.4] * 20)
    level = heard.level_for(0.5)
    assert heard.per_hour(level) <= 0.5 < heard.per_hour(level - 0.1)


def test_where_nothing_fired_the_rate_is_bounded_by_the_hours_alone() -> None:
    silent = curve([], hours=0.05)
    assert 0.0 < silent.per_hour(2.0) < silent.per_hour(-2.0) < silent.interval(-2.0).high
    assert LEVELS[-1] < silent.level_for(0.5) < 0.0
    assert curve([], hours=5.0).level_for(0.5) == LEVELS[-1]
    assert silent.interval(0.0).low == 0.0


def test_heads_that_fire_more_often_than_the_final_one_count_for_less() -> None:
    peaks = [-2.9, -2.4, -2.1, -1.6, -1.2, -0.4] * 5
    plain = curve(peaks)
    of_words = TalkCurve(plain.hours, plain.counts, excess=30.0)
    assert of_words.per_hour(-2.0) == pytest.approx(plain.per_hour(-2.0) / 30.0)
    assert of_words.interval(-2.0).high == pytest.approx(plain.interval(-2.0).high / 30.0)
    both, _ = choose_level([of_words, plain], 0.5, np.full(50, 9.0), least=-3.0)
    alone, _ = choose_level([plain], 0.5, np.full(50, 9.0), least=-3.0)
    assert both == alone


def test_a_threshold_stands_inside_the_gap_and_not_at_its_edge() -> None:
    level, note = choose_level([curve([], hours=9.0)], 0.5, np.full(50, 1.0), least=-3.0)
    assert level == pytest.approx(-1.0)
    assert note is None
    high, _ = choose_level([curve([], hours=9.0)], 0.5, np.full(50, 9.0), least=-3.0)
    assert 1 / (1 + math.exp(-high)) == pytest.approx(0.35)


def test_talk_that_sounds_like_commands_does_not_make_the_model_deaf() -> None:
    commands = np.linspace(-3.0, 3.0, 61)
    level, note = choose_level([curve([5.5] * 500)], 0.5, commands, least=-3.0)
    assert (commands < level).mean() == pytest.approx(0.2, abs=0.02)
    assert note is not None
    assert "more recordings of other speech" in note


@pytest.mark.parametrize(
    ("minutes", "num_words", "missed"),
    [(0.3, 2, 0.08), (6.0, 2, 0.08), (0.3, None, 0.08), (6.0, 12, 0.2), (6.0, None, 0.2)],
)
def test_little_talk_may_cost_few_commands(minutes: float, num_words: int | None, missed: float) -> None:
    commands = np.linspace(-3.0, 3.0, 601)
    talk = TalkCurve(minutes / 60.0, (50,) * len(LEVELS), 35.0, num_words)
    level, note = choose_level([talk], 0.5, commands, least=5.0)
    assert (commands < level).mean() == pytest.approx(missed, abs=0.005)
    assert f"would miss more than {missed:.0%} of the commands" in str(note)


def test_without_recorded_talk_the_level_lies_between_commands_and_synthesised_speech() -> None:
    low = math.log(0.2 / 0.8)
    assert level_between(np.full(9, 1.0), np.full(90, -3.0)) == pytest.approx(-1.0)
    assert level_between(np.full(9, -6.0), np.full(90, -6.0)) == pytest.approx(low)
    assert level_between(np.zeros(0), np.zeros(0)) == 0.0


def test_each_keyword_has_the_level_and_its_own_shift() -> None:
    thresholds = as_thresholds(("yes", "no"), np.array([0.0, 20.0]), 0.0)
    assert thresholds == {"yes": 0.5, "no": 0.995}
