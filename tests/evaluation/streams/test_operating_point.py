from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechtune.errors import ConfigError, DataError
from speechtune.evaluation.streams.matching import SpokenWord
from speechtune.evaluation.streams.operating_point import choose_stream_thresholds, shifted
from speechtune.evaluation.streams.playback import Playback, PlayedRecording
from speechtune.evaluation.streams.recordings import Recording
from speechtune.evaluation.streams.scoring import score_streams
from speechtune.labels import LabelSet
from speechtune.recipe import SessionSettings
from speechtune.streaming.decision import Step, UtteranceBegan, WindowScored
from speechtune.streaming.windows import Span

LABELS = LabelSet(("yes", "no"), ("_unknown_",))
HOUR = 3600 * 16_000


def heard(scores: list[tuple[str | None, str, float]], hours: float = 10.0) -> Playback:
    """One utterance every minute: what was said in it (or nothing), the best keyword, its posterior."""
    steps: list[Step] = []
    spoken = []
    for index, (word, label, score) in enumerate(scores):
        start = 16_000 * 60 * index
        posteriors = np.full(4, (1.0 - score) / 3, dtype=np.float32)
        posteriors[LABELS.index(label)] = score
        steps += [UtteranceBegan(), WindowScored(Span(start, start + 9_000, start + 12_000), True, posteriors)]
        if word is not None:
            spoken.append(SpokenWord(word, start + 500, start + 8_500))
    recording = Recording(Path("tape.flac"), "tape.flac", tuple(spoken), has_truth=True)
    one = PlayedRecording(recording, round(hours * HOUR), tuple(steps), ())
    return Playback((one,), LABELS, {"yes": 0.9, "no": 0.6}, SessionSettings(), len(scores), 1.0, 0.5)


def words_and_false_accepts(seed: int) -> list[tuple[str | None, str, float]]:
    rng = np.random.default_rng(seed)
    scores: list[tuple[str | None, str, float]] = []
    for label, skill in (("yes", 3.0), ("no", 1.0)):
        scores += [(label, label, float(1 / (1 + np.exp(-rng.normal(skill, 1))))) for _ in range(150)]
        scores += [(None, label, float(1 / (1 + np.exp(-rng.normal(skill - 3, 1))))) for _ in range(100)]
    return scores


@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0])
def test_the_rate_is_kept_and_no_lower_common_level_keeps_it(rate):
    playback = heard(words_and_false_accepts(0))
    point = choose_stream_thresholds(playback, rate)
    assert point.num_allowed == int(rate * point.after.negative_hours)
    assert point.after.total.num_alone <= point.num_allowed
    lower = score_streams(playback.streams_at(shifted(point.thresholds, -0.25)), LABELS.keywords)
    assert lower.total.num_alone > point.num_allowed
    assert point.after == score_streams(playback.streams_at(point.thresholds), LABELS.keywords)


def test_more_words_are_heard_than_at_one_common_shift():
    playback = heard(words_and_false_accepts(1))
    point = choose_stream_thresholds(playback, 1.0)
    allowed = [
        scores.total.num_heard
        for shift in np.arange(-6, 6, 0.125)
        if (scores := score_streams(playback.streams_at(shifted(playback.thresholds, shift)), LABELS.keywords))
        and scores.total.num_alone <= point.num_allowed
    ]
    assert point.after.total.num_heard >= max(allowed)


def test_hours_that_are_too_few_allow_none_and_say_so():
    point = choose_stream_thresholds(heard([(None, "yes", 0.8), ("no", "no", 0.7)], hours=0.5), 0.5)
    assert (point.num_allowed, point.after.total.num_alone) == (0, 0)
    assert point.after.total.num_heard == 1
    assert any("too short" in note for note in point.notes)


def test_negatives_alone_are_enough_and_move_all_thresholds_together():
    playback = heard([(None, "yes", 0.8), (None, "no", 0.5), (None, "no", 0.3)])
    point = choose_stream_thresholds(playback, 0.1)
    assert point.after.total.num_alone == 1

    def logit(level: float) -> float:
        return float(np.log(level / (1 - level)))

    moves = [logit(point.thresholds[keyword]) - logit(level) for keyword, level in playback.thresholds.items()]
    assert moves[0] == pytest.approx(moves[1])


def test_false_accepts_that_no_threshold_stops_are_told():
    point = choose_stream_thresholds(heard([(None, "yes", 0.999)] * 3), 0.1)
    assert point.after.total.num_alone == 3
    assert any("even thresholds of 0.995" in note for note in point.notes)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ConfigError, match="--fa-per-hour"):
        choose_stream_thresholds(heard([]), rate)


def test_audio_that_is_all_keywords_is_refused():
    playback = heard([("yes", "yes", 0.9)])
    whole = Recording(Path("a"), "a", (SpokenWord("yes", 0, 16_000),), has_truth=True)
    tape = PlayedRecording(whole, 16_000, playback.heard[0].steps, ())
    with pytest.raises(DataError, match="no audio without keywords"):
        choose_stream_thresholds(Playback((tape,), LABELS, {"yes": 0.9, "no": 0.6}, SessionSettings(), 1, 1, 1), 1.0)
