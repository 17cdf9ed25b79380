"""Who is asked while takes are recorded."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from speechtune.cli.recording_operator import TerminalOperator, UnattendedOperator
from speechtune.record.ports import Choice
from speechtune.record.prompts import Prompt
from speechtune.record.takes import Stretch, TakeFault, judge_take
from tests.support.clips import word_like

PROMPT = Prompt("lights on", "lights on", 2)


def good_take():
    return judge_take(PROMPT, word_like(1), Stretch(1_000, 11_000), 3_200)


def bad_take():
    return good_take().with_faults((TakeFault("like_another", "it sounds more like 'lights off'"),))


def operator(*answers, terminal=False):
    text, questions, slept = io.StringIO(), [], []
    given = iter(answers)

    def read_line(question):
        questions.append(question)
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    console = Console(file=text, force_terminal=terminal, width=100)
    return TerminalOperator(console, read_line, slept.append), text, questions, slept


@pytest.mark.parametrize(("key", "choice"), [("", Choice.GO), ("s", Choice.SKIP), (" Q ", Choice.QUIT)])
def test_a_letter_answers_a_prompt(key, choice):
    asked, text, _, slept = operator(key)
    assert asked.announce(PROMPT, 3, 10) is choice
    assert "3/10  say: lights on" in text.getvalue()
    assert bool(slept) is (choice is Choice.GO)


@pytest.mark.parametrize(
    ("key", "choice"),
    [("k", Choice.KEEP), ("r", Choice.REDO), ("p", Choice.PLAY), ("s", Choice.SKIP), ("q", Choice.QUIT)],
)
def test_a_letter_answers_a_verdict(key, choice):
    assert operator(key)[0].review(bad_take()) is choice


def test_a_note_is_shown_and_the_take_is_still_kept():
    quiet = judge_take(PROMPT, 0.01 * word_like(1), Stretch(1_000, 11_000), 3_200)
    asked, text, _, _ = operator("")
    assert asked.review(quiet) is Choice.KEEP
    assert "note: quiet, but clear of its noise" in text.getvalue()


def test_enter_keeps_a_good_take_and_repeats_another():
    assert operator("")[0].review(good_take()) is Choice.KEEP
    assert operator("")[0].review(bad_take()) is Choice.REDO


def test_the_verdict_names_the_fault():
    asked, text, _, _ = operator("k")
    asked.review(bad_take())
    assert "like another: it sounds more like 'lights off'" in text.getvalue()


def test_another_letter_is_asked_again_and_the_end_of_input_leaves():
    asked, text, questions, _ = operator("x")
    assert asked.review(good_take()) is Choice.QUIT
    assert len(questions) == 2
    assert "'x' is none of them" in text.getvalue()


def test_the_meter_is_drawn_on_a_terminal_alone_and_grows_with_the_level():
    lengths = []
    for level in (1e-4, 1e-2, 1.0):
        asked, text, _, _ = operator(terminal=True)
        asked.hearing(np.full(100, level, dtype=np.float32))
        lengths.append(text.getvalue().count("█"))
    assert lengths == sorted(set(lengths))
    asked, text, _, _ = operator()
    asked.hearing(np.ones(100, dtype=np.float32))
    assert text.getvalue() == ""


def test_the_meter_stays_on_one_line_and_leaves_it_to_the_verdict():
    asked, text, _, _ = operator("", "", terminal=True)
    asked.announce(PROMPT, 1, 2)
    assert "dBFS" not in text.getvalue(), "the sign to speak comes when the source hears"
    asked.cue()
    before = text.getvalue().count("\n")
    for _ in range(200):
        asked.hearing(np.full(512, 0.1, dtype=np.float32))
    assert text.getvalue().count("\n") == before
    assert text.getvalue().count("\r\x1b[2K") >= 200
    asked.review(good_take())
    assert "\r\x1b[2K   ✓" in re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue())


@pytest.mark.parametrize("width", [10, 20, 40, 120])
def test_the_meter_fits_on_a_terminal_of_any_width(width):
    text = io.StringIO()
    TerminalOperator(Console(file=text, force_terminal=True, width=width)).hearing(np.ones(512, dtype=np.float32))
    assert len(re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", text.getvalue())) <= width


def test_a_terminal_without_blocks_gets_plain_letters():
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii"), force_terminal=True, width=60)
    TerminalOperator(console).hearing(np.full(512, 0.1, dtype=np.float32))
    console.file.flush()
    assert b"####" in raw.getvalue()


def test_unattended_good_takes_are_kept_and_others_repeated_three_times_then_skipped():
    unattended = UnattendedOperator(Console(file=io.StringIO()), redo=True)
    assert unattended.announce(PROMPT, 1, 1) is Choice.GO
    assert [unattended.review(bad_take()) for _ in range(4)] == [*[Choice.REDO] * 3, Choice.SKIP]
    assert unattended.review(good_take()) is Choice.KEEP
    assert UnattendedOperator(Console(file=io.StringIO()), redo=False).review(bad_take()) is Choice.SKIP
