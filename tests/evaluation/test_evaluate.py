"""A whole evaluation from Python, without the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speechtune.data.sets.clips import ClipSet, fingerprint
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.manifest import write_manifest
from speechtune.errors import ConfigError, DataError, UnknownLabelError
from speechtune.evaluation.clips.headline_words import headline_lines
from speechtune.evaluation.evaluate import NO_STREAMS, ClipPart, StreamPart, TestClips, TestRecordings, evaluate
from speechtune.evaluation.reports.folder import write_evaluation
from speechtune.evaluation.reports.page import html_report
from speechtune.evaluation.reports.terminal import report_text
from speechtune.evaluation.systems import LocalSystem, open_system
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.streaming.voice import activity
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.encoders import random_checkpoint
from tests.support.streaming import LoudnessActivity


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> LocalSystem:
    folder = tmp_path_factory.mktemp("model") / "ckpt"
    save_checkpoint(random_checkpoint(), folder)
    return open_system(folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data", {"yes": 4, "no": 4, "bird": 3})


def tape(folder: Path, monkeypatch: pytest.MonkeyPatch, label: str = "yes") -> Path:
    monkeypatch.setattr(activity, "SileroActivity", LoudnessActivity)  # no voice in what tests synthesise
    gap = np.zeros(12_000, dtype=np.float32)
    write_audio(folder / "tape.wav", np.concatenate([gap, word_like(1, 8_000), gap]))
    (folder / "tape.txt").write_text(f"0.75\t1.25\t{label}\n")
    return folder


def test_clips_and_recordings_are_judged_at_once(system, data, tmp_path, monkeypatch):
    parts: list[ClipPart | StreamPart] = []
    recordings = tape(tmp_path / "tapes", monkeypatch)
    found = evaluate(system, data, recordings, measured=parts.append)
    assert parts == [found.clips, found.streams]
    assert found.title == "ckpt on data and tapes"
    assert found.facts["test clips: fingerprint"] == fingerprint(load_clips(data))
    assert "recordings: fingerprint" in found.facts
    assert found.clips is not None
    assert NO_STREAMS not in found.clips.metrics.findings
    write_evaluation(found, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"predictions.jsonl", "metrics.json", "stream_metrics.json", "report.html"}
    assert write_evaluation(replace(found, clips=None), tmp_path / "out") == ("metrics.json", "predictions.jsonl")


def test_the_test_split_alone_judges_and_leaks_are_told(system, data):
    clips = load_clips(data).clips
    split = [replace(clip, split="test" if row % 2 else "train", speaker="anna") for row, clip in enumerate(clips)]
    write_manifest(data / "split.jsonl", ClipSet(data, tuple(split)))
    manifest = data / "split.jsonl"
    found = evaluate(system, TestClips(manifest, train=manifest)).clips
    assert found is not None
    assert found.metrics.num_clips == sum(clip.split == "test" for clip in split)
    assert found.leaks
    assert "anna" in found.leaks[0]
    assert any("figures flatter" in finding for finding in found.metrics.findings)
    assert found.metrics.findings[-1] == NO_STREAMS


def test_a_model_is_not_judged_by_its_training_clips_without_a_warning(system, data):
    facts = {**system.facts, "training: data_fingerprint": fingerprint(load_clips(data))}
    found = evaluate(LocalSystem(replace(system.model, facts=facts)), data).clips
    assert found is not None
    assert "the very clips that the model was trained on" in found.metrics.findings[0]


def test_what_may_not_judge_is_refused_before_anything_is_scored(system, data, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="name test clips"):
        evaluate(system)
    made = tuple(replace(clip, synthetic=True) for clip in load_clips(data).clips)
    write_manifest(data / "made.jsonl", ClipSet(data, made))
    with pytest.raises(DataError, match="synthetic"):
        evaluate(system, data / "made.jsonl")
    parts: list[ClipPart | StreamPart] = []
    recordings = TestRecordings(tape(tmp_path / "tapes", monkeypatch, "maybe"))
    with pytest.raises((UnknownLabelError, DataError), match="maybe"):
        evaluate(system, data, recordings, measured=parts.append)
    assert parts == []


def test_the_page_and_the_terminal_show_the_same_headlines_in_the_same_order(system, data):
    found = evaluate(system, data)
    assert found.clips is not None
    words = [line.words for line in headline_lines(found.clips.metrics)]
    text, page = report_text(found.clips.metrics), html_report(found)
    for shown in (text, page):
        places = [shown.index(one) for one in words]
        assert places == sorted(places)
