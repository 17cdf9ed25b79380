"""Inspection of whole data sets, the faults planted."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from speechtune.data.inspection.inspect import inspect_clips
from speechtune.data.sets.clips import Clip, ClipSet, fingerprint
from speechtune.data.sets.folders import load_folder
from speechtune.data.sets.loading import load_clips
from tests.support.clips import make_folder, word_like, write_audio
from tests.support.speech import SPEECH_FOLDER, needs_speech


def clip_set(*clips):
    return ClipSet(clips[0].path.parent, clips)


def kinds(report):
    return {found.clip.path.name: [finding.kind for finding in found.findings] for found in report.accused}


def test_a_clean_set_is_left_in_peace(tmp_path):
    report = inspect_clips(load_folder(make_folder(tmp_path, {"yes": 8, "no": 8})))
    assert report.accused == ()
    assert report.num_findings == {}
    assert report.leaks == ()


def test_every_file_that_cannot_be_used_is_found_and_named(tmp_path):
    good = write_audio(tmp_path / "yes" / "good.wav", word_like(1))
    (tmp_path / "yes" / "empty.wav").write_bytes(b"")
    (tmp_path / "yes" / "text.wav").write_text("this is not audio")
    (tmp_path / "yes" / "truncated.flac").write_bytes(b"")
    soundfile.write(tmp_path / "yes" / "truncated.flac", word_like(2), 16_000)
    whole = (tmp_path / "yes" / "truncated.flac").read_bytes()
    (tmp_path / "yes" / "truncated.flac").write_bytes(whole[: len(whole) // 2])
    write_audio(tmp_path / "yes" / "no_samples.wav", np.zeros(0, dtype=np.float32))
    write_audio(tmp_path / "yes" / "nan.wav", np.full(16_000, np.nan, dtype=np.float32), subtype="FLOAT")
    report = inspect_clips(load_folder(tmp_path))
    bad = ("empty.wav", "nan.wav", "no_samples.wav", "text.wav", "truncated.flac")
    assert kinds(report) == {name: ["unreadable"] for name in bad}
    assert all(found.clip.path.name in found.findings[0].detail for found in report.accused)
    assert [found.clip.path for found in report.clips if found.measures is not None] == [good]


def test_a_file_that_vanished_is_a_finding_and_leaves_no_fingerprint(tmp_path):
    data = load_folder(make_folder(tmp_path, {"yes": 2}))
    data.clips[0].path.unlink()
    report = inspect_clips(data)
    assert kinds(report) == {"0.wav": ["unreadable"]}
    assert report.fingerprint is None


def test_other_rates_depths_and_channels_are_no_fault(tmp_path):
    word = np.interp(np.arange(72_000) / 6, np.arange(12_000), word_like(1)).astype(np.float32)
    write_audio(tmp_path / "yes" / "96k.wav", word, 96_000, "PCM_24")
    write_audio(tmp_path / "yes" / "eight_bit.wav", word_like(2), subtype="PCM_U8")
    write_audio(tmp_path / "yes" / "stereo.wav", np.stack([word_like(3)] * 2, axis=1))
    report = inspect_clips(load_folder(tmp_path))
    assert report.accused == ()
    assert [found.measures.num_samples for found in report.clips] == [12_000] * 3


def test_faults_of_the_sound_are_found(tmp_path):
    make_folder(tmp_path, {"yes": 8})
    write_audio(tmp_path / "yes" / "silent.wav", np.zeros(16_000, dtype=np.float32))
    write_audio(tmp_path / "yes" / "clipped.wav", np.clip(5 * word_like(91), -1, 1))
    write_audio(tmp_path / "yes" / "cut.wav", word_like(92)[6_000:])
    report = inspect_clips(load_folder(tmp_path))
    assert kinds(report) == {"silent.wav": ["silent"], "clipped.wav": ["clipped"], "cut.wav": ["cut_off_start"]}
    assert report.num_findings == {"clipped": 1, "cut_off_start": 1, "silent": 1}


def test_a_quiet_clip_that_is_clear_of_its_noise_is_noted_and_one_that_is_not_is_accused(tmp_path):
    make_folder(tmp_path, {"yes": 5})
    quiet = word_like(93) * 0.01
    write_audio(tmp_path / "yes" / "clear.wav", quiet)
    noise = 0.1 * np.abs(quiet).max() * np.random.default_rng(0).standard_normal(len(quiet))
    write_audio(tmp_path / "yes" / "near.wav", quiet + noise)
    report = inspect_clips(load_folder(tmp_path))
    assert kinds(report) == {"near.wav": ["quiet"]}
    assert {found.clip.path.name for found in report.clips if found.notes} == {"clear.wav"}
    assert "1 clip is quiet, but clear of its noise: no fault, though a louder microphone is better" in report.notes
    rows = {row["path"].rsplit("/")[-1]: row["notes"] for row in report.to_json()["clips"]}
    assert len(rows["clear.wav"]) == 1
    assert rows["near.wav"] == []


def test_silence_may_be_silent_and_unknown_speech_long_but_a_keyword_neither(tmp_path):
    for seed, label in enumerate(("yes", "_silence_", "_unknown_")):
        write_audio(tmp_path / label / f"{label}_zero.wav", np.zeros(16_000, dtype=np.float32))
        write_audio(tmp_path / label / f"{label}_long.wav", np.tile(word_like(seed), 8))
    report = inspect_clips(load_folder(tmp_path))
    found = kinds(report)
    assert "_silence__zero.wav" not in found
    assert "_silence__long.wav" not in found
    assert "_unknown__long.wav" not in found
    assert "silent" in found["yes_zero.wav"]
    assert found["yes_long.wav"] == ["too_long"]


def test_copies_are_found_and_a_copy_under_another_label_says_so(tmp_path):
    for label, name in (("yes", "a"), ("yes", "b"), ("no", "c")):
        write_audio(tmp_path / label / f"{name}.wav", word_like(1))
    report = inspect_clips(load_folder(tmp_path))
    assert kinds(report) == {"a.wav": ["duplicate"], "b.wav": ["duplicate"]}
    assert "c.wav, which has another label ('no')" in report.accused[0].findings[0].detail


def test_a_file_that_is_not_what_the_manifest_says_is_altered(tmp_path):
    path = write_audio(tmp_path / "1.wav", word_like(1))
    report = inspect_clips(clip_set(Clip(path, "yes", sha256="0" * 64, num_samples=5)))
    assert kinds(report) == {"1.wav": ["altered", "altered"]}
    assert "12000 samples at 16 kHz, the manifest says 5" in report.accused[0].findings[1].detail


def test_stretches_of_one_recording_are_judged_apart(tmp_path):
    path = write_audio(
        tmp_path / "long.wav", np.concatenate([word_like(1), np.zeros(16_000, np.float32), word_like(2)])
    )
    good = Clip(path, "yes", start_sample=0, end_sample=12_000)
    silent = Clip(path, "yes", start_sample=13_000, end_sample=27_000)
    beyond = Clip(path, "yes", start_sample=30_000, end_sample=90_000)
    report = inspect_clips(clip_set(good, silent, beyond))
    assert [[finding.kind for finding in found.findings] for found in report.clips] == [[], ["silent"], ["unreadable"]]


def test_a_narrow_clip_is_found_among_wide_ones_and_not_among_its_like(tmp_path):
    data = load_folder(make_folder(tmp_path / "wide", {"yes": 6}))
    narrow = word_like(50, 6_000)
    narrow += 0.001 * np.random.default_rng(0).standard_normal(6_000).astype(np.float32)
    path = write_audio(tmp_path / "phone.wav", narrow, 8_000)
    among_wide = inspect_clips(data.with_clips([*data.clips, Clip(path, "yes")]))
    assert kinds(among_wide) == {"phone.wav": ["narrow_band"]}
    assert inspect_clips(clip_set(Clip(path, "yes"))).accused == ()


def test_leaks_between_declared_splits_are_reported(tmp_path):
    data = load_folder(make_folder(tmp_path, {"yes": 6}))
    sides = ("train", "train", "valid", "valid", "test", None)
    speakers = ("ann", "bob", "ann", "cy", "bob", "ann")
    clips = [replace(clip, split=s, speaker=who) for clip, s, who in zip(data.clips, sides, speakers, strict=True)]
    report = inspect_clips(data.with_clips(clips))
    assert [(found.split, found.leak.kind, found.leak.what) for found in report.leaks] == [
        ("valid", "speaker", "ann"),
        ("test", "speaker", "bob"),
    ]


def test_counts_are_of_speakers_within_labels(tmp_path):
    data = load_folder(make_folder(tmp_path, {"yes": 3, "no": 1}))
    clips = [replace(clip, speaker=who) for clip, who in zip(data.clips, ("ann", "bob", "ann", None), strict=True)]
    report = inspect_clips(data.with_clips(clips))
    assert report.num_clips_per_label_and_speaker() == {"no": {"ann": 1}, "yes": {"": 1, "ann": 1, "bob": 1}}


def test_too_few_clips_and_a_lone_speaker_are_noted(tmp_path):
    data = load_folder(make_folder(tmp_path, {"yes": 1}))
    report = inspect_clips(data.with_clips([replace(data.clips[0], speaker="ann")]))
    assert "labels with fewer than 5 clips: yes (1)" in report.notes
    assert any("'ann' is the only speaker: no score can be claimed" in note for note in report.notes)


def test_the_report_is_json_and_carries_the_version_of_the_data(tmp_path):
    data = load_folder(make_folder(tmp_path, {"yes": 2}))
    write_audio(data.clips[0].path, np.zeros(100, dtype=np.float32))
    steps: list[int] = []
    report = inspect_clips(data, progress=steps.append)
    told = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert steps == [1, 2]
    assert told["fingerprint"] == fingerprint(data)
    assert told["num_clips"] == 2
    assert told["num_clips_accused"] == 1
    assert told["clips"][0]["measures"]["speech_dbfs"] is None
    assert told["clips"][0]["findings"][0]["kind"] == "silent"


@needs_speech
def test_of_the_real_pool_at_most_one_clip_in_twenty_is_accused():
    report = inspect_clips(load_clips(SPEECH_FOLDER / "speech_commands_fewshot"))
    assert len(report.accused) / len(report.clips) <= 0.05
    assert report.num_findings.get("unreadable", 0) == 0


@needs_speech
@pytest.mark.parametrize("word", ["yes", "go"])
def test_the_real_dev_set_holds_copies_of_one_speaker(word):
    data = load_clips(SPEECH_FOLDER / "speech_commands_dev")
    report = inspect_clips(data.with_clips(data.with_label(word)))
    copies = [found for found in report.accused if found.findings[0].kind == "duplicate"]
    assert {found.clip.speaker for found in copies} == {"9a7c1f83"}
