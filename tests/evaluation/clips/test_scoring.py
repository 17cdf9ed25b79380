from __future__ import annotations

import json
import tracemalloc
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from speechtune.audio.files import write_flac
from speechtune.data.sets.clips import Clip
from speechtune.data.sets.loading import load_clips
from speechtune.errors import ConfigError, DataError, ManifestError, TrainingDivergedError, UnreadableAudioError
from speechtune.evaluation.clips.compute import Provenance, compute_metrics
from speechtune.evaluation.clips.metrics import Metrics, load_metrics, write_metrics
from speechtune.evaluation.clips.scoring import BATCH_CLIPS, answer_clips, evaluate_clips
from speechtune.evaluation.reports.terminal import report_text
from speechtune.labels import LabelSet
from tests.support.answers import LABELS, predictions_of, simulate, sure
from tests.support.clips import make_folder


@dataclass
class LoudnessScorer:
    """Hears `loud` or `soft` by the peak of the window, `_silence_` in zeros."""

    labels: LabelSet = field(default_factory=lambda: LabelSet(("loud", "soft")))
    thresholds: dict[str, float] = field(default_factory=lambda: {"loud": 0.5, "soft": 0.5})
    window_samples: int = 1_600
    batch_sizes: list[int] = field(default_factory=list)

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        self.batch_sizes.append(len(windows))
        peak = np.abs(windows).max(axis=1)
        answer = np.where(peak > 0.5, 0, np.where(peak > 0, 1, 3))
        return (np.eye(4)[answer] * 0.96 + 0.01).astype(np.float32)


def clip(number: int, label: str, peak: float, **facts: str | None) -> tuple[Clip, NDArray[np.float32]]:
    return Clip(Path(f"data/{label}/{number}.wav"), label, **facts), np.full(400, peak, dtype=np.float32)


@dataclass
class Shelf:
    """Reads clips from memory."""

    samples: dict[Path, NDArray[np.float32]]

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        return self.samples[clip.path]


def shelf_of(pairs: list[tuple[Clip, NDArray[np.float32]]]) -> tuple[list[Clip], Shelf]:
    return [one for one, _ in pairs], Shelf({one.path: samples for one, samples in pairs})


def test_clips_are_scored_in_batches_and_answers_stay_with_their_clips() -> None:
    rng = np.random.default_rng(0)
    loud = rng.random(BATCH_CLIPS * 2 + 7) > 0.5
    clips, read = shelf_of(
        [clip(n, "loud" if is_loud else "soft", 0.9 if is_loud else 0.1) for n, is_loud in enumerate(loud)]
    )
    scorer = LoudnessScorer()
    told: list[tuple[str, int, int]] = []
    report = evaluate_clips(
        scorer, clips, read, root=Path("data"), progress=lambda *state: told.append(state), num_resamples=50
    )
    assert scorer.batch_sizes == [BATCH_CLIPS, BATCH_CLIPS, 7]
    assert [state for state in told if state[0] == "evaluate"][-1] == ("evaluate", len(clips), len(clips))
    assert told[-1] == ("intervals", 1, 1)
    assert report.metrics.accuracy == report.metrics.closed_set_accuracy == report.metrics.macro_f1 == 1.0
    assert report.predictions.clip_ids[0] == f"{clips[0].label}/0.wav"
    assert report.metrics.seconds is not None
    assert report.metrics.scoring_seconds is not None
    assert 0 < report.metrics.scoring_seconds <= report.metrics.seconds


def test_a_clip_is_placed_in_the_window_and_may_be_longer_than_it() -> None:
    clips, read = shelf_of([(Clip(Path("long.wav"), "loud"), np.r_[np.zeros(9_000), np.ones(500)].astype(np.float32))])
    assert evaluate_clips(LoudnessScorer(), clips, read).metrics.accuracy == 1.0


def test_what_the_data_knows_of_a_clip_is_kept() -> None:
    clips, read = shelf_of(
        [
            clip(0, "loud", 0.9, speaker="ann", device="phone", session="monday", room="hall", id="first"),
            clip(1, "_unknown_", 0.1, word="ship"),
            clip(2, "_unknown_", 0.1, word="loud"),
            clip(3, "cat", 0.1),
            (Clip(Path("data/long.wav"), "soft", start_sample=16, end_sample=32), np.full(16, 0.1, np.float32)),
        ]
    )
    predictions = evaluate_clips(LoudnessScorer(), clips, read, root=Path("data"), num_resamples=50).predictions
    assert predictions.words == ("loud", "ship", "_unknown_", "cat", "soft")
    assert predictions.clip_ids == ("first", "_unknown_/1.wav", "_unknown_/2.wav", "cat/3.wav", "long.wav[16:32]")
    assert (predictions.speakers[0], predictions.devices[0], predictions.sessions[0], predictions.rooms[0]) == (
        "ann", "phone", "monday", "hall",
    )  # fmt: skip


def test_clips_of_a_manifest_have_the_same_ids_wherever_they_are_named_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path / "data", {"loud": 2, "soft": 1})
    lines = ['{"path": "loud/0.wav", "label": "loud"}', '{"path": "../data/soft/0.wav", "label": "soft"}']
    for folder, name in (("data", "m.jsonl"), ("data", "manifest.jsonl")):
        (tmp_path / folder / name).write_text("\n".join(lines))
    (tmp_path / "elsewhere").mkdir()
    for start, named in (
        (".", "data/m.jsonl"), ("data", "m.jsonl"), ("elsewhere", "../data"), ("data", tmp_path / "data" / "m.jsonl")
    ):  # fmt: skip
        monkeypatch.chdir(tmp_path / start)
        clip_set = load_clips(Path(named))
        predictions = answer_clips(LoudnessScorer(), clip_set.clips, root=clip_set.root)
        assert predictions.clip_ids == ("loud/0.wav", "../data/soft/0.wav")


def test_the_audio_of_scored_clips_is_let_go() -> None:
    num_clips = 1_500
    clips = [Clip(Path(f"{n}.wav"), "loud", speaker=str(n % 50)) for n in range(num_clips)]
    second = np.full(16_000, 0.9, dtype=np.float32)
    tracemalloc.start()
    evaluate_clips(LoudnessScorer(window_samples=16_000), clips, lambda _: second.copy(), num_resamples=20)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 0.25 * num_clips * second.nbytes


def test_no_clips_a_clip_twice_and_a_broken_file_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clips to evaluate on"):
        evaluate_clips(LoudnessScorer(), [])
    write_flac(tmp_path / "good.flac", np.full(1_600, 0.9, dtype=np.float32))
    good = Clip(tmp_path / "good.flac", "loud")
    with pytest.raises(ManifestError, match=r"good\.flac' stands twice"):
        evaluate_clips(LoudnessScorer(), [good, good])
    (tmp_path / "bad.flac").write_bytes(b"no audio")
    with pytest.raises(UnreadableAudioError, match=r"bad\.flac"):
        evaluate_clips(LoudnessScorer(), [good, Clip(tmp_path / "bad.flac", "soft")])


def test_a_model_that_answers_nan_is_refused() -> None:
    @dataclass
    class Broken(LoudnessScorer):
        def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.full((len(windows), 4), np.nan, dtype=np.float32)

    clips, read = shelf_of([clip(0, "loud", 0.9)])
    with pytest.raises(TrainingDivergedError, match=r"0\.wav: the model answers with numbers that are not finite"):
        evaluate_clips(Broken(), clips, read)


def test_what_cannot_be_measured_is_null_and_has_a_reason() -> None:
    metrics = compute_metrics(predictions_of([sure(LABELS, "yes")] * 3, ["yes", "cat", "cat"]), num_resamples=50)
    tree = json.loads(metrics.model_dump_json())
    assert metrics.detection_rate_at_far == {"0.05": None, "0.01": None}
    for key in ("equal_error_rate", "open_set", "speakers", "encoder", "checkpoint_digest", "seconds"):
        assert (tree[key] is None) == (key in metrics.not_measured), key
    for target in ("0.05", "0.01"):
        assert "less than one clip" in metrics.not_measured[f"detection_rate_at_far@{target}"]
        assert "unseen" in metrics.not_measured[f"detection_rate_at_far_unseen@{target}"]
    assert metrics.per_label["no"].f1 is None
    assert "not measured: 5.00% of 2 _unknown_ clips" in " ".join(report_text(metrics, 200).split())


def test_every_null_headline_of_any_small_set_has_a_reason() -> None:
    full = simulate(np.random.default_rng(0), 4, 6)
    for words in ({"yes"}, {"cat"}, {"_silence_"}, {"yes", "cat"}, {"ship", "_silence_"}):
        rows = [row for row, word in enumerate(full.words) if word in words]
        metrics = compute_metrics(full.take(rows), Provenance("e", "d", 1.0, 0.5), num_resamples=50)
        tree = metrics.model_dump(mode="json")
        nulls = {key for key, value in tree.items() if value is None}
        nulls |= {
            f"{key}@{target}"
            for key in ("detection_rate_at_far", "detection_rate_at_far_unseen")
            for target, value in tree[key].items()
            if value is None
        }
        assert nulls <= set(metrics.not_measured) <= nulls | {"intervals"}


def test_the_figures_of_the_report_agree_with_one_another() -> None:
    predictions = simulate(np.random.default_rng(1), 40, 25)
    metrics = compute_metrics(predictions, num_resamples=200)
    correct = sum(metrics.confusion[label][label] for label in LABELS.labels)
    assert metrics.accuracy == pytest.approx(correct / metrics.num_clips)
    assert metrics.speakers == 40
    assert metrics.num_clips == sum(scores.num_clips for scores in metrics.per_label.values())
    for key, value in (("accuracy", metrics.accuracy), ("detection_rate_at_far@0.05", None)):
        low, high = metrics.intervals[key] or (1.0, 0.0)
        assert low <= (value if value is not None else metrics.detection_rate_at_far["0.05"] or -1.0) <= high
    assert metrics.open_set is not None
    taken = sum(word.num_taken for word in metrics.open_set.words)
    assert taken <= 0.05 * sum(word.num_clips for word in metrics.open_set.words)


def test_warnings_name_collapse_few_speakers_and_keywords_without_clips() -> None:
    collapsed = compute_metrics(
        predictions_of([sure(LABELS, "yes")] * 9, ["yes", "no", "cat"] * 3, ["ann", "bob", "cyd"] * 3)
    )
    text = " ".join(collapsed.findings)
    assert "collapsed: 100% of all clips were called 'yes'" in text
    assert "3 speakers" in text
    assert "keywords without a clip: stop" in text
    assert "no speakers are known" in " ".join(compute_metrics(predictions_of([sure(LABELS, "yes")], ["yes"])).findings)


def test_metrics_are_written_whole_and_read_back(tmp_path: Path) -> None:
    metrics = compute_metrics(simulate(np.random.default_rng(2), 20, 10), Provenance("whisper", "abc", 1.0, 0.5), 50)
    path = write_metrics(metrics, tmp_path / "new" / "folder")
    assert path.name == "metrics.json"
    assert load_metrics(path) == metrics
    assert [entry.name for entry in path.parent.iterdir()] == ["metrics.json"]
    tree = json.loads(path.read_text(encoding="utf-8"))
    assert tree["encoder"] == "whisper"
    assert set(tree["detection_rate_at_far"]) == {"0.05", "0.01"}


def test_a_folder_that_cannot_be_written_to_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    metrics = compute_metrics(simulate(np.random.default_rng(2), 3, 5), num_resamples=20)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_metrics(metrics, tmp_path / "file")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_damaged_metrics_are_refused_with_file_and_key(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    with pytest.raises(ManifestError, match=r"metrics\.json: cannot be read"):
        load_metrics(path)
    metrics = compute_metrics(simulate(np.random.default_rng(2), 3, 5), num_resamples=20)
    tree = json.loads(metrics.model_dump_json())
    path.write_text(json.dumps({**tree, "accuracy": 2.0}), encoding="utf-8")
    with pytest.raises(ManifestError, match="accuracy"):
        load_metrics(path)
    with pytest.raises(ValidationError):
        Metrics.model_validate({**tree, "accuraccy": 0.5})


def test_the_text_report_shows_headlines_intervals_and_where_it_goes_wrong() -> None:
    predictions = simulate(np.random.default_rng(1), 40, 25, skill=2.0)
    text = report_text(compute_metrics(predictions, num_resamples=200))
    assert "1000 clips, 40 speakers" in text
    for part in ("Accuracy, keywords alone", "Detected at 5% false acceptance", "95 % (speakers)", "(unseen)"):
        assert part in text
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text


def test_markup_in_a_label_or_a_speakers_name_is_text() -> None:
    odd = predictions_of([sure(LABELS, "yes")] * 4, ["yes"] * 4, ["[red]ann[/red]", "[/]", "x", "x"])
    text = report_text(compute_metrics(replace(odd), num_resamples=20))
    assert "[red]ann[/red]" in text
    assert "[/]" in text
