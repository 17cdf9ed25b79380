"""What the data folder lists and what is set aside: nothing recorded is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speechtune.data.sets.loading import load_clips
from speechtune.errors import ManifestError
from speechtune.record.prompts import Prompt
from speechtune.record.takes import Stretch, Take, TakeFault, judge_take
from speechtune.studio.takes import Origin, Takes
from tests.support.clips import word_like

ORIGIN = Origin("ann", "today", "mic", "hall")


def take(label: str = "yes", text: str | None = "yes", seed: int = 1) -> Take:
    samples = word_like(seed)
    return judge_take(Prompt(label, text, 1), samples, Stretch(2_000, 10_000) if text is not None else None, 3_000)


def opened(folder: Path) -> Takes:
    return Takes(folder / "clips", folder / "aside")


def test_takes_are_listed_with_what_is_known_of_them(tmp_path: Path) -> None:
    takes = opened(tmp_path)
    takes.add(take(), ORIGIN)
    takes.add(take("_unknown_", "table", 2), ORIGIN)
    takes.add(take("_background_noise_", None, 3), ORIGIN)
    listed = opened(tmp_path).listed()
    assert [(one.label, one.word, one.speaker) for one in listed] == [
        ("yes", None, "ann"),
        ("_unknown_", "table", "ann"),
        ("_background_noise_", None, None),
    ]
    assert listed[0].name == "yes/ann_today_001.flac"
    assert listed[0].seconds == pytest.approx(len(take().samples) / 16_000, abs=1e-3)
    assert len({one.version for one in listed}) == 3


def test_a_removed_take_is_set_aside_and_comes_back_as_it_was(tmp_path: Path) -> None:
    takes = opened(tmp_path)
    name = takes.add(take(), ORIGIN)
    before, version = takes.samples(name), takes.version()
    aside = takes.remove(name)
    assert takes.listed() == []
    assert takes.version() != version
    assert np.array_equal(takes.samples(aside.id), before)
    assert opened(tmp_path).aside() == [aside]
    restored = opened(tmp_path).restore(aside.id)
    again = opened(tmp_path)
    assert np.array_equal(again.samples(restored), before)
    assert again.aside() == []
    (clip,) = load_clips(tmp_path / "clips").clips
    assert (clip.speaker, clip.session, clip.device, clip.room) == ("ann", "today", "mic", "hall")
    assert again.version() == version


def test_a_faulty_take_waits_aside_with_its_faults_until_it_is_used_or_deleted(tmp_path: Path) -> None:
    takes = opened(tmp_path)
    faulty = take().with_faults((TakeFault("clipped", "3.1% of it lies on flat tops"),))
    first, second = (takes.set_aside(faulty, ORIGIN) for _ in range(2))
    assert [fault.detail for fault in takes.aside()[0].faults] == ["3.1% of it lies on flat tops"]
    takes.forget(first.id)
    takes.restore(second.id)
    assert takes.aside() == []
    assert [one.label for one in takes.listed()] == ["yes"]
    with pytest.raises(ManifestError, match="is not set aside"):
        takes.restore(second.id)


def test_a_take_can_be_held_back_for_the_test(tmp_path: Path) -> None:
    takes = opened(tmp_path)
    kept, held_back = (takes.add(take(seed=seed), ORIGIN) for seed in (1, 2))
    version = takes.version()
    takes.hold_back(held_back, is_test=True)
    assert takes.num_training_clips() == {"yes": 1}
    assert [one.is_test for one in opened(tmp_path).listed()] == [False, True]
    assert takes.version() != version
    takes.hold_back(held_back, is_test=False)
    assert takes.num_training_clips() == {"yes": 2}
    assert takes.version() == version
    with pytest.raises(ManifestError, match="is not in the data folder"):
        takes.hold_back(f"../{kept}", is_test=True)


def test_no_name_leads_out_of_the_folders(tmp_path: Path) -> None:
    takes = opened(tmp_path)
    (tmp_path / "secret.flac").write_bytes(b"secret")
    (tmp_path / "secret.json").write_text("{}")
    for name in ("../secret.flac", "../secret", str(tmp_path / "secret.flac"), ""):
        with pytest.raises(ManifestError):
            takes.samples(name)
        with pytest.raises(ManifestError):
            takes.remove(name)
        with pytest.raises(ManifestError):
            takes.restore(name)
        with pytest.raises(ManifestError):
            takes.forget(name)
    assert (tmp_path / "secret.flac").exists()


def test_what_another_writes_in_between_is_listed_after_it(tmp_path: Path) -> None:
    takes = opened(tmp_path)
    with takes.handed_over():
        Takes(tmp_path / "clips", tmp_path / "aside").add(take(), ORIGIN)
    assert len(takes.listed()) == 1
    takes.add(take(seed=2), ORIGIN)
    assert len(load_clips(tmp_path / "clips").clips) == 2
