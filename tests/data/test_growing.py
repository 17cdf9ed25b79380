"""Data folders that grow take by take."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

from speechtune.data.clips import Clip, content_hash, read_clip
from speechtune.data.growing import GrowingSet
from speechtune.data.loading import load_clips
from speechtune.data.manifest import load_manifest
from speechtune.errors import ManifestError
from tests.support.clips import make_folder, word_like
from tests.support.speech import REPOSITORY


def clip(label="yes", **known):
    return Clip(Path("ann_today"), label, **known)


def test_a_take_is_listed_with_all_that_is_known_of_it(tmp_path):
    growing = GrowingSet(tmp_path / "new" / "data")
    growing.add(clip(speaker="ann", session="today", device="mic", room="hall"), word_like(1))
    growing.add(clip("_unknown_", speaker="ann", word="table"), word_like(2))
    growing.add(clip("_background_noise_"), word_like(3))
    loaded = load_clips(tmp_path / "new" / "data")
    assert loaded.clips == growing.clip_set.clips
    first = loaded.clips[0]
    assert (first.speaker, first.session, first.device, first.room) == ("ann", "today", "mic", "hall")
    assert first.num_samples == len(read_clip(first)) == 12_000
    assert first.sha256 == content_hash(first.path)
    assert [path.name for path in loaded.noise] == ["ann_today_001.flac"]
    again = GrowingSet(tmp_path / "new" / "data")
    assert again.num_takes("ann") == {
        ("yes", "yes"): 1,
        ("_unknown_", "table"): 1,
        ("_background_noise_", None): 1,
    }
    assert again.num_takes("bob") == {("_background_noise_", None): 1}


def test_no_file_is_ever_overwritten(tmp_path):
    growing = GrowingSet(tmp_path)
    (tmp_path / "yes").mkdir()
    (tmp_path / "yes" / "ann_today_001.flac").write_text("mine")
    paths = [growing.add(clip(), word_like(seed)).path.name for seed in (1, 2)]
    assert paths == ["ann_today_002.flac", "ann_today_003.flac"]
    assert (tmp_path / "yes" / "ann_today_001.flac").read_text() == "mine"


def test_clips_of_a_folder_without_manifest_are_listed_too(tmp_path):
    make_folder(tmp_path, {"yes": 2})
    GrowingSet(tmp_path).add(clip("no"), word_like(1))
    assert load_clips(tmp_path).num_clips_per_label() == {"no": 1, "yes": 2}


def test_noise_alone_can_be_gone_on_with(tmp_path):
    GrowingSet(tmp_path).add(clip("_background_noise_"), word_like(1))
    GrowingSet(tmp_path).add(clip(), word_like(2))
    assert len(load_clips(tmp_path).noise) == 1


def test_a_place_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ManifestError, match="cannot be made or read"):
        GrowingSet(tmp_path / "file")


_RECORDER = """
import sys
from pathlib import Path
from speechtune.data.clips import Clip
from speechtune.data.growing import GrowingSet
from tests.support.clips import word_like
growing, samples = GrowingSet(Path(sys.argv[1])), word_like(1, 40_000)
while True:
    growing.add(Clip(Path("ann"), "yes", speaker="ann"), samples)
"""


def test_killed_at_any_moment_the_manifest_parses_and_every_listed_file_is_whole(tmp_path):
    num_before = 0
    for round_number in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", _RECORDER, str(tmp_path)], env=os.environ | {"PYTHONPATH": str(REPOSITORY)}
        )
        try:
            while len(list(tmp_path.glob("yes/*.flac"))) <= num_before:
                time.sleep(0.005)
            time.sleep(0.03 + 0.0071 * round_number)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        clips = load_manifest(tmp_path / "manifest.jsonl", may_be_empty=True).clips
        files = list(tmp_path.glob("yes/*.flac"))
        assert len(files) - len(clips) <= round_number + 1  # at most one take in progress is lost each time
        for listed in clips[num_before:]:
            assert soundfile.info(listed.path).frames == listed.num_samples
            assert content_hash(listed.path) == listed.sha256
        num_before = len(files)
    assert num_before > 6
