"""The importer of Google Speech Commands, on small archives and folders of its true layout, and on real clips of it."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter

import pytest

from data_scripts import import_speech_commands as importer
from data_scripts.import_speech_commands import main
from speechtune.data.inspection.leaks import find_leaks
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips
from tests.support.clips import word_like, write_audio
from tests.support.speech import REPOSITORY, SPEECH_FOLDER, needs_speech

NAMES = ("0a7c2a8d_nohash_0", "0b40aa8e_nohash_0", "0b40aa8e_nohash_1")
DATA_TAR, TEST_TAR = "speech_commands_v0.02.tar.gz", "speech_commands_test_set_v0.02.tar.gz"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "speech_commands"
    for number, (word, name) in enumerate((word, name) for word in ("yes", "no", "bed", "cat") for name in NAMES):
        write_audio(root / word / f"{name}.wav", word_like(number, 1_000))
    for number, name in enumerate(("doing_the_dishes", "exercise_bike", "pink_noise", "running_tap")):
        write_audio(root / "_background_noise_" / f"{name}.wav", word_like(90 + number, 40_000))
    (root / "_background_noise_" / "README.md").write_text("about noise")
    for name in ("README.md", "LICENSE", ".DS_Store"):
        (root / name).write_text("about")
    (root / "validation_list.txt").write_text("".join(f"{word}/{NAMES[0]}.wav\n" for word in ("yes", "bed", "cat")))
    (root / "testing_list.txt").write_text("".join(f"{word}/{NAMES[1]}.wav\n" for word in ("no", "bed")))
    return root


@pytest.fixture
def test_set(tmp_path):
    root = tmp_path / "speech_commands_test_set"
    for number, name in enumerate(("yes/1b40aa8e_nohash_0.wav", "no/1b40aa8e_nohash_0.wav.wav")):
        write_audio(root / name, word_like(50 + number, 1_000))
    write_audio(root / "_unknown_" / "bed_2b40aa8e_nohash_3.wav", word_like(60, 1_000))
    write_audio(root / "_silence_" / "17.wav", word_like(61, 1_000))
    (root / "README.md").write_text("about")
    return root


def pack(root, archive):
    with tarfile.open(archive, "w:gz") as tape:
        tape.add(root, arcname=".")
    return archive


def sum_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def imported(*arguments, out):
    assert main([*map(str, arguments), "--out", str(out)]) == 0
    return load_clips(out)


def test_the_official_lists_become_splits(folder, tmp_path, capsys):
    clip_set = imported(folder, out=tmp_path / "manifest.jsonl")
    assert {clip.label for clip in clip_set.in_split("valid")} == {"yes", "bed", "cat"}
    assert {clip.label for clip in clip_set.in_split("test")} == {"no", "bed"}
    assert len(clip_set.in_split("train")) == 7
    assert clip_set.speakers == ("0a7c2a8d", "0b40aa8e")
    assert len(clip_set.noise) == 4
    assert "4 labels, 2 speakers, 7 train, 3 valid, 2 test" in capsys.readouterr().out


def test_a_folder_that_lacks_a_list_is_refused(folder, tmp_path, capsys):
    (folder / "testing_list.txt").unlink()
    assert main([str(folder), "--out", str(tmp_path / "manifest.jsonl")]) == 2
    assert "testing_list.txt: cannot be read" in capsys.readouterr().err


def test_a_half_unpacked_archive_is_refused(folder, tmp_path, capsys):
    (folder / "bed" / f"{NAMES[1]}.wav").unlink()
    assert main([str(folder), "--out", str(tmp_path / "manifest.jsonl")]) == 2
    assert f"1 clips of its lists are not there, such as bed/{NAMES[1]}.wav" in capsys.readouterr().err


def test_an_archive_is_checked_unpacked_and_imported_as_its_folder_is(folder, tmp_path):
    archive = pack(folder, tmp_path / DATA_TAR)
    from_folder = imported(folder, out=tmp_path / "folder.jsonl")
    clip_set = imported(archive, "--sha256", sum_of(archive), out=tmp_path / "in" / "manifest.jsonl")
    assert (tmp_path / "in" / "speech_commands_v0.02" / "yes" / f"{NAMES[0]}.wav").is_file()
    assert [(c.label, c.split, c.path.name) for c in clip_set.clips] == [
        (c.label, c.split, c.path.name) for c in from_folder.clips
    ]


def test_an_archive_that_is_not_the_published_one_is_refused_before_it_is_unpacked(folder, tmp_path, capsys):
    archive = pack(folder, tmp_path / DATA_TAR)
    assert main([str(archive), "--out", str(tmp_path / "in" / "manifest.jsonl")]) == 2
    assert f"has {archive.stat().st_size} of 2428923189 bytes" in capsys.readouterr().err
    assert main([str(archive), "--sha256", "0" * 64, "--out", str(tmp_path / "in" / "manifest.jsonl")]) == 2
    assert "it should be 000" in capsys.readouterr().err
    assert not (tmp_path / "in").exists()


def test_of_an_archive_whose_sum_is_not_published_the_sum_is_told(folder, tmp_path, capsys):
    archive = pack(folder, tmp_path / "mine.tar.gz")
    imported(archive, "--unpack-to", tmp_path / "here", out=tmp_path / "manifest.jsonl")
    assert f"no sum of mine.tar.gz is published; its SHA-256 is {sum_of(archive)}" in capsys.readouterr().out
    assert (tmp_path / "here" / "mine" / "LICENSE").is_file()


def test_unpacking_goes_on_where_it_was_interrupted(folder, tmp_path):
    archive = pack(folder, tmp_path / "mine.tar.gz")
    imported(archive, out=tmp_path / "manifest.jsonl")
    root = tmp_path / "mine"
    whole, short, kept = root / "yes" / f"{NAMES[0]}.wav", root / "yes" / f"{NAMES[1]}.wav", root / "README.md"
    content, written = short.read_bytes(), kept.stat().st_mtime_ns
    (root / ".unpacked").unlink()
    whole.unlink()
    short.write_bytes(content[:100])
    imported(archive, out=tmp_path / "manifest.jsonl")
    assert whole.is_file()
    assert short.read_bytes() == content
    assert kept.stat().st_mtime_ns == written


def test_of_another_archive_of_the_same_name_nothing_older_is_kept(folder, tmp_path):
    archive = pack(folder, tmp_path / "mine.tar.gz")
    imported(archive, out=tmp_path / "manifest.jsonl")
    changed = folder / "yes" / f"{NAMES[0]}.wav"
    content = changed.read_bytes()
    changed.write_bytes(content[:-2] + b"\x12\x34")  # as long as before
    imported(pack(folder, tmp_path / "mine.tar.gz"), out=tmp_path / "manifest.jsonl")
    assert (tmp_path / "mine" / "yes" / changed.name).read_bytes() == changed.read_bytes() != content
    assert not (tmp_path / "mine" / ".unpacking").exists()


_IMPORT = """
import sys
from data_scripts.import_speech_commands import main
raise SystemExit(main([sys.argv[1], "--out", sys.argv[2]]))
"""


def test_killed_while_unpacking_and_run_again_every_file_is_there_and_whole(folder, tmp_path):
    for number in range(40):  # long enough to be killed in
        (folder / "yes" / f"{number:08x}_nohash_9.wav").write_bytes((folder / "yes" / f"{NAMES[0]}.wav").read_bytes())
        (folder / "README.md").write_bytes(os.urandom(200_000))
    archive, out = pack(folder, tmp_path / "mine.tar"), tmp_path / "manifest.jsonl"
    command = [sys.executable, "-c", _IMPORT, str(archive), str(out)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    num_killed = 0
    for wanted in (1, 8, 20, 33):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        while len(list((tmp_path / "mine").rglob("*.wav"))) < wanted and process.poll() is None:
            time.sleep(0.0005)
        process.kill()
        num_killed += process.wait() == -signal.SIGKILL
        assert not out.exists() or load_clips(out).clips
    assert num_killed
    imported(archive, out=out)
    for path in folder.rglob("*.*"):
        assert (tmp_path / "mine" / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert not list((tmp_path / "mine").rglob("*.part"))


@pytest.mark.parametrize("share", [0.3, 0.999])
def test_a_truncated_archive_is_refused_by_name(folder, tmp_path, capsys, share):
    archive = pack(folder, tmp_path / "mine.tar.gz")
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    assert main([str(archive), "--out", str(tmp_path / "manifest.jsonl")]) == 2
    assert "mine.tar.gz: not a whole archive" in capsys.readouterr().err
    assert not (tmp_path / "mine" / ".unpacked").exists()
    assert not list((tmp_path / "mine").rglob("*.part"))


@pytest.mark.parametrize(("name", "kind"), [("../evil.wav", tarfile.REGTYPE), ("yes/link.wav", tarfile.SYMTYPE)])
def test_an_archive_that_reaches_outside_is_refused(tmp_path, capsys, name, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, "/etc/passwd", 3 if kind == tarfile.REGTYPE else 0
    with tarfile.open(tmp_path / "bad.tar", "w") as tape:
        tape.addfile(info, io.BytesIO(b"abc"))
    assert main([str(tmp_path / "bad.tar"), "--out", str(tmp_path / "in" / "manifest.jsonl")]) == 2
    assert "do not trust it" in capsys.readouterr().err
    assert not (tmp_path / "evil.wav").exists()


def test_a_test_set_archive_is_all_test_and_its_words_are_read_off_the_names(test_set, tmp_path):
    clip_set = imported(pack(test_set, tmp_path / "test.tar.gz"), out=tmp_path / "manifest.jsonl")
    assert {clip.split for clip in clip_set.clips} == {"test"}
    assert clip_set.labels == ("_silence_", "_unknown_", "no", "yes")
    assert [clip.word for clip in clip_set.with_label("_unknown_")] == ["bed"]
    assert clip_set.speakers == ("1b40aa8e", "2b40aa8e")


def test_the_task_of_twelve_has_ten_words_unknown_and_silence(folder, tmp_path):
    clip_set = imported(folder, "--task", "12", out=tmp_path / "manifest.jsonl")
    counts = {split: Counter(clip.label for clip in clip_set.in_split(split)) for split in ("train", "valid", "test")}
    assert counts["train"] == {"yes": 2, "no": 2, "_unknown_": 3, "_silence_": 1}
    assert counts["valid"] == {"yes": 1, "_unknown_": 1, "_silence_": 1}
    assert counts["test"] == {"no": 1, "_unknown_": 1, "_silence_": 1}
    assert {clip.word for clip in clip_set.with_label("_unknown_")} == {"bed", "cat"}
    silence = clip_set.with_label("_silence_")
    assert all(len(read_clip(clip)) == 16_000 for clip in silence)
    assert len({clip.path for clip in silence}) == 3
    assert len(clip_set.noise) == 2
    judging = {clip.path for clip in silence if clip.split != "train"}
    assert not judging.intersection(clip_set.noise)


def test_the_official_test_set_takes_the_place_of_the_test_split(folder, test_set, tmp_path):
    arguments = (folder, "--test-set", test_set, "--task")
    twelve = imported(*arguments, "12", out=tmp_path / "12.jsonl")
    assert {clip.path.parent.parent for clip in twelve.in_split("test")} == {test_set}
    assert Counter(clip.label for clip in twelve.in_split("test")) == {
        "yes": 1,
        "no": 1,
        "_unknown_": 1,
        "_silence_": 1,
    }
    assert find_leaks(twelve.in_split("train"), twelve.in_split("test")) == ()
    words = imported(*arguments, "35", out=tmp_path / "35.jsonl")
    assert words.labels == ("bed", "cat", "no", "yes")
    assert Counter(clip.label for clip in words.in_split("test")) == {"yes": 1, "no": 1, "bed": 1}


def test_a_data_set_is_no_test_set(folder, tmp_path, capsys):
    assert main([str(folder), "--test-set", str(folder), "--out", str(tmp_path / "manifest.jsonl")]) == 2
    assert "is no test set" in capsys.readouterr().err


def test_the_published_sums_are_those_that_torchaudio_publishes():
    from torchaudio.datasets import speechcommands

    theirs = {url.rpartition("/")[2]: digest for url, digest in speechcommands._CHECKSUMS.items()}
    assert len(theirs) == 2
    assert theirs.items() <= {name: published.sha256 for name, published in importer.PUBLISHED.items()}.items()


@needs_speech
def test_the_rule_of_the_lists_puts_every_speaker_of_the_real_test_set_in_test(tmp_path):
    clip_set = load_clips(SPEECH_FOLDER / "speech_commands_dev")
    assert {importer._split_of_speaker(clip) for clip in clip_set.clips if clip.speaker} == {"test"}


@needs_speech
def test_real_folders_become_the_task_of_twelve(tmp_path, capsys):
    pool, dev = SPEECH_FOLDER / "speech_commands_fewshot", SPEECH_FOLDER / "speech_commands_dev"
    clip_set = imported(pool, "--test-set", dev, "--task", "12", out=tmp_path / "manifest.jsonl")
    assert len(clip_set.labels) == 12
    assert len(clip_set.in_split("test")) == 2_178
    judging = {clip.speaker for clip in clip_set.in_split("test") if clip.speaker}
    assert judging.isdisjoint(clip.speaker for clip in clip_set.clips if clip.split != "test")
    assert "split by the hash of their speaker" in capsys.readouterr().out
