"""Bars of long stages: how much is done, and how long it still takes."""

from __future__ import annotations

import io

from rich.console import Console

from speechtune.cli.terminal.progress import StageBars, progress_bars


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown_by(stages: list[tuple[str, int, int]], *, seconds_apart: float, is_terminal: bool = True) -> str:
    """The last that stands on a terminal of 100 columns after these calls."""
    written, clock = io.StringIO(), Clock()
    console = Console(file=written, force_terminal=is_terminal, width=100, color_system=None)
    with progress_bars(console, clock) as progress:
        for stage, done, total in stages:
            progress(stage, done, total)
            clock.now += seconds_apart
    return written.getvalue().rpartition("\x1b[2K")[2]


def test_a_stage_under_way_says_how_long_it_still_takes() -> None:
    shown = shown_by([("embed", done, 100) for done in range(0, 26, 5)], seconds_apart=2.0)
    assert "embed" in shown
    assert "25/100" in shown
    assert "about 30 s left" in shown


def test_a_stage_that_is_over_says_what_it_took_and_nothing_of_the_rest() -> None:
    shown = shown_by([("embed", 0, 2), ("embed", 1, 2), ("embed", 2, 2)], seconds_apart=30.0)
    assert "2/2 0:01:00" in shown
    assert "left" not in shown


def test_a_stage_of_one_step_has_no_end_in_sight() -> None:
    assert "0/?" in shown_by([("load encoder", 0, 1)], seconds_apart=5.0)
    assert "1/1" in shown_by([("load encoder", 0, 1), ("load encoder", 1, 1)], seconds_apart=5.0)


def test_a_stage_that_comes_again_starts_again() -> None:
    first = [("embed", done, 10) for done in range(11)]
    shown = shown_by([*first, ("embed", 0, 20), ("embed", 5, 20), ("embed", 10, 20)], seconds_apart=1.0)
    assert shown.count("embed") == 1
    assert "10/20" in shown
    assert "about 2 s left" in shown


def test_what_is_no_terminal_is_told_nothing() -> None:
    assert shown_by([("embed", 0, 2), ("embed", 1, 2)], seconds_apart=1.0, is_terminal=False) == ""


def test_bars_can_be_closed_for_something_to_be_printed_and_open_again() -> None:
    bars = StageBars()
    bars("evaluate", 0, 2)
    bars.close()
    bars("listen", 0, 2)
    bars.close()
    bars.close()
