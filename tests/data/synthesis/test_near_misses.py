"""Negatives that are almost a command, and the verb that synthesises."""

import re

import pytest

from speechtune.cli.app import run
from speechtune.data.sets.loading import load_clips
from speechtune.data.synthesis.near_misses import near_misses
from speechtune.data.synthesis.synthetic_sets import Line, synthesize_set
from speechtune.data.synthesis.voices import Voice, phonemes_of, synthesize, voices

pytest.importorskip("espeakng_loader", reason="the synthesiser (extra 'demo') is not installed")


def test_phonemes_said_again_are_the_word():
    assert phonemes_of("yes") == "j'Es"
    voice = Voice("f1")
    assert synthesize("[[j'Es]]", voice).tobytes() == synthesize("yes", voice).tobytes()


def test_near_misses_are_the_words_of_a_command_and_changed_sounds_but_no_command():
    missed = near_misses(["lights on", "lights off", "on"], 6, seed=0)
    assert missed["lights on"][0] == "lights"
    assert "on" not in missed["lights on"]
    texts = [text for texts in missed.values() for text in texts]
    assert len(set(texts)) == len(texts) == 18
    said = {synthesize(text, Voice("m1")).tobytes() for text in [*texts, "lights on", "lights off", "on"]}
    assert len(said) == 21


def test_no_near_miss_is_a_command_in_another_accent_or_cannot_be_said():
    for texts in near_misses(["lights on", "stop", "off"], 40, seed=2).values():
        for text in (text for text in texts if text.startswith("[[")):
            assert not re.search(r"nn|tt|ss|pp|h[\]pt]", text)
            assert text.replace("0", "O2").replace("A:", "O2").replace("O:", "O2") not in (
                "[[l'aIts 'O2n]]",
                "[[st2'O2p]]",
                "[['O2f]]",
            )


def test_short_commands_have_many_near_misses_longer_and_shorter_and_with_other_ends():
    texts = near_misses(["go"], 30, seed=0)["go"]
    assert len(texts) == 30
    assert any(text.startswith("[[g'oU") and len(text) > len("[[g'oU]]") for text in texts)
    assert any(text.endswith("'oU]]") for text in texts)


def test_texts_that_differ_in_capitals_alone_have_files_of_different_names(tmp_path):
    lines = [Line("_unknown_", text, 1) for text in ("[[j'Es]]", "[[j'ES]]")]
    names = {clip.path.name.lower() for clip in synthesize_set(tmp_path, lines, voices()[:1], 0).clips}
    assert len(names) == 2


def test_near_misses_depend_on_the_seed_and_the_command_alone():
    assert near_misses(["stop"], 5, 1)["stop"] == near_misses(["stop", "go"], 5, 1)["stop"]
    assert near_misses(["stop"], 5, 1) != near_misses(["stop"], 5, 2)


def test_the_verb_writes_clips_that_say_that_they_are_synthetic(tmp_path, capsys):
    assert run(["synthesize", "stop,lights on", "--out", str(tmp_path), "--takes", "4", "--near-misses", "2"]) == 0
    assert "12 clips of 3 labels" in " ".join(capsys.readouterr().out.split())
    loaded = load_clips(tmp_path)
    assert loaded.num_clips_per_label() == {"_unknown_": 4, "lights on": 4, "stop": 4}
    assert all(clip.synthetic and clip.speaker for clip in loaded.clips)
    assert len({clip.word for clip in loaded.with_label("_unknown_")}) == 4
