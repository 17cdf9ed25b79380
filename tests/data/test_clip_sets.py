"""Clips, their content and the version of a data set."""

import shutil

import numpy as np
import pytest

from speechtune.data.sets.clips import Clip, ClipSet, check_clip_label, content_hashes, fingerprint, read_clip
from speechtune.data.sets.folders import load_folder
from speechtune.errors import ManifestError, UnreadableAudioError
from tests.support.clips import make_folder, named_clip, word_like, write_audio


def test_a_clip_set_knows_its_labels_and_speakers(tmp_path):
    clips = (named_clip(1, "yes", "ann"), named_clip(2, "no", "bob"), named_clip(3, "no"), named_clip(4, "_silence_"))
    clip_set = ClipSet(tmp_path, clips)
    assert clip_set.labels == ("_silence_", "no", "yes")
    assert clip_set.num_clips_per_label() == {"_silence_": 1, "no": 2, "yes": 1}
    assert clip_set.speakers == ("ann", "bob")
    assert clip_set.with_label("no") == clips[1:3]
    assert clip_set.with_label("maybe") == ()


def test_silence_is_not_counted_as_lacking_a_speaker(tmp_path):
    assert ClipSet(tmp_path, (named_clip(1, "yes"), named_clip(2, "_silence_"))).num_without_speaker == 1


def test_the_fingerprint_depends_neither_on_the_place_nor_on_the_names_nor_on_the_order(tmp_path):
    here = load_folder(make_folder(tmp_path / "here", {"yes": 2, "no": 2}))
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    (tmp_path / "there" / "yes" / "0.wav").rename(tmp_path / "there" / "yes" / "z.wav")
    there = load_folder(tmp_path / "there")
    assert fingerprint(here) == fingerprint(there) == fingerprint(here.with_clips(reversed(here.clips)))


def test_the_fingerprint_changes_with_a_label_a_sample_or_a_clip(tmp_path):
    before = load_folder(make_folder(tmp_path, {"yes": 2, "no": 2}))
    first = fingerprint(before)
    relabelled = before.with_clips([Clip(before.clips[0].path, "yes"), *before.clips[1:]])
    assert fingerprint(relabelled) != first
    assert fingerprint(before.with_clips(before.clips[1:])) != first
    samples = read_clip(before.clips[0]).copy()
    samples[7] += 0.01
    write_audio(before.clips[0].path, samples)
    assert fingerprint(before) != first


def test_the_fingerprint_reads_the_files_whatever_the_manifest_declares(tmp_path):
    path = write_audio(tmp_path / "1.wav", word_like(1))
    declared = ClipSet(tmp_path, (Clip(path, "yes", sha256="0" * 64),))
    assert fingerprint(declared) == fingerprint(ClipSet(tmp_path, (Clip(path, "yes"),)))


def test_two_stretches_of_one_recording_have_hashes_of_their_own(tmp_path):
    path = write_audio(tmp_path / "long.wav", word_like(1))
    stretches = [Clip(path, "yes", start_sample=start, end_sample=start + 100) for start in (0, 100, 100)]
    first, second, third = content_hashes(stretches)
    assert first != second
    assert second == third


def test_a_clip_of_a_longer_recording_is_cut_out_of_it(tmp_path):
    samples = word_like(3)
    path = write_audio(tmp_path / "long.wav", samples, subtype="FLOAT")
    assert np.array_equal(read_clip(Clip(path, "yes", start_sample=100, end_sample=300)), samples[100:300])
    assert np.array_equal(read_clip(Clip(path, "yes", start_sample=100)), samples[100:])
    assert np.array_equal(read_clip(Clip(path, "yes", end_sample=300)), samples[:300])
    assert np.array_equal(read_clip(Clip(path, "yes")), samples)


@pytest.mark.parametrize("stretch", [{"start_sample": 11_990, "end_sample": 12_001}, {"start_sample": 12_000}])
def test_a_clip_that_runs_beyond_its_recording_is_refused(tmp_path, stretch):
    path = write_audio(tmp_path / "long.wav", word_like(3, 12_000))
    with pytest.raises(UnreadableAudioError, match=r"long.wav: has 12000 samples.*correct the manifest"):
        read_clip(Clip(path, "yes", **stretch))


def test_a_missing_file_is_named_when_it_is_hashed(tmp_path):
    with pytest.raises(UnreadableAudioError, match=r"gone.wav: cannot be read"):
        content_hashes([Clip(tmp_path / "gone.wav", "yes")])


@pytest.mark.parametrize("label", ["../x", "a/b", "", ".hidden", " yes", "a,b", "x" * 65, "a\nb"])
def test_a_label_that_cannot_name_a_folder_is_refused(label):
    with pytest.raises(ManifestError, match=r"^here: label"):
        check_clip_label(label, "here")


def test_a_label_that_only_looks_reserved_is_refused_with_the_real_ones():
    with pytest.raises(ManifestError, match=r"'_silent_' looks like a reserved one.*_silence_"):
        check_clip_label("_silent_", "here")


def test_accents_are_composed_so_that_folders_of_every_system_match():
    assert check_clip_label("gro\u0308\u00dfe", "here") == "größe"
