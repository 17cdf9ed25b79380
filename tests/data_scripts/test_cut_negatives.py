"""Sentences cut into negatives: the clips, their manifest, and what becomes of an interrupted run."""

import numpy as np
import pytest

from data_scripts.cut_negatives import main
from speechtune.audio.files import read_audio
from speechtune.data.inspection.inspect import inspect_clips
from speechtune.data.inspection.leaks import find_leaks
from speechtune.data.inspection.repair import repair_clips
from speechtune.data.sets.loading import load_clips
from tests.support.clips import word_like, write_audio
from tests.support.speech import SPEECH_FOLDER, needs_speech


@pytest.fixture
def sentences(tmp_path):
    pause = np.zeros(3_200, dtype=np.float32)
    for number in range(3):
        said = [part for word in range(4) for part in (pause, word_like(10 * number + word, 8_000))]
        write_audio(tmp_path / "talk" / f"day{number}" / "take.wav", np.concatenate([*said, pause]))
    write_audio(tmp_path / "talk" / "empty.wav", np.zeros(80_000, dtype=np.float32))
    return tmp_path / "talk"


def test_recordings_become_unknown_clips_that_name_their_source(sentences, tmp_path, capsys):
    assert main([str(sentences), "--out", str(tmp_path / "cut")]) == 0
    clips = load_clips(tmp_path / "cut").clips
    assert len(clips) == 12
    assert {clip.label for clip in clips} == {"_unknown_"}
    assert {clip.source for clip in clips} == {sentences / f"day{number}" / "take.wav" for number in range(3)}
    assert {clip.session for clip in clips} == {f"day{number}/take" for number in range(3)}
    assert all(len(read_audio(clip.path)) == clip.num_samples <= 16_000 for clip in clips)
    assert "1 recordings without speech left out" in capsys.readouterr().out


def test_clips_begin_and_end_softly(sentences, tmp_path):
    main([str(sentences), "--out", str(tmp_path / "cut"), "--window-ms", "500"])
    edges = [read_audio(clip.path)[[0, -1]] for clip in load_clips(tmp_path / "cut").clips]
    assert np.abs(edges).max() < 0.01


def test_clips_of_one_recording_on_two_sides_are_found_also_after_a_repair(sentences, tmp_path):
    main([str(sentences), "--out", str(tmp_path / "cut")])
    clip_set = load_clips(tmp_path / "cut")
    repaired = repair_clips(inspect_clips(clip_set), clip_set, tmp_path / "fixed").clip_set
    for clips in (clip_set.clips, repaired.clips, load_clips(tmp_path / "fixed").clips):
        assert [leak.kind for leak in find_leaks(clips[:2], clips[2:])] == ["session", "recording"]


def test_a_second_run_writes_only_what_is_missing(sentences, tmp_path):
    arguments = [str(sentences), "--out", str(tmp_path / "cut")]
    main(arguments)
    manifest = (tmp_path / "cut" / "manifest.jsonl").read_text()
    first, *others = sorted((tmp_path / "cut" / "_unknown_").iterdir())
    written = {path: path.stat().st_mtime_ns for path in others}
    content = first.read_bytes()
    first.unlink()
    assert main(arguments) == 0
    assert (tmp_path / "cut" / "manifest.jsonl").read_text() == manifest
    assert first.read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in others} == written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "is not there"), (["talk", "--window-ms", "10"], "at least 500"), (["quiet"], "nobody speaks")],
)
def test_what_cannot_be_cut_is_refused_in_one_line(sentences, tmp_path, capsys, arguments, message):
    write_audio(tmp_path / "quiet" / "1.wav", np.zeros(80_000, dtype=np.float32))
    assert main([str(tmp_path / arguments[0]), *arguments[1:], "--out", str(tmp_path / "cut")]) == 2
    assert message in capsys.readouterr().err


@needs_speech
def test_real_sentences_become_clips_that_an_inspection_accepts(tmp_path):
    for path in sorted((SPEECH_FOLDER / "sentences_dev").glob("*.flac"))[:6]:
        (tmp_path / path.name).symlink_to(path)
    assert main([str(tmp_path), "--out", str(tmp_path / "cut")]) == 0
    report = inspect_clips(load_clips(tmp_path / "cut"))
    assert len(report.clips) > 20
    assert not [found for found in report.accused if any(finding.kind != "too_short" for finding in found.findings)]
