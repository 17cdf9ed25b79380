"""Labels that cannot be told apart are named, and ordinary errors are not called so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from speechtune.evaluation.answers.predictions import Predictions
from speechtune.labels import LabelSet
from speechtune.training.head.confusions import Confusion, find_confusions
from speechtune.training.head.cross_fitting import OutOfFold

LABELS = LabelSet(("lamp", "lamps", "stop"), ("_unknown_", "halt", "tree"))
COLUMNS = {"lamp": 0, "lamps": 1, "stop": 2}


def held_out(answers: Sequence[tuple[str, str]]) -> OutOfFold:
    """Clips of the first word of each pair, which heads took for the second one."""
    rng = np.random.default_rng(0)
    posteriors = 0.02 + 0.01 * rng.random((len(answers), 5))
    for row, (_, answer) in enumerate(answers):
        posteriors[row, COLUMNS.get(answer, 3)] += 0.8
    predictions = Predictions(
        LABELS,
        posteriors.astype(np.float32),
        tuple(word for word, _ in answers),
        tuple(str(row) for row in range(len(answers))),
    )
    classes = np.array([LABELS.classes.index(answer) for _, answer in answers])
    return OutOfFold(predictions, classes, 1.0, ())


def right(word: str, number: int) -> list[tuple[str, str]]:
    return [(word, word)] * number


@pytest.mark.parametrize("half", [2, 5])
def test_a_word_that_was_dealt_into_two_labels_is_named_with_how_often(half: int) -> None:
    answers = [
        *right("lamp", half),
        *[("lamp", "lamps")] * half,
        *right("lamps", half),
        *[("lamps", "lamp")] * half,
        *right("stop", 2 * half),
    ]
    (pair,) = find_confusions(held_out(answers))
    assert pair == Confusion(("lamp", "lamps"), 2 * half, 4 * half)
    assert f"'lamp' and 'lamps' are hard to tell apart: {2 * half} of their {4 * half} clips" in str(pair)


@pytest.mark.parametrize("number", [3, 5, 10])
def test_an_error_here_and_there_is_no_confusion(number: int) -> None:
    answers = [
        *right("lamp", number - 1),
        ("lamp", "lamps"),
        *right("lamps", number),
        *right("stop", number - 1),
        ("stop", "lamp"),
    ]
    assert find_confusions(held_out(answers)) == ()


def test_one_label_that_is_nearly_always_the_other_is_named_too() -> None:
    answers = [*right("lamp", 10), *[("lamps", "lamp")] * 9, *right("lamps", 1), *right("stop", 10)]
    # Every clip is as like the one label as the other: how sure the heads are tells nothing.
    (pair,) = find_confusions(held_out(answers))
    assert (pair.labels, pair.num_taken, pair.num_clips) == (("lamp", "lamps"), 9, 20)


def test_a_command_that_stands_among_the_negatives_under_another_name_is_named() -> None:
    answers = [*right("stop", 6), *[("stop", "halt")] * 4, *right("lamp", 10), *right("lamps", 9), ("lamps", "tree")]
    (pair,) = find_confusions(held_out(answers))
    assert pair == Confusion(("stop", "halt"), 4, 10, is_negative=True)
    assert "'stop' is hard to tell from the negative word 'halt': 4 of 10 clips" in str(pair)
    assert "take 'halt' out of the negatives" in str(pair)


def test_the_class_of_all_other_speech_is_no_word_to_be_confused_with() -> None:
    answers = [*right("lamp", 4), *right("lamps", 4), *[("stop", "_unknown_")] * 4]
    assert find_confusions(held_out(answers)) == ()
