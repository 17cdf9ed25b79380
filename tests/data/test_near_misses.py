"""Negatives that are almost a command, and the verb that synthesises."""

import pytest

from speechtune.cli.app import run
from speechtune.data.loading import load_clips
from speechtune.data.near_misses import near_misses
from speechtune.data.synthesis import Voice, phonemes_of, synthesize

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
