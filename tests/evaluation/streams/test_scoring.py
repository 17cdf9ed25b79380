from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from speechtune.errors import DataError, ManifestError
from speechtune.evaluation.streams.matching import PlayedStream, SpokenWord, match_events
from speechtune.evaluation.streams.scoring import score_streams, stream_det
from speechtune.evaluation.streams.truth import read_truth, write_truth
from speechtune.streaming.events import Detection

HOUR = 3600 * 16_000


@dataclass(frozen=True)
class Event:
    label: str
    start_sample: int
    end_sample: int
    decision_sample: int = 0
    confidence: float = 0.9


def at(label: str, second: float, confidence: float = 0.9) -> Event:
    """A detection of a one-second window that begins at `second`, decided 0.2 s after its end."""
    start = round(second * 16_000)
    return Event(label, start, start + 16_000, start + 19_200, confidence)


def said(label: str, second: float) -> SpokenWord:
    start = round(second * 16_000)
    return SpokenWord(label, start, start + 8_000)


def stream(spoken: list[SpokenWord], detections: list[Event], num_samples: int = HOUR) -> PlayedStream:
    return PlayedStream("test.wav", num_samples, tuple(spoken), tuple(detections))


def test_hits_misses_confusions_repeats_and_false_accepts_are_told_apart() -> None:
    spoken = [said("yes", 10), said("yes", 20), said("no", 30)]
    detections = [at("yes", 9.8), at("yes", 10.1), at("yes", 29.9), at("no", 100)]
    scores = score_streams([stream(spoken, detections)], ["yes", "no"])
    outcome = scores.outcomes[0]
    assert outcome.heard == ((0, 0),)
    assert outcome.missed == (1, 2)
    assert outcome.false_accepts == {1: "repeated", 2: "confused", 3: "alone"}
    assert (scores.total.num_spoken, scores.total.num_heard, scores.total.num_false_accepts) == (3, 1, 3)
    assert (scores.total.num_confused, scores.total.num_repeated) == (1, 1)
    assert scores.per_keyword["yes"].false_reject_rate == 0.5
    assert scores.per_keyword["no"].false_reject_rate == 1.0
    assert scores.per_keyword["no"].num_false_accepts == 1


def test_false_accepts_are_counted_by_the_hour_of_audio_without_the_words() -> None:
    long_word = SpokenWord("yes", 0, HOUR // 2)
    overlapping = SpokenWord("no", HOUR // 4, HOUR // 2)
    scores = score_streams([stream([long_word, overlapping], [at("yes", 3000)])], ["yes", "no"])
    assert scores.negative_hours == pytest.approx(0.5)
    assert scores.total.false_accepts_per_hour == pytest.approx(2.0)


def test_no_false_accept_in_two_hours_is_said_to_be_below_three_halves() -> None:
    scores = score_streams([stream([], []), stream([], [])], ["yes"])
    assert scores.total.false_accepts_per_hour == 0.0
    assert scores.total.false_accepts_interval is not None
    assert scores.total.false_accepts_interval.high == pytest.approx(1.5, abs=0.01)
    assert scores.total.false_reject_rate is None
    assert scores.latency is None


def test_a_stream_that_is_all_word_and_no_stream_at_all_give_no_rate() -> None:
    for streams in ([stream([SpokenWord("yes", 0, 100)], [], 100)], []):
        total = score_streams(streams, ["yes"]).total
        assert (total.false_accepts_per_hour, total.false_accepts_interval) == (None, None)


def test_latency_runs_from_the_end_of_the_word_to_the_last_sample_needed() -> None:
    spoken = [said("yes", 10), said("yes", 20)]
    latency = score_streams([stream(spoken, [at("yes", 9.5), at("yes", 19.9)])], ["yes"]).latency
    assert latency is not None
    # The words end at 10.5 and 20.5 s, the decisions need 10.7 and 21.1 s.
    assert (latency.num_words, latency.median_ms, latency.max_ms) == (2, pytest.approx(400), pytest.approx(600))


@pytest.mark.parametrize(("offset", "heard"), [(-8_001, False), (-8_000, True), (15_999, True), (16_000, False)])
def test_the_middle_of_a_detection_must_lie_within_the_tolerance(offset: int, heard: bool) -> None:
    word = SpokenWord("yes", 100_000, 108_000)
    middle = 100_000 + offset
    scores = score_streams([stream([word], [Event("yes", middle - 10, middle + 10)])], ["yes"], 500)
    assert bool(scores.total.num_heard) is heard


def test_the_sessions_own_detection_is_taken_as_it_is() -> None:
    detection = Detection("1-yes", "yes", 0.9, 0.5, 0.8, 160_000, 176_000, 179_200, ())
    scores = score_streams([PlayedStream("mic", HOUR, (said("yes", 10.2),), (detection,))], ["yes"])
    assert scores.total.num_heard == 1


places = st.integers(0, 60)


@given(
    words=st.lists(st.tuples(places, st.integers(1, 20)), max_size=8),
    events=st.lists(st.tuples(places, st.integers(0, 6)), max_size=8),
    tolerance=st.integers(0, 8),
)
def test_as_many_words_are_heard_as_any_matching_could_hear(
    words: list[tuple[int, int]], events: list[tuple[int, int]], tolerance: int
) -> None:
    spoken = [SpokenWord("yes", start, start + length) for start, length in words]
    detections = [Event("yes", start, start + length) for start, length in events]
    outcome = match_events(stream(spoken, detections), ["yes"], tolerance)
    fits = np.array(
        [
            [
                word.start_sample - tolerance
                <= (event.start_sample + event.end_sample) // 2
                < word.end_sample + tolerance
                for event in detections
            ]
            for word in spoken
        ],
        dtype=int,
    ).reshape(len(spoken), len(detections))
    most = int((maximum_bipartite_matching(csr_matrix(fits)) >= 0).sum()) if fits.size else 0
    assert len(outcome.heard) == most
    assert all(fits[word, event] for word, event in outcome.heard)
    assert len({word for word, _ in outcome.heard}) == len({event for _, event in outcome.heard}) == most
    assert len(outcome.missed) == len(spoken) - most
    assert len(outcome.false_accepts) == len(detections) - most


def test_a_higher_threshold_hears_less_and_accepts_less() -> None:
    spoken = [said("yes", 10), said("yes", 20)]
    detections = [at("yes", 10, 0.6), at("yes", 20, 0.9), at("yes", 30, 0.3), at("yes", 40, 0.7)]
    points = stream_det([stream(spoken, detections)], ["yes"], [0.0, 0.5, 0.65, 0.95])
    assert [point.false_reject_rate for point in points] == [0.0, 0.0, 0.5, 1.0]
    assert [round(point.false_accepts_per_hour or 0) for point in points] == [2, 1, 1, 0]


def test_words_and_detections_that_were_not_listened_for_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"test\.wav: 'up' was said"):
        score_streams([stream([said("up", 1)], [])], ["yes"])
    with pytest.raises(DataError, match=r"test\.wav: 'up' was detected"):
        score_streams([stream([], [at("up", 1)])], ["yes"])
    with pytest.raises(DataError, match="do truth and recording belong together"):
        stream([said("yes", 10)], [], 16_000)


@given(words=st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**5), st.sampled_from(["yes", "grün an"]))))
def test_a_label_track_reads_back_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, words: list[tuple[int, int, str]]
) -> None:
    path = tmp_path_factory.mktemp("truth") / "truth.txt"
    spoken = tuple(SpokenWord(label, start, start + length) for start, length, label in words)
    write_truth(path, spoken)
    assert read_truth(path) == spoken


def test_audacitys_own_lines_of_frequencies_and_its_mark_of_unicode_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "truth.txt"
    path.write_text("\ufeff0.5\t1.0\tyes\n\\\t100.0\t200.0\n\n2\t2.5\tno\r\n", encoding="utf-8")
    assert read_truth(path) == (SpokenWord("yes", 8_000, 16_000), SpokenWord("no", 32_000, 40_000))


@pytest.mark.parametrize(
    ("line", "says"),
    [("1.0 2.0 yes", "tabs"), ("1.0\t2.0\t ", "tabs"), ("1,5\t2.0\tyes", "decimal point"), ("2\t1\tyes", "no length"),
     ("nan\t1\tyes", "finite"), ("-1\t1\tyes", "no length")],
)  # fmt: skip
def test_a_broken_label_track_is_refused_with_file_and_line(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "truth.txt"
    path.write_text(f"0\t1\tyes\n{line}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=rf"truth\.txt, line 2: .*{says}"):
        read_truth(path)


def test_a_missing_label_track_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere\.txt: cannot be read"):
        read_truth(tmp_path / "nowhere.txt")
