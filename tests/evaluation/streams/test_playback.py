from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from speechtune.errors import ConfigError, DataError, ManifestError, TrainingDivergedError, UnreadableAudioError
from speechtune.evaluation.reports.streams import render_stream_report
from speechtune.evaluation.streams.compute import compute_stream_metrics
from speechtune.evaluation.streams.matching import SpokenWord
from speechtune.evaluation.streams.metrics import load_stream_metrics, stream_metrics_schema, write_stream_metrics
from speechtune.evaluation.streams.playback import NUM_AT_ONCE, decision_compute_ms, play
from speechtune.evaluation.streams.recordings import audio_blocks, check_words, find_recordings
from speechtune.evaluation.streams.truth import write_truth
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune.streaming.driver import SAMPLES_FORMAT, chunks_of, run_session
from speechtune.streaming.events import Detection
from speechtune.streaming.session import Session
from tests.support.streaming import LoudnessActivity, PitchScorer, quiet, tone

LOW_HIGH = np.concatenate(
    [quiet(9_000), tone(250, 6_000), quiet(12_000), tone(1000, 5_000), quiet(10_000), tone(600, 30_000), quiet(9_000)]
)
LONG = np.concatenate([quiet(8_000), tone(600, 20_000), tone(250, 20_000), tone(600, 9_000), quiet(8_000)])
WORDS = (SpokenWord("low", 9_000, 15_000), SpokenWord("high", 27_000, 32_000))


def write(path: Path, samples: np.ndarray, rate_hz: int = 16_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "a.wav", LOW_HIGH)
    write_truth(tmp_path / "a.txt", WORDS)
    write(tmp_path / "deep" / "b.wav", LONG)
    write(tmp_path / "c.wav", np.concatenate([LOW_HIGH] * 9))
    return tmp_path


def of_session(samples: np.ndarray, thresholds: dict[str, float] | None = None) -> tuple[Detection, ...]:
    scorer = PitchScorer()
    rules = tuple(CommandRule(label, level) for label, level in (thresholds or {}).items())
    session = Session(SessionConfig(SAMPLES_FORMAT, rules), scorer.labels, scorer.thresholds, scorer.window_samples)
    events = run_session(session, scorer, LoudnessActivity(), chunks_of(samples.astype(np.float32)))
    return tuple(event for event in events if isinstance(event, Detection))


def test_a_word_that_ends_a_rounding_after_its_recording_ends_with_it(tmp_path):
    write(tmp_path / "a.wav", LOW_HIGH)
    end = len(LOW_HIGH)
    for late, start in ((1, end - 9_000), (160, end - 1)):
        write_truth(tmp_path / "a.txt", (*WORDS, SpokenWord("high", start, end + late)))
        recordings = find_recordings(tmp_path)
        check_words(recordings, ("low", "high"))
        playback = play(PitchScorer(), LoudnessActivity(), recordings)
        for streams in (playback.streams, playback.streams_at(PitchScorer().thresholds)):
            assert streams[0].spoken == (*WORDS, SpokenWord("high", start, end))


def test_a_word_after_its_recording_is_refused_before_listening(tmp_path):
    write(tmp_path / "a.wav", LOW_HIGH)
    end = len(LOW_HIGH)
    for word in (SpokenWord("high", end - 9_000, end + 161), SpokenWord("high", end, end + 100)):
        write_truth(tmp_path / "a.txt", (word,))
        with pytest.raises(DataError, match="do truth and recording belong together"):
            check_words(find_recordings(tmp_path), ("low", "high"))


def test_recordings_heard_together_are_heard_as_each_alone(folder):
    playback = play(PitchScorer(), LoudnessActivity(), find_recordings(folder))
    assert [one.recording.name for one in playback.heard] == ["a.wav", "c.wav", "deep/b.wav"]
    expected = [of_session(samples) for samples in (LOW_HIGH, np.concatenate([LOW_HIGH] * 9), LONG)]
    assert [one.detections for one in playback.heard] == expected
    assert len(expected[1]) == 18
    assert playback.audio_seconds == pytest.approx((10 * len(LOW_HIGH) + len(LONG)) / 16_000)


def test_recordings_at_once_ask_each_model_in_one_call(tmp_path):
    calls: list[tuple[str, int]] = []

    class Activity(LoudnessActivity):
        def probabilities_together(self, requests):
            calls.append(("activity", len(requests)))
            return super().probabilities_together(requests)

    class Pitch(PitchScorer):
        def score(self, windows):
            calls.append(("windows", len(windows)))
            return super().score(windows)

    for number in range(5):
        write(tmp_path / f"{number}.wav", LOW_HIGH)
    playback = play(Pitch(), Activity(), find_recordings(tmp_path))
    assert calls[0] == ("activity", 5)
    assert max(size for kind, size in calls if kind == "windows") >= 5
    assert [one.detections for one in playback.heard] == [of_session(LOW_HIGH)] * 5


def test_more_recordings_than_are_heard_at_once_are_all_heard(tmp_path):
    for number in range(NUM_AT_ONCE + 3):
        write(tmp_path / f"{number:02}.wav", LOW_HIGH)
    told: list[tuple[int, int]] = []
    playback = play(
        PitchScorer(),
        LoudnessActivity(),
        find_recordings(tmp_path),
        progress=lambda _, done, all_: told.append((done, all_)),
    )
    assert [len(one.detections) for one in playback.heard] == [2] * (NUM_AT_ONCE + 3)
    seconds = round((NUM_AT_ONCE + 3) * len(LOW_HIGH) / 16_000)
    assert told[-1] == (seconds, seconds)
    assert {all_ for _, all_ in told} == {seconds}
    assert told == sorted(told)
    assert 0 < told[0][0] < seconds


@pytest.mark.parametrize("levels", [{"low": 0.0, "high": 0.9}, {"low": 0.97, "high": 0.2}, {"high": 0.3}])
def test_deciding_again_at_other_thresholds_is_what_sessions_set_to_them_report(folder, levels):
    playback = play(PitchScorer(), LoudnessActivity(), find_recordings(folder))
    again = [stream.detections for stream in playback.streams_at(levels)]
    assert again == [of_session(samples, levels) for samples in (LOW_HIGH, np.concatenate([LOW_HIGH] * 9), LONG)]


def test_a_recording_at_another_rate_is_resampled_by_the_session(tmp_path):
    words = np.concatenate([quiet(24_000), tone(250 / 3, 18_000), quiet(24_000)])  # 250 Hz at 48 kHz
    write(tmp_path / "a.wav", words, 48_000)
    (heard,) = play(PitchScorer(), LoudnessActivity(), find_recordings(tmp_path)).heard
    assert heard.num_samples == 22_000
    assert [event.label for event in heard.detections] == ["low"]


def test_blocks_of_a_file_are_the_file_with_its_channels_averaged(tmp_path):
    both = np.stack([tone(250, 200_001), quiet(200_001)], axis=1)
    path = write(tmp_path / "a.wav", both)
    audio = audio_blocks(path)
    blocks = list(audio.blocks)
    assert audio.rate_hz == 16_000
    assert max(len(block) for block in blocks) == 8 * 16_000
    np.testing.assert_array_equal(np.concatenate(blocks), both.mean(axis=1))


def test_a_damaged_recording_is_refused_by_name(tmp_path):
    path = write(tmp_path / "a.flac", LONG)
    path.write_bytes(path.read_bytes()[:3_000])
    with pytest.raises(UnreadableAudioError, match=r"a\.flac"):
        play(PitchScorer(), LoudnessActivity(), find_recordings(path))
    (tmp_path / "b.wav").write_bytes(b"no audio")
    with pytest.raises(UnreadableAudioError, match=r"b\.wav"):
        play(PitchScorer(), LoudnessActivity(), find_recordings(tmp_path / "b.wav"))


def test_a_model_that_answers_nan_is_refused(folder):
    class Broken(PitchScorer):
        def score(self, windows):
            return np.full_like(super().score(windows), np.nan)

    with pytest.raises(TrainingDivergedError, match=r"a\.wav"):
        play(Broken(), LoudnessActivity(), find_recordings(folder / "a.wav"))


def test_label_tracks_lie_beside_the_recordings_or_where_one_says(folder, tmp_path):
    assert [one.has_truth for one in find_recordings(folder)] == [True, False, False]
    assert find_recordings(folder / "c.wav", folder / "a.txt")[0].spoken == WORDS
    tracks = tmp_path / "tracks"
    tracks.mkdir()
    write_truth(tracks / "a.txt", WORDS)
    with pytest.raises(ConfigError, match=r"c\.txt is not there"):
        find_recordings(folder, tracks)
    with pytest.raises(ConfigError, match="no such folder"):
        find_recordings(folder, folder / "a.txt")
    with pytest.raises(ConfigError, match="no such file"):
        find_recordings(folder / "a.wav", tracks)
    with pytest.raises(ManifestError, match="holds no audio"):
        find_recordings(tracks)
    with pytest.raises(ManifestError, match="no such file or folder"):
        find_recordings(tmp_path / "nothing")


def test_the_figures_of_recordings_count_match_and_read_back(folder):
    playback = play(PitchScorer(), LoudnessActivity(), find_recordings(folder))
    metrics = compute_stream_metrics(playback, compute_ms=[3.0, 4.0, 5.0], encoder="pitch")
    assert (metrics.num_recordings, metrics.num_without_truth) == (3, 2)
    assert metrics.per_recording.keys() == {"a.wav"}
    assert (metrics.total.num_spoken, metrics.total.num_heard, metrics.total.num_alone) == (2, 2, 19)
    assert metrics.latency is not None
    assert metrics.latency.audio_ms == [pytest.approx(ms, abs=32) for ms in (192, 192)]
    assert metrics.latency.compute_median_ms == 4.0
    strict = metrics.det[-1]
    assert strict.threshold == 0.995
    assert strict.false_reject_rate == 1.0
    assert {error.kind for error in metrics.errors} == {"alone"}
    assert any("2 of 3 recordings have no label track" in finding for finding in metrics.findings)
    path = write_stream_metrics(metrics, folder)
    assert load_stream_metrics(path) == metrics
    assert set(stream_metrics_schema()["required"]) == set(metrics.model_dump())


def test_what_recordings_cannot_show_is_null_and_says_why(tmp_path):
    write(tmp_path / "a.wav", quiet(32_000))
    metrics = compute_stream_metrics(play(PitchScorer(), LoudnessActivity(), find_recordings(tmp_path)))
    assert metrics.total.false_reject_rate is None
    assert metrics.latency is None
    assert metrics.not_measured.keys() == {"total.false_reject_rate", "latency"}
    assert metrics.total.alone_interval is not None
    assert any("below" in finding for finding in metrics.findings)


def test_without_any_label_track_every_event_is_counted_as_false_and_that_is_said(tmp_path):
    write(tmp_path / "a.wav", np.concatenate([LOW_HIGH] * 2))
    write(tmp_path / "b.flac", LONG)
    metrics = compute_stream_metrics(play(PitchScorer(), LoudnessActivity(), find_recordings(tmp_path)))
    total = metrics.total
    assert (total.num_false_accepts, total.num_alone, total.num_spoken) == (5, 5, 0)
    assert metrics.negative_hours == pytest.approx(metrics.hours)
    assert total.alone_interval is not None
    (said,) = [finding for finding in metrics.findings if "every event is counted as false" in finding]
    assert f"5 in {metrics.hours:.2f} h, {5 / metrics.hours:.2f} an hour" in said
    assert f"(95 %, Poisson: {total.alone_interval[0]:.2f} to {total.alone_interval[1]:.2f})" in said


def test_no_event_without_label_tracks_shows_a_rate_below_three_in_the_hours_heard(tmp_path):
    write(tmp_path / "a.wav", np.concatenate([tone(600, 16_000), quiet(16_000)] * 9))
    metrics = compute_stream_metrics(play(PitchScorer(), LoudnessActivity(), find_recordings(tmp_path)))
    assert metrics.total.num_false_accepts == 0
    assert metrics.total.alone_interval is not None
    assert metrics.total.alone_interval[1] == pytest.approx(3 / metrics.hours, rel=0.25)
    assert any(f"the rate is below {3 / metrics.hours:.1f} per hour" in finding for finding in metrics.findings)
    assert any("every event is counted as false" in finding for finding in metrics.findings)


def test_a_word_that_is_no_keyword_is_refused(folder):
    write_truth(folder / "c.txt", [SpokenWord("middle", 10, 20)])
    with pytest.raises(DataError, match="middle"):
        compute_stream_metrics(play(PitchScorer(), LoudnessActivity(), find_recordings(folder)))


def test_the_time_to_compute_is_measured_on_one_window_alone():
    scorer = PitchScorer()
    taken = decision_compute_ms(scorer, LoudnessActivity())
    assert len(taken) == 20
    assert min(taken) > 0.0
    assert scorer.num_windows == 21


def test_the_table_of_streams_fits_a_terminal_of_80_columns_with_every_name_whole(folder):
    metrics = compute_stream_metrics(play(PitchScorer(), LoudnessActivity(), find_recordings(folder)), compute_ms=[3.0])
    file = io.StringIO()
    Console(file=file, width=80).print(render_stream_report(metrics))
    lines = [line.split() for line in file.getvalue().splitlines()]
    assert lines[2] == ["threshold", "said", "missed", "false", "an", "hour", "95", "%", "confused", "twice"]
    assert any(line[:3] == ["low", "0.500", "1"] for line in lines)
    assert any(line[:2] == ["a.wav", "2"] for line in lines)


def test_fewer_windows_are_scored_and_the_figures_stay_the_same(folder: Path) -> None:
    recordings = find_recordings(folder)
    every = play(PitchScorer(), LoudnessActivity(), recordings)
    fewer = play(PitchScorer(), LoudnessActivity(), recordings, exact_from=0.1)
    assert fewer.num_windows < every.num_windows
    assert fewer.streams == every.streams
    for level in (0.1, 0.3, 0.9):
        thresholds = dict.fromkeys(every.labels.keywords, level)
        assert fewer.streams_at(thresholds) == every.streams_at(thresholds)
    with pytest.raises(DataError, match=r"thresholds of high below 0\.1"):
        fewer.streams_at({"low": 0.6, "high": 0.05})
    metrics = compute_stream_metrics(play(PitchScorer(), LoudnessActivity(), recordings, exact_from=0.3))
    assert [point.threshold for point in metrics.det][:2] == [0.3, 0.4]
