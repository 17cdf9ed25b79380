"""The page's files: whole, small enough to read, in two languages, and asking nobody else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from speechtune.studio.web.app import PAGE_FOLDER

FILES = sorted(PAGE_FOLDER.iterdir())
MODULES = [path for path in FILES if path.suffix == ".js"]
MAX_LINES = 300


def strings(language: str) -> dict[str, str]:
    text = (PAGE_FOLDER / f"strings-{language}.js").read_text(encoding="utf-8")
    return dict(re.findall(r'^  "([^"]+)": "(.*)",$', text, re.MULTILINE))


def test_both_languages_say_the_same_with_the_same_values() -> None:
    english, korean = strings("en"), strings("ko")
    assert len(english) > 100
    assert english.keys() == korean.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", korean[key])), key


def test_every_string_that_is_asked_for_is_there_and_every_other_one_is_asked_for() -> None:
    said = strings("en")
    code = "\n".join(path.read_text(encoding="utf-8") for path in MODULES if not path.name.startswith("strings-"))
    asked = set(re.findall(r'"([a-z_]+(?:\.[\w ]+)+)"', code))
    assert asked - said.keys() == {"speechtune.v1"}, "besides the sub-protocol of the door"
    made = re.findall(r"`([a-z]+(?:\.[a-z]+)*)\.\$\{", code)
    for key in said.keys() - asked:
        assert any(key.startswith(f"{start}.") for start in made) or f'"{key}"' in code, key


def test_every_kind_of_fault_and_stage_has_its_words() -> None:
    from typing import get_args

    from speechtune.audio.sound_faults import SoundFault
    from speechtune.record.takes import TakeFaultKind
    from tests.support.speech import REPOSITORY

    said = strings("en")
    kinds = {kind for one in get_args(TakeFaultKind) for kind in (get_args(one) or (one,))} | set(get_args(SoundFault))
    assert {f"fault.{kind}" for kind in kinds if isinstance(kind, str)} <= said.keys()
    source = (REPOSITORY / "speechtune" / "training" / "finetune.py").read_text(encoding="utf-8")
    stages = set(re.findall(r'clock\.stage\("([^"]+)"\)', source))
    assert {f"stage.{stage}" for stage in stages} <= said.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_host_or_needs_what_the_policy_forbids(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert not re.findall(r"https?://(?!localhost|www\.w3\.org/2000/svg)", text)
    if path.suffix == ".html":
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", text)
    if path.suffix == ".js":
        assert not re.search(r"\beval\(|new Function|innerHTML|document\.write|style: ", text)
        for other in re.findall(r'from "\./([^"]+)"', text):
            assert (PAGE_FOLDER / other).is_file(), other
