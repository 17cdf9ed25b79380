"""The two things every part agrees on: labels and settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechtune.errors import ConfigError, UnknownLabelError
from speechtune.labels import LabelSet, check_label
from speechtune.recipe import Recipe
from speechtune.recipe_files import load_recipe, parse_recipe


def test_classes_end_in_silence_and_negatives_are_reported_as_unknown() -> None:
    labels = LabelSet(("yes", "no"), ("cat", "dog"))
    assert labels.classes == ("yes", "no", "cat", "dog", "_silence_")
    assert labels.labels == ("yes", "no", "_unknown_", "_silence_")
    assert labels.label_of_class.tolist() == [0, 1, 2, 2, 3]
    assert [labels.label_for(word) for word in ("no", "cat", "moon", "_silence_")] == [
        "no",
        *["_unknown_"] * 2,
        "_silence_",
    ]


def test_an_unknown_label_lists_the_keywords() -> None:
    with pytest.raises(UnknownLabelError, match="yes, no"):
        LabelSet(("yes", "no")).index("maybe")


@pytest.mark.parametrize("keywords", [(), ("yes", "yes"), ("_unknown_",), ("_silence_", "a"), ("../x",), ("",)])
def test_label_sets_that_make_no_sense_are_refused(keywords: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        LabelSet(keywords)


@pytest.mark.parametrize("label", ["lights on", "ja", "はい", "naïve", "don't", "24"])
def test_labels_of_any_language_are_taken(label: str) -> None:
    assert check_label(label) == label


@given(st.text(max_size=80))
def test_a_label_that_is_taken_can_name_a_folder(label: str) -> None:
    try:
        check_label(label)
    except ConfigError:
        return
    assert label == Path(label).name
    assert "," not in label


def test_a_recipe_survives_its_file() -> None:
    recipe = Recipe.model_validate({"seed": 7, "encoder": {"layers": [1, -1]}, "augment": {"snr_db": [1.0, 2.0]}})
    assert parse_recipe(recipe.to_toml()) == recipe


def test_a_refractory_time_of_one_keyword_goes_before_that_of_all() -> None:
    recipe = load_recipe(None, ["detector.refractory_ms_of.ja\u0308=0", "detector.refractory_ms_of.lights on=70"])
    assert parse_recipe(recipe.to_toml()) == recipe
    times = [recipe.detector.refractory_ms_for(word) for word in ("j\u00e4", "lights on", "no")]
    assert times == [0, 70, 500]
    assert recipe.without_keywords(["lights on"]).detector.refractory_ms_of == {"j\u00e4": 0}
    assert recipe.without_keywords(["lights on", "j\u00e4"]) == Recipe()
    assert "refractory_ms_of" not in Recipe().to_toml()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[detector.refractory_ms_of]\nnext = -1", r"detector\.refractory_ms_of\.next"),
        ("sede = 1", "unknown key 'sede'"),
        ("[augment]\ncopes = 1", r"unknown key 'augment\.copes'; known keys: copies"),
        ("[augment]\ncopies = -1", r"augment\.copies"),
        ("[augment]\nsnr_db = [9.0, 1.0]", "runs downwards"),
        ("[augment]\nsnr_db = [nan, nan]", r"augment\.snr_db\.0: .*finite"),
        ("[augment]\nsnr_db = [-inf, inf]", r"augment\.snr_db\.0: .*finite"),
        ("[augment]\ngain_db = [-1e308, 1e308]", r"augment\.gain_db\.0: .*-100"),
        ("[augment]\ngain_db = [400.0, 400.0]", r"augment\.gain_db\.0: .*100"),
        ("[tune.augment]\nsnr_db = [0.0, inf]", r"tune\.augment\.snr_db\.1: .*finite"),
        ("[augment]\nspeed = [nan, nan]", r"augment\.speed\.0: .*finite"),
        ("[augment]\ntempo = nan", r"augment\.tempo: .*finite"),
        ("seed = 'x'", "seed"),
        ("seed = ", "not TOML"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_recipe(text)


def test_overrides_come_after_the_file_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("seed = 1\n[augment]\ncopies = 3\n")
    recipe = load_recipe(path, ["augment.copies=4", "augment.copies=5", "encoder.name=whisper-base"])
    assert (recipe.seed, recipe.augment.copies, recipe.encoder.name) == (1, 5, "whisper-base")


@pytest.mark.parametrize("override", ["seed", "=1", "seed.x=1", "augment..copies=1", "nothing.here=1"])
def test_an_override_that_makes_no_sense_is_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        load_recipe(None, ["seed=0", override])


def test_a_recipe_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone"):
        load_recipe(tmp_path / "gone.toml")
