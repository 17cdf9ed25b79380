"""Parts of long commands: alone, or joined to something else, and never a command again."""

import numpy as np
import pytest
from numpy.typing import NDArray

from speechtune.labels import PARTS, LabelSet
from speechtune.recipe import Recipe
from speechtune.training.material import command_parts
from speechtune.training.material.command_parts import CommandParts
from speechtune.training.material.windows import TrainingWindow
from tests.support.training import training_set

TONES_HZ = {"go": 300, "left": 500, "stop": 700, "right": 900, "another": 1_500}
HALF = 8_000


def spoken(name: str) -> NDArray[np.float32]:
    """A tone for each word of two, half a second each, between pauses."""
    time = np.arange(HALF) / 16_000
    words = [0.3 * np.sin(2 * np.pi * TONES_HZ[word] * time) for word in name.split()]
    return np.pad(np.concatenate(words), 2_000).astype(np.float32)


def pitch_hz(samples: NDArray[np.float32]) -> int:
    spectrum = np.abs(np.fft.rfft(samples, 16_000))
    return min(TONES_HZ.values(), key=lambda tone: abs(tone - int(spectrum.argmax())))


def parts_of(names: list[str], num_each: int, monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float32]]:
    monkeypatch.setattr(command_parts, "_SWAPPED", 1.0)
    recipe = Recipe.model_validate({"head": {"command_parts": num_each}})
    labels = LabelSet(tuple(dict.fromkeys(names)), (PARTS,))
    parts = CommandParts(training_set(labels, names, [spoken(name) for name in names]), recipe)
    assert parts.sources == [position for position in range(len(names)) for _ in range(num_each)]
    made: list[NDArray[np.float32]] = []

    def vary(samples: NDArray[np.float32], rng: np.random.Generator) -> TrainingWindow:
        made.append(samples)
        return TrainingWindow(samples)

    for make in parts.makers(vary):
        make()
    return made


def test_a_part_alone_is_the_beginning_or_the_end_and_about_half_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    made = parts_of(["go left"], 2, monkeypatch)
    assert [pitch_hz(part) for part in made] == [300, 500]
    assert all(0.25 * HALF < len(part) < 0.6 * 2 * HALF for part in made)


def test_parts_of_two_commands_are_joined_where_they_are_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    made = parts_of(["go left", "stop right"], 4, monkeypatch)
    joined = [(pitch_hz(part[:3_000]), pitch_hz(part[-3_000:])) for part in made[2:4] + made[6:8]]
    assert joined == [(300, 900), (700, 500), (700, 500), (300, 900)]


def test_what_would_be_a_command_is_not_joined_but_another_word_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_parts, "samples_of", lambda _: spoken("another"))
    made = parts_of(["go left", "go right"], 4, monkeypatch)
    joined = [(pitch_hz(part[:3_000]), pitch_hz(part[-3_000:])) for part in made[2:4] + made[6:8]]
    assert joined == [(300, 1_500), (1_500, 500), (300, 1_500), (1_500, 900)]
