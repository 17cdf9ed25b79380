"""The repaired copy of a data set, and the page of an inspection."""

import json
import re

import numpy as np
import pytest

from speechtune.audio.levels import active_speech_dbfs, peak_dbfs
from speechtune.cli.app import run
from speechtune.data.inspection.inspect import inspect_clips
from speechtune.data.inspection.page import render_page
from speechtune.data.inspection.player import encode_png
from speechtune.data.inspection.repair import repair_clips, trimmed_and_levelled
from speechtune.data.sets.clips import content_hashes, read_clip
from speechtune.data.sets.folders import load_folder
from speechtune.data.sets.loading import load_clips
from speechtune.errors import ConfigError, ManifestError
from tests.support.clips import make_folder, word_like, write_audio


def faulty_folder(root):
    make_folder(root, {"yes": 3, "no": 3})
    write_audio(root / "yes" / "silent.wav", np.zeros(16_000, dtype=np.float32))
    write_audio(root / "yes" / "copy.wav", word_like(1, 4_000))
    (root / "no" / "broken.wav").write_text("<b>not audio</b>")
    quiet = np.zeros(16_000, dtype=np.float32)
    write_audio(root / "no" / "long.wav", np.concatenate([quiet, 0.1 * word_like(9), quiet]))
    write_audio(root / "_background_noise_" / "hum.wav", word_like(3, 32_000))
    return root


def test_trimming_keeps_the_word_and_sets_its_level():
    quiet = np.zeros(16_000, dtype=np.float32)
    fixed = trimmed_and_levelled(np.concatenate([quiet, 0.01 * word_like(1), quiet]))
    assert len(fixed) < 20_000
    assert active_speech_dbfs(fixed) == pytest.approx(-26.0, abs=0.5)
    click = word_like(1)
    click[6_000] = 1.0
    assert peak_dbfs(trimmed_and_levelled(0.001 * click)) <= -1.0 + 1e-3


def test_the_repaired_copy_holds_what_is_usable_and_the_original_stays(tmp_path):
    data = load_folder(faulty_folder(tmp_path / "data"))
    before = content_hashes(data.clips)
    repaired = repair_clips(inspect_clips(data), data, tmp_path / "fixed")
    assert content_hashes(data.clips) == before
    assert repaired.num_left_out == 3
    loaded = load_clips(tmp_path / "fixed")
    assert loaded.num_clips_per_label() == {"no": 4, "yes": 3}
    assert len(loaded.noise) == 1
    assert max(len(read_clip(clip)) for clip in loaded.clips) < 20_000
    assert inspect_clips(loaded).accused == ()
    with pytest.raises(ConfigError, match="exists; repaired clips go to a new folder"):
        repair_clips(inspect_clips(data), data, tmp_path / "fixed")


def test_a_set_without_any_usable_clip_is_refused(tmp_path):
    write_audio(tmp_path / "data" / "yes" / "silent.wav", np.zeros(16_000, dtype=np.float32))
    data = load_folder(tmp_path / "data")
    with pytest.raises(ManifestError, match="no clip of it is usable"):
        repair_clips(inspect_clips(data), data, tmp_path / "fixed")
    assert not (tmp_path / "fixed").exists()


def test_the_page_needs_nothing_else_and_what_files_say_is_no_markup(tmp_path):
    page = render_page(inspect_clips(load_folder(faulty_folder(tmp_path / "<i>data"))))
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<i>" not in page
    assert page.count("<audio") == page.count("<img") == 2
    assert "unreadable" in page


class OneOfThemSaysNo:
    """Hears labels `yes` and `no` as far apart as can be, and the fourth clip of `yes`, third of `maybe`, as others."""

    def __init__(self, num_clips):
        self._num_clips = num_clips

    def embed(self, clips, *, closely):
        rng = np.random.default_rng(0)
        directions = {"maybe": 0, "no": 1, "yes": 2}
        heard = [label for label in directions for _ in range(self._num_clips)]
        heard[-1] = "no"
        rows = np.array([np.eye(8)[directions[label]] for label in heard])
        rows[self._num_clips - 1] = (rows[0] + 1.3 * np.eye(8)[2]) / 2
        return (rows + 0.05 * rng.standard_normal(rows.shape)).astype(np.float32)

    def map(self, function, batches):
        return map(function, batches)


def test_the_most_doubted_labels_come_first_and_the_page_shows_those_that_accuse_nobody_too(tmp_path):
    folder = make_folder(tmp_path, {"maybe": 6, "no": 6, "yes": 6})
    write_audio(folder / "no" / "3.wav", np.clip(6 * word_like(9, 8_000), -1, 1))
    report = inspect_clips(load_folder(folder), embedder=OneOfThemSaysNo(6))
    doubted = report.most_doubted(10)
    assert [(found.clip.label, found.clip.path.stem, found.doubt.label) for found in doubted] == [
        ("yes", "5", "no"),
        ("maybe", "5", "yes"),
    ]
    assert [found.kind for found in doubted[0].findings] == ["sounds_like_another"]
    assert doubted[1].findings == ()
    assert report.most_doubted(1) == doubted[:1]
    page = render_page(report)
    assert page.index("Labels most in doubt") < page.index("accuses nobody yet") < page.index("Clips with findings")
    rows = report.to_json()["clips"]
    assert sum(row["doubt"]["times"] > 1.0 for row in rows) == 2
    assert "Labels most in doubt" not in render_page(inspect_clips(load_folder(folder)))


def test_a_finding_that_few_clips_have_comes_before_one_that_many_have(tmp_path):
    folder = make_folder(tmp_path, {"yes": 1})
    for number in range(4):
        write_audio(folder / "no" / f"{number}.wav", np.zeros(16_000, dtype=np.float32))
    (folder / "yes" / "z.wav").write_text("no audio")
    report = inspect_clips(load_folder(folder))
    assert [found.clip.path.name for found in report.accused_rarest_first][:1] == ["z.wav"]
    assert set(report.accused_rarest_first) == set(report.accused)


def test_a_png_is_what_another_reader_says_it_is():
    image = pytest.importorskip("PIL.Image")
    import io

    rng = np.random.default_rng(0)
    levels, palette = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((5, 7), (256, 3)))
    shown = image.open(io.BytesIO(encode_png(levels, palette))).convert("RGB")
    assert np.array_equal(np.asarray(shown), palette[levels])


def test_the_verb_writes_page_figures_and_repaired_clips(tmp_path, capsys):
    folder = faulty_folder(tmp_path / "data")
    arguments = ["inspect", str(folder), "--encoder", "none"]
    assert run([*arguments, "--fix"]) == 2
    assert "say where to with --out" in capsys.readouterr().err
    assert run([*arguments, "--fix", "--out", str(tmp_path / "out")]) == 0
    figures = json.loads((tmp_path / "out" / "inspection.json").read_text())
    assert figures["num_clips_accused"] == 3
    assert (tmp_path / "out" / "inspection.html").read_text().startswith("<!doctype html>")
    assert len(load_clips(tmp_path / "out" / "fixed").clips) == 7
    assert run([*arguments, "--fix", "--out", str(tmp_path / "out")]) == 2
    assert "exists" in capsys.readouterr().err


def test_the_page_lets_nothing_run_and_fetches_nothing(tmp_path):
    page = render_page(inspect_clips(load_folder(make_folder(tmp_path, {"yes": 2}))))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules == {
        "default-src": "'none'", "style-src": "'unsafe-inline'", "img-src": "data:", "media-src": "data:",
    }  # fmt: skip
    assert page.index("Content-Security-Policy") < page.index("<style>")
